"""Text that would do something if it became code stays text, wherever a graph could put it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nix_gen.ir import (
    RESERVED_NAMES,
    AttrSet,
    Binding,
    Call,
    Int,
    Let,
    ListOf,
    Multiline,
    NixValueError,
    Ref,
    RelativePath,
    Str,
    Template,
    Update,
    Value,
    attrs,
)
from nix_gen.ir import value as nix_value
from nix_gen.render import render_file
from tests.support.nix_tools import FEATURES, run

SEED = 20_261_121
FUZZED_COUNT = 10_000
ABORT = 'builtins.abort "x"'
ATTACKS = [
    f"${{{ABORT}}}", f"''${{{ABORT}}}", f'"; evil = {ABORT}; y = "',
    "''; evil = 1; x = ''", f"\\${{{ABORT}}}",
    f"$${{{ABORT}}}", '\\"; evil = 1; #', "\n}; evil = 1; {", "''\n; evil = 1;", f"'''${{{ABORT}}}",
    f"''\\${{{ABORT}}}", "$", "$$", "\\", "''", "'", "'''", "${", "}", f"*/ {ABORT}", "/*", "# comment",
    f"\r {ABORT}", f"\r\n{ABORT}", f"\u2028{ABORT}",
    f"\u2029{ABORT}", f"\x85{ABORT}", f"\x0b{ABORT}", f"\x0c{ABORT}",
    "<nixpkgs>", "./etc/passwd", "http://x/?y", "~/x", "if", "then",
    "else", "assert", "with", "let", "in", "rec",
    "inherit", "or", "null", "true", "__overrides",
    "\u202e} ;1 = live", "\u2066x", "\ufeff", "\u200b", "\U000e0001",
    "\x1b[31m", "a.b", 'a"b', "a''b", "0", "-", "-1", "", " ", "\t", "\\n", "x" * 100_000,
]  # fmt: skip
AROUND = ("{}", "a{}", "{}b", "${}", "\\{}", "'{}", "''{}", "{}\n", "  {}\n\tx", '"{}"', "\n\n {}")
TEXTS = [pattern.replace("{}", attack) for attack in ATTACKS for pattern in AROUND]


def _evaluated(nix: str, body: Value, folder: Path) -> Any:
    file = folder / "values.nix"
    file.write_text(render_file(body, header=TEXTS), encoding="utf-8", newline="")
    return json.loads(run([nix, "eval", "--json", "--offline", *FEATURES, "--file", file]))


@pytest.mark.nix
def test_an_attack_is_inert_wherever_it_stands(nix: str, tmp_path: Path) -> None:
    store = Ref(("builtins", "storeDir"))
    held = nix_value(TEXTS)
    body = AttrSet(
        (
            Binding("bodies", ListOf(tuple(Multiline(f"x{text}\n") for text in TEXTS)), tuple(TEXTS)),
            Binding("called", Call(Ref(("builtins", "length")), (held,))),
            Binding("let", Let((Binding("x", held, tuple(TEXTS)),), Ref(("x",)))),
            Binding("templates", ListOf(tuple(Template((text, store, text)) for text in TEXTS))),
            Binding("texts", held, tuple(TEXTS)),
            Binding("updated", Update((attrs({"a": TEXTS}), attrs({"b": 1})))),
        )
    )
    assert _evaluated(nix, body, tmp_path) == {
        "bodies": [f"x{text}\n" for text in TEXTS],
        "called": len(TEXTS),
        "let": TEXTS,
        "templates": [f"{text}/nix/store{text}" for text in TEXTS],
        "texts": TEXTS,
        "updated": {"a": TEXTS, "b": 1},
    }


@pytest.mark.nix
def test_ten_thousand_fuzzed_names_of_attributes_and_numbers_come_back(nix: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    pieces = [attack for attack in ATTACKS if len(attack) < 100]
    keys = {"".join(chance.choices(pieces, k=chance.randrange(1, 5))) for _ in range(2 * FUZZED_COUNT)}
    numbers = [chance.randrange(-(2**63), 2**63) >> chance.randrange(64) for _ in range(FUZZED_COUNT)]
    data = {key: index for index, key in enumerate(sorted((keys | {*TEXTS}) - RESERVED_NAMES))}
    assert len(data) > FUZZED_COUNT
    alone = [{key: {key: index}} for key, index in list(data.items())[::10]]  # folded into one path
    came_back = _evaluated(
        nix,
        attrs({"alone": alone, "data": data, "numbers": ListOf(tuple(map(Int, numbers)))}),
        tmp_path,
    )
    assert came_back == {"alone": alone, "data": data, "numbers": numbers}


def test_no_character_a_reader_cannot_see_stands_in_a_generated_file() -> None:
    for text in (*TEXTS, *(f"a{chr(code)}b" for code in range(1, 0x20))):
        body = AttrSet((Binding(f"k{text}", nix_value([text, text]), (text,)),))
        lines = render_file(body, header=[text]).split("\n")
        assert [line for line in lines if not line.isprintable() or line != line.rstrip()] == []


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_what_the_module_system_would_execute_is_refused_as_a_name_and_harmless_as_text(name: str) -> None:
    with pytest.raises(NixValueError, match="reserved"):
        nix_value([{"a": {name: "if"}}])
    assert Str(name).text == name


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "ok\udc80"])
@pytest.mark.parametrize(
    "make", [Str, lambda t: Multiline(t + "\n"), lambda t: Template((t,)), lambda t: attrs({t: 1})]
)
def test_what_nix_cannot_hold_is_refused_everywhere(make: Any, text: str) -> None:
    with pytest.raises(NixValueError, match="cannot hold"):
        make(text)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "./..", "./a/../b", "./a b", "./${x}", "./a\n", "x", "./", ".", "./-a", "./.git"],
)
def test_a_path_is_one_of_ours_or_refused(path: str) -> None:
    with pytest.raises(NixValueError, match="no relative path"):
        RelativePath(path)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "if", "${x}", "1a", "a\n", "é", "a.b"])
def test_a_reference_is_along_names_or_refused(name: str) -> None:
    with pytest.raises(NixValueError, match="no reference"):
        Ref(("pkgs", name))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**200])
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(NixValueError, match="64-bit"):
        Int(number)
