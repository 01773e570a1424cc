"""The one module that writes Alloy's configuration language: blocks, attributes, and strings by type.

Pure. Text from a graph can only be a string here; expressions (`Expression`) are written by us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STEP = "  "


@dataclass(frozen=True, slots=True)
class Expression:
    """A reference to another component: `loki.write.logs.receiver`."""

    text: str

    def __post_init__(self) -> None:
        assert all(_IDENTIFIER.fullmatch(word) for word in self.text.split(".")), self.text


@dataclass(frozen=True, slots=True)
class Block:
    """A block: `loki.write "logs" { … }`. Attributes come before inner blocks, in the order given."""

    name: str
    label: str | None = None
    attributes: Mapping[str, AlloyValue] | None = None
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        assert all(_IDENTIFIER.fullmatch(word) for word in self.name.split(".")), self.name
        assert self.label is None or _IDENTIFIER.fullmatch(self.label), self.label


AlloyValue = str | Expression | Sequence["AlloyValue"] | Mapping[str, "AlloyValue"]


def identifier(name: str) -> str:
    """A name as a label of a block: what is no letter or digit becomes `_`."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return word if _IDENTIFIER.fullmatch(word) else f"_{word}"


def quoted(text: str) -> str:
    """A string, escaped as Go does."""
    return '"' + "".join(_ESCAPES.get(char) or _plain(char) for char in text) + '"'


def _plain(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def alloy_text(blocks: Sequence[Block]) -> str:
    """Blocks as a file, with an empty line between them."""
    return "\n".join("\n".join(_lines(block, "")) + "\n" for block in blocks)


def _lines(block: Block, indent: str) -> list[str]:
    head = f"{block.name} {quoted(block.label)}" if block.label is not None else block.name
    attributes = dict(block.attributes or {})
    if not attributes and not block.blocks:
        return [f"{indent}{head} {{ }}"]
    inner = indent + _STEP
    width = max((len(name) for name in attributes), default=0)
    lines = [f"{indent}{head} {{"]
    lines += [f"{inner}{name:<{width}} = {_value(held, inner)}" for name, held in attributes.items()]
    for number, member in enumerate(block.blocks):
        if number or attributes:
            lines.append("")
        lines += _lines(member, inner)
    return [*lines, f"{indent}}}"]


def _value(held: AlloyValue, indent: str) -> str:
    match held:
        case str():
            return quoted(held)
        case Expression(text):
            return text
        case Mapping():
            inner = indent + _STEP
            width = max((len(name) for name in held), default=0)
            members = "".join(
                f"{inner}{name:<{width}} = {_value(member, inner)},\n" for name, member in held.items()
            )
            return f"{{\n{members}{indent}}}" if held else "{ }"
        case _:
            return f"[{', '.join(_value(item, indent) for item in held)}]"
