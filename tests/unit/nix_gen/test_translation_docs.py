"""docs/nix.md names every finding the translation can make."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_CODE = re.compile(r'(?:find|warn|code=)\(?\s*"([a-z]+(?:-[a-z]+)+)"')


def test_every_code_of_the_translation_is_documented_and_every_documented_one_exists() -> None:
    made = {
        code for file in (ROOT / "nix_gen" / "lower").glob("*.py") for code in _CODE.findall(file.read_text())
    }
    table = (ROOT / "docs" / "nix.md").read_text().partition("## Findings of the translation")[2]
    named = {
        code
        for line in table.splitlines()
        for code in re.findall(r"`([a-z-]+)`", line.split("|", 2)[1] if "|" in line else "")
    }
    assert made == named - {"code"}
    assert len(made) > 20
