"""The layout of each kind of value, as nixfmt leaves it, and what a reader must be able to see."""

import pytest

from nix_gen.ir import (
    AttrSet,
    Binding,
    Call,
    Function,
    Let,
    ListOf,
    NixValueError,
    Ref,
    Str,
    Template,
    Update,
    Value,
    attrs,
    ref,
    value,
)
from nix_gen.render import render

LET = "let\n  hardened.NoNewPrivileges = true;\n"
HARDENED = Let((Binding("hardened", attrs({"NoNewPrivileges": True})),), attrs({"a": ref("hardened")}))


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (value([]), "[ ]"),
        (value({}), "{ }"),
        (value([53]), "[ 53 ]"),
        (value([-1]), "[ (-1) ]"),
        (value(["a"]), '[ "a" ]'),
        (value(["a", "b"]), '[\n  "a"\n  "b"\n]'),
        (value([["a"]]), '[\n  [ "a" ]\n]'),
        (value(["a" * 60]), f'[\n  "{"a" * 60}"\n]'),
        (value({"a": {"b": 1}}), "{\n  a.b = 1;\n}"),
        (
            value({"zeta": 1, "enable": True, "imports": []}),
            "{\n  imports = [ ];\n\n  enable = true;\n\n  zeta = 1;\n}",
        ),
        (Call(ref("import"), (attrs({"system": "x"}),)), 'import { system = "x"; }'),
        (ListOf((Call(ref("f"), (Str("x"),)),)), '[\n  (f "x")\n]'),
        (HARDENED, f"{LET}in\n{{\n  a = hardened;\n}}"),
        (Function(("lib",), HARDENED), f"{{ lib, ... }}:\n{LET}in\n{{\n  a = hardened;\n}}"),
        (attrs({"a": Function(("x",), ref("x"))}), "{\n  a =\n    { x, ... }:\n    x;\n}"),
        (ListOf((Update((ref("a"), ref("b"))),)), "[\n  (a // b)\n]"),
    ],
)
def test_each_value_is_laid_out_as_nixfmt_leaves_it(held: Value, text: str) -> None:
    assert render(held) == text


def test_let_and_update_keep_their_layout_inside_a_set() -> None:
    updated = Update((ref("hardened"), attrs({"User": "x", "UMask": "0077"})))
    assert render(attrs({"a": Let((Binding("b", value(1)),), ref("b")), "c": updated}), "").splitlines() == [
        *("{", "  a =", "    let", "      b = 1;", "    in", "    b;", ""),
        *("  c = hardened // {", '    UMask = "0077";', '    User = "x";', "  };", "}"),
    ]


def test_a_commented_binding_stands_apart_from_its_neighbours() -> None:
    inner = AttrSet((Binding("a", value(1)), Binding("b", value(2), ("why",)), Binding("c", value(3))))
    assert (
        render(attrs({"s": inner}))
        == "{\n  s = {\n    a = 1;\n\n    # why\n    b = 2;\n\n    c = 3;\n  };\n}"
    )


@pytest.mark.parametrize("names", [(), ("a", "a"), ("in",), ("a b",)])
def test_let_binds_names_of_ours_once_each(names: tuple[str, ...]) -> None:
    with pytest.raises(NixValueError, match="let"):
        Let(tuple(Binding(name, value(1)) for name in names), value(1))


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("\x1b[31m", r'"${builtins.fromJSON "\"\\u001b\""}[31m"'),
        ("a\u202e\u2066b", r'"a${builtins.fromJSON "\"\\u202e\\u2066\""}b"'),
        ("$\u2028", r'"\$${builtins.fromJSON "\"\\u2028\""}"'),
        ("\U000e0001", r'"${builtins.fromJSON "\"\\udb40\\udc01\""}"'),
        ("é\N{SNOWMAN}", '"é\N{SNOWMAN}"'),
    ],
)
def test_what_a_reader_could_not_see_is_spelled_out(text: str, spelled: str) -> None:
    assert render(Str(text)) == spelled
    assert render(Template((text, Ref(("x",))))) == f'{spelled[:-1]}${{x}}"'
    assert render(attrs({text: 1})) == f"{{\n  {spelled} = 1;\n}}"
