"""Draws the life of a task for docs/tasks.md, from the table that the model goes by.

python tools/lifecycle_diagram.py           writes it between the markers
python tools/lifecycle_diagram.py --check   exits with 1 if what stands there is another one

Another document may be named; without markers the exit code is 2.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from coordination.tasks.lifecycle import ENDED, TRANSITIONS, Input, State

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "tasks.md"
BEGIN: Final = "<!-- lifecycle -->\n"
END: Final = "<!-- /lifecycle -->\n"


def diagram() -> str:
    """The state diagram in Mermaid: an arrow for each pair of states, with all inputs that lead along it."""
    inputs: defaultdict[tuple[State, State], list[Input]] = defaultdict(list)
    for (state, happened), after in TRANSITIONS.items():
        if after is not None:
            inputs[state, after].append(happened)
    begins = (State.QUEUED, State.SCHEDULED, State.BLOCKED)
    lines = [f"    [*] --> {state}: submit" for state in begins]
    lines += [
        f"    {state} --> {after}: {', '.join(happened)}" for (state, after), happened in inputs.items()
    ]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"]) + "\n"


def drawn(text: str) -> str:
    """`text` with the diagram between its markers.

    Raises:
        ValueError: There is not exactly one pair of markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the document must have one {BEGIN.strip()} and one {END.strip()} behind it")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + diagram() + END + rest.partition(END)[2]


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description="Draw the life of a task into docs/tasks.md.")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("document", nargs="?", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    document: Path = options.document
    text = document.read_text(encoding="utf-8")
    try:
        new = drawn(text)
    except ValueError as error:
        sys.stderr.write(f"{document}: {error}\n")
        return 2
    if options.check:
        return int(new != text)
    document.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
