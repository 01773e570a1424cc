r"""The one module that emits Nix text.

Pure. Escapes by type and lays out as nixfmt (RFC 166) would leave it: two spaces, a list of one word in one
line and any other with one item a line, `[ ]` and `{ }`, a set with one member folded into a dotted path.
The bytes depend on the value alone: LF, final newline. The rules are measured facts about Nix 2.26 and
nixfmt; tests/property/nix_gen proves the escaping by a round trip through Nix.

What a reader could not see, or what would move the text around it (control characters, terminal escapes,
bidirectional marks), never stands raw in a file: it is spelled `${builtins.fromJSON "\"\\u202e\""}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from nix_gen.ir import (
    INT_MIN,
    NAMES_CACHE_COUNT,
    AttrSet,
    Binding,
    Bool,
    Call,
    Function,
    Int,
    Let,
    ListOf,
    Multiline,
    Null,
    Ref,
    RelativePath,
    Str,
    Template,
    Update,
    Value,
    is_identifier,
)

LINE_MAX_COLUMNS = 100
"""nixfmt's line width, indentation not counted."""
FORMALS_IN_LINE_MAX_COUNT = 2
"""nixfmt keeps a function head of up to two formals (and `...`) on one line."""
_STEP = "  "
_FIRST = ("imports", "enable", "description")
"""Attributes that stand before the others of their set, where people look for them."""
_FIRST_SET = frozenset(_FIRST)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\n\r\t]|\$(?=\{)')
_SPECIAL_INDENTED = re.compile(r"'(?='|\$\{)|(?<=')'|\$(?=\{)")
_WORDS = (Str, Int, Bool, Null, Ref, RelativePath, Template)
"""What may share its line with brackets around it."""
_IN_PARENTHESES = (Call, Function, Let, Update)
"""What must not stand bare as an argument or in a list."""
_BELOW_THEIR_NAME = (Function, Let)
_BELOW_A_LONG_NAME = (Call, Ref, Update)


def render_file(body: Value, *, header: Sequence[str] = ()) -> str:
    """A whole file: the header as comments, the expression, a final newline."""
    return "".join(f"{line}\n" for line in _comments(header, "")) + render(body) + "\n"


def render(body: Value, indent: str = "") -> str:
    """One expression; every line after the first is indented by `indent`."""
    return _RENDERERS[type(body)](body, indent)


def _escaped(text: str) -> str:
    """Text for between double quotes."""
    escaped = _SPECIAL.sub(_escape, text)
    return escaped if escaped.isprintable() else _spelled_out(escaped)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "\\$")


def _spelled_out(escaped: str) -> str:
    """Runs of characters that do not print as escapes of JSON, which Nix reads and people see."""
    pieces: list[str] = []
    for printable, run in _runs(escaped):
        if printable:
            pieces.append(run)
            continue
        if pieces and pieces[-1].endswith("$"):
            # A `$` right before `${…}` would escape it.
            pieces[-1] = pieces[-1][:-1] + "\\$"
        spelled = "".join(f"\\\\u{ord(char):04x}" if ord(char) < 0x10000 else _pair(char) for char in run)
        pieces.append(f'${{builtins.fromJSON "\\"{spelled}\\""}}')
    return "".join(pieces)


def _pair(char: str) -> str:
    """A character beyond the first plane, as JSON spells it: two surrogates."""
    return json.dumps(char)[1:-1].replace("\\", "\\\\")


def _runs(text: str) -> list[tuple[bool, str]]:
    runs: list[tuple[bool, str]] = []
    for char in text:
        printable = char.isprintable()
        if runs and runs[-1][0] is printable:
            runs[-1] = (printable, runs[-1][1] + char)
        else:
            runs.append((printable, char))
    return runs


def _str(body: Str, _indent: str) -> str:
    return f'"{_escaped(body.text)}"'


def _multiline(multiline: Multiline, indent: str) -> str:
    text = multiline.text
    lines = text[:-1].split("\n")
    # Nix strips the indentation all lines share, and counts neither tabs nor blank lines: where that would
    # change the text (or a control character stands in it) the plain form says the same without risk.
    keeps_indent = any(line[:1] not in {"", " "} for line in lines)
    clean = all(line.isprintable() and not line.isspace() for line in lines)
    if not (keeps_indent and clean):
        return f'"{_escaped(text)}"'
    inner = indent + _STEP
    escaped = _SPECIAL_INDENTED.sub(lambda found: "''$" if found[0] == "$" else "''\\'", text[:-1])
    body = "".join(f"{inner}{line}\n" if line else "\n" for line in escaped.split("\n"))
    return f"''\n{body}{indent}''"


def _int(body: Int, _indent: str) -> str:
    number = body.number
    if number == INT_MIN:
        return f"({INT_MIN + 1} - 1)"
    return str(number) if number >= 0 else f"({number})"


def _template(body: Template, indent: str) -> str:
    texts = []
    for part in body.parts:
        if isinstance(part, str):
            text = _escaped(part)
            # A `$` right before `${…}` would escape it.
            texts.append(text[:-1] + "\\$" if text.endswith("$") else text)
        else:
            texts.append(f"${{{render(part, indent)}}}")
    return f'"{"".join(texts)}"'


