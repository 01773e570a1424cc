"""Whatever a graph says comes back from real Nix unchanged: one evaluation for thousands of fuzzed values."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nix_gen.ir import RESERVED_NAMES, Int, ListOf, Multiline, NixValueError, Ref, Str, Template, Value, attrs
from nix_gen.ir import value as nix_value
from nix_gen.render import render, render_file

SEED = 20_260_801
STRINGS_COUNT = 10_000
TOKENS = [
    "${", "''", "'''", "$", "$$", "{", "}", '"', "\\", "\n", "\r", "\t", "'", "a", " ", "  ", "#", "/*", "*/",
    ";", "=", "é", "\N{SNOWMAN}", "\U0001f600", "\u2028", "\x01", "\x7f", "''${", "$''{", "\\${", "''\\n",
    "if", "rec", "builtins.abort", "<nixpkgs>", '${builtins.abort "x"}', "''${x}''", "let", "or", "_type",
]  # fmt: skip


def _fuzz(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(TOKENS) for _ in range(length))


def _key(chance: random.Random) -> str:
    key = _fuzz(chance, chance.randrange(6))
    return "plain" if key in RESERVED_NAMES else key


def _data(chance: random.Random, depth: int) -> Any:
    leaves = [None, True, False, -(2**63), 2**63 - 1, -1, 0, _fuzz(chance, chance.randrange(8))]
    kind = chance.randrange(4 if depth else 2)
    if kind == 2:
        return [_data(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 3:
        return {_key(chance): _data(chance, depth - 1) for _ in range(chance.randrange(4))}
    return chance.choice(leaves)


def _evaluated(nix: str, body: Value, folder: Path) -> Any:
    file = folder / "values.nix"
    file.write_text(render_file(body, header=["fuzz"]), encoding="utf-8", newline="")
    command = [
        nix,
        "eval",
        "--json",
        "--offline",
        "--extra-experimental-features",
        "nix-command",
        "--file",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


@pytest.mark.nix
def test_ten_thousand_fuzzed_values_come_back_from_nix_unchanged(nix: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    texts = [_fuzz(chance, chance.randrange(12)) for _ in range(STRINGS_COUNT)]
    bodies = [_fuzz(chance, chance.randrange(20)) + "\n" for _ in range(STRINGS_COUNT)]
    nested = [_data(chance, 4) for _ in range(2_000)]
    templates = [(_fuzz(chance, 3), _fuzz(chance, 3)) for _ in range(1_000)]
    body = attrs(
        {
            "bodies": ListOf(tuple(Multiline(text) for text in bodies)),
            "nested": nested,
            "templates": ListOf(tuple(Template((a, Ref(("builtins", "storeDir")), b)) for a, b in templates)),
            "texts": ListOf(tuple(Str(text) for text in texts)),
        }
    )
    came_back = _evaluated(nix, body, tmp_path)
    store = "/nix/store"
    assert came_back["texts"] == texts
    assert came_back["bodies"] == bodies
    assert came_back["nested"] == nested
    assert [t.split(store, 1) for t in came_back["templates"]] == [
        f"{a}{store}{b}".split(store, 1) for a, b in templates
    ]


@pytest.mark.nix
def test_integers_of_every_size_come_back_inside_lists(nix: str, tmp_path: Path) -> None:
    numbers = [
        0,
        1,
        -1,
        2**63 - 1,
        -(2**63),
        -(2**63) + 1,
        *(random.Random(SEED).randrange(-(2**63), 2**63) for _ in range(STRINGS_COUNT)),
    ]
    assert _evaluated(nix, ListOf(tuple(Int(n) for n in numbers)), tmp_path) == numbers


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_name_that_nix_would_execute_is_refused_anywhere_in_data(name: str) -> None:
    with pytest.raises(NixValueError, match="reserved"):
        nix_value({"outer": [{name: "if"}]})


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_text_that_nix_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(NixValueError, match="cannot hold"):
        Str(text)
    with pytest.raises(NixValueError, match="cannot hold"):
        attrs({text: 1})


def test_a_comment_never_breaks_out_of_its_line() -> None:
    text = render_file(nix_value({}), header=["one\ntwo = builtins.abort;\r\u2028three\0\x1b[31m"])
    assert text == "# one two = builtins.abort; three [31m\n{ }\n"
    assert render(nix_value({"a": 1})) == "{\n  a = 1;\n}"
