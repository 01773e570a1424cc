"""The one module that emits Nix text.

Pure. Escapes by type and lays out as nixfmt would leave it: two spaces, one item a line, `[ ]` and `{ }`, a
set with one member folded into a dotted path. The bytes depend on the value alone: LF, final
newline. The rules are measured facts about Nix 2.26 and nixfmt; tests/property/nix_gen proves the escaping by
a round trip through Nix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nix_gen.ir import (
    INT_MIN,
    AttrSet,
    Binding,
    Bool,
    Call,
    Function,
    Int,
    ListOf,
    Multiline,
    Null,
    Ref,
    RelativePath,
    Str,
    Template,
    Value,
    is_identifier,
)

LINE_MAX_COLUMNS = 100
"""nixfmt's line width, indentation not counted."""
FORMALS_IN_LINE_MAX_COUNT = 2
"""nixfmt keeps a function head of up to two formals (and `...`) on one line."""
_STEP = "  "
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\n\r\t]|\$(?=\{)')
_SPECIAL_INDENTED = re.compile(r"'(?='|\$\{)|(?<=')'|\$(?=\{)")
_PLAIN_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


def render_file(body: Value, *, header: Sequence[str] = ()) -> str:
    """A whole file: the header as comments, the expression, a final newline."""
    return "".join(f"{line}\n" for line in _comments(header, "")) + render(body) + "\n"


def render(body: Value, indent: str = "") -> str:
    """One expression; every line after the first is indented by `indent`."""
    match body:
        case Str(text):
            lines = f'"{_escaped(text)}"'
        case Multiline(text):
            lines = _multiline(text, indent)
        case Template(parts):
            lines = _template(parts, indent)
        case Call():
            lines = _call(body, indent)
        case ListOf(items):
            lines = _list(items, indent)
        case AttrSet(bindings):
            lines = _attrs(bindings, indent)
        case Function():
            lines = _function(body, indent)
        case _:
            lines = _atom(body)
    return lines


def _atom(body: Int | Bool | Null | Ref | RelativePath) -> str:
    match body:
        case Int(number):
            word = _number(number)
        case Bool(truth):
            word = "true" if truth else "false"
        case Null():
            word = "null"
        case Ref(names):
            word = ".".join(names)
        case RelativePath(path):
            word = path
    return word


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\\$"), text)


def _multiline(text: str, indent: str) -> str:
    lines = text[:-1].split("\n")
    # Nix strips the indentation all lines share, and counts neither tabs nor blank lines: where that would
    # change the text (or a control character stands in it) the plain form says the same without risk.
    keeps_indent = any(line[:1] not in {"", " "} for line in lines)
    clean = all(_PLAIN_LINE.fullmatch(line) and not line.isspace() for line in lines)
    if not (keeps_indent and clean):
        return f'"{_escaped(text)}"'
    inner = indent + _STEP
    escaped = _SPECIAL_INDENTED.sub(lambda found: "''$" if found[0] == "$" else "''\\'", text[:-1])
    body = "".join(f"{inner}{line}\n" if line else "\n" for line in escaped.split("\n"))
    return f"''\n{body}{indent}''"


def _number(number: int) -> str:
    if number == INT_MIN:
        return f"({INT_MIN + 1} - 1)"
    return str(number) if number >= 0 else f"({number})"


def _template(parts: Sequence[str | Ref | Call], indent: str) -> str:
    texts = []
    for part in parts:
        if isinstance(part, str):
            text = _escaped(part)
            # A `$` right before `${…}` would escape it.
            texts.append(text[:-1] + "\\$" if text.endswith("$") else text)
        else:
            texts.append(f"${{{render(part, indent)}}}")
    return f'"{"".join(texts)}"'


def _call(call: Call, indent: str) -> str:
    words = [render(call.function, indent)]
    words += [_argument(argument, indent) for argument in call.arguments]
    return " ".join(words)


def _argument(argument: Value, indent: str) -> str:
    text = render(argument, indent)
    return f"({text})" if isinstance(argument, Call | Function) else text


def _list(items: Sequence[Value], indent: str) -> str:
    if not items:
        return "[ ]"
    inner = indent + _STEP
    return "[\n" + "".join(f"{inner}{_argument(item, inner)}\n" for item in items) + f"{indent}]"


def _attrs(bindings: Sequence[Binding], indent: str) -> str:
    if not bindings:
        return "{ }"
    inner = indent + _STEP
    lines: list[str] = []
    for index, binding in enumerate(bindings):
        folded, path, said = _folded(binding)
        comments = _comments(said, inner)
        if index and (comments or not indent):
            lines.append("")
        lines += [*comments, _binding(path, folded, inner)]
    return "{\n" + "\n".join(lines) + f"\n{indent}}}"


def _folded(binding: Binding) -> tuple[Value, str, list[str]]:
    """The value, dotted path and comments of a binding: a set with one member is folded into the path."""
    names, held, said = [binding.name], binding.value, list(binding.comments)
    while isinstance(held, AttrSet) and len(held.bindings) == 1:
        (member,) = held.bindings
        names.append(member.name)
        said += member.comments
        held = member.value
    path = ".".join(name if is_identifier(name) else f'"{_escaped(name)}"' for name in names)
    return held, path, said


def _binding(path: str, held: Value, indent: str) -> str:
    if isinstance(held, Function):
        inner = indent + _STEP
        return f"{indent}{path} =\n{inner}{render(held, inner)};"
    text = render(held, indent)
    line = f"{path} = {text};"
    wraps = '"' in path or isinstance(held, Call | Ref)
    if wraps and "\n" not in text and len(line) > LINE_MAX_COLUMNS:
        return f"{indent}{path} =\n{indent}{_STEP}{text};"
    return f"{indent}{line}"


def _function(function: Function, indent: str) -> str:
    formals = [*function.formals, *(["..."] if function.ellipsis else [])]
    if len(function.formals) <= FORMALS_IN_LINE_MAX_COUNT:
        head = f"{{ {', '.join(formals)} }}:"
    else:
        inner = indent + _STEP
        commas = [f"{name}," for name in function.formals]
        head = "{\n" + "".join(f"{inner}{word}\n" for word in [*commas, "..."]) + f"{indent}}}:"
    return f"{head}\n{indent}{render(function.body, indent)}"


def _comments(texts: Sequence[str], indent: str) -> list[str]:
    """Comment lines; whatever a graph says, each text stays one line of comment."""
    lines = (" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in texts)
    return [f"{indent}# {line}" if line else f"{indent}#" for line in lines]