def _call(call: Call, indent: str) -> str:
    words = [".".join(call.function.names)]
    words += [_argument(argument, indent) for argument in call.arguments]
    last = call.arguments[-1]
    if isinstance(last, AttrSet) and len(last.bindings) == 1 and not last.bindings[0].comments:
        # nixfmt leaves a short last argument in the line: `import ./plan.nix { system = "…"; }`.
        held, path, said = _folded(last.bindings[0])
        line = f"{' '.join(words[:-1])} {{ {path} = {render(held, indent)}; }}"
        if isinstance(held, _WORDS) and not said and len(line) <= LINE_MAX_COLUMNS // 2:
            return line
    return " ".join(words)


def _argument(argument: Value, indent: str) -> str:
    text = render(argument, indent)
    return f"({text})" if isinstance(argument, _IN_PARENTHESES) else text


def _list(body: ListOf, indent: str) -> str:
    items = body.items
    if not items:
        return "[ ]"
    if len(items) == 1 and isinstance(items[0], _WORDS):
        word = render(items[0], indent)
        if len(word) <= LINE_MAX_COLUMNS // 2 and "\n" not in word:
            return f"[ {word} ]"
    inner = indent + _STEP
    return "[\n" + "".join(f"{inner}{_argument(item, inner)}\n" for item in items) + f"{indent}]"


def _attrs(body: AttrSet, indent: str) -> str:
    bindings = body.bindings
    if not bindings:
        return "{ }"
    if not _FIRST_SET.isdisjoint(binding.name for binding in bindings):
        bindings = tuple(sorted(bindings, key=_rank))
    return f"{{\n{_bindings(bindings, indent + _STEP, apart=not indent)}\n{indent}}}"


def _rank(binding: Binding) -> int:
    return _FIRST.index(binding.name) if binding.name in _FIRST else len(_FIRST)


def _bindings(bindings: Sequence[Binding], indent: str, *, apart: bool) -> str:
    """Bindings, one after another; a commented one, or each if `apart`, has a blank line on either side."""
    lines: list[str] = []
    commented = False
    for binding in bindings:
        held, path, said = _folded(binding)
        if lines and (apart or said or commented):
            lines.append("")
        if said:
            lines += _comments(said, indent)
        lines.append(_binding(path, held, indent))
        commented = bool(said)
    return "\n".join(lines)


def _folded(binding: Binding) -> tuple[Value, str, tuple[str, ...]]:
    """The value, dotted path and comments of a binding: a set with one member is folded into the path."""
    path, held, said = _name(binding.name), binding.value, binding.comments
    while isinstance(held, AttrSet) and len(held.bindings) == 1:
        member = held.bindings[0]
        path = f"{path}.{_name(member.name)}"
        said += member.comments
        held = member.value
    return held, path, said


@lru_cache(maxsize=NAMES_CACHE_COUNT)
def _name(name: str) -> str:
    """An attribute name as it stands in a path."""
    return name if is_identifier(name) else f'"{_escaped(name)}"'


def _binding(path: str, held: Value, indent: str) -> str:
    if isinstance(held, _BELOW_THEIR_NAME):
        inner = indent + _STEP
        return f"{indent}{path} =\n{inner}{render(held, inner)};"
    text = render(held, indent)
    if len(path) + len(text) + len(" = ;") > LINE_MAX_COLUMNS and "\n" not in text:
        if isinstance(held, ListOf) and held.items:
            (item,) = held.items
            return f"{indent}{path} = [\n{indent}{_STEP}{render(item, indent + _STEP)}\n{indent}];"
        if '"' in path or isinstance(held, _BELOW_A_LONG_NAME):
            return f"{indent}{path} =\n{indent}{_STEP}{text};"
    return f"{indent}{path} = {text};"


def _function(function: Function, indent: str) -> str:
    formals = [*function.formals, *(["..."] if function.ellipsis else [])]
    if len(function.formals) <= FORMALS_IN_LINE_MAX_COUNT:
        head = f"{{ {', '.join(formals)} }}:"
    else:
        inner = indent + _STEP
        commas = [f"{name}," for name in function.formals]
        head = "{\n" + "".join(f"{inner}{word}\n" for word in [*commas, "..."]) + f"{indent}}}:"
    return f"{head}\n{indent}{render(function.body, indent)}"


def _let(let: Let, indent: str) -> str:
    bindings = _bindings(let.bindings, indent + _STEP, apart=False)
    return f"let\n{bindings}\n{indent}in\n{indent}{render(let.body, indent)}"


def _update(update: Update, indent: str) -> str:
    return " // ".join(render(operand, indent) for operand in update.operands)


def _comments(texts: Sequence[str], indent: str) -> list[str]:
    """Comment lines; whatever a graph says, each text stays one line of comment."""
    printable = (
        text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text) for text in texts
    )
    lines = (" ".join(text.split()) for text in printable)
    return [f"{indent}# {line}" if line else f"{indent}#" for line in lines]


_RENDERERS: dict[type[Any], Callable[[Any, str], str]] = {
    Str: _str,
    Multiline: _multiline,
    Int: _int,
    Bool: lambda body, _indent: "true" if body.truth else "false",
    Null: lambda _body, _indent: "null",
    Ref: lambda body, _indent: ".".join(body.names),
    RelativePath: lambda body, _indent: str(body.path),
    Template: _template,
    Call: _call,
    ListOf: _list,
    AttrSet: _attrs,
    Function: _function,
    Let: _let,
    Update: _update,
}
