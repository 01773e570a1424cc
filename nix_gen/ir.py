"""Typed, immutable Nix values: what lowering produces and `nix_gen.render` alone turns into text.

Pure. A value says what it *is* (a string, a set, a reference to a package); how it is escaped and laid out is
the renderer's business. Text that came from a graph can only ever be a `Str` or a `Multiline`, so it cannot
become code. Attribute names that Nix or the NixOS module system would execute are refused wherever a set is
made.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, get_args

from nix_gen.errors import NixGenError, quoted
from nix_gen.keywords import NIX_KEYWORDS

NAMES_CACHE_COUNT = 8_192
"""Names that are remembered: a deployment has a few hundred, over and over."""
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
RESERVED_NAMES = frozenset({"_type", "outPath", "__toString", "__functor", "_module"})
"""Names with a meaning of their own: `{ _type = "if"; … }` *is* an `mkIf` to the module system."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_RELATIVE_PATH = re.compile(r"\.(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")


class NixValueError(NixGenError):
    """A value that Nix cannot hold, or that would not stay data: our caller's mistake, or a hostile graph."""


@lru_cache(maxsize=NAMES_CACHE_COUNT)
def is_identifier(name: str) -> bool:
    """Whether a name may stand bare as an attribute name."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in NIX_KEYWORDS


def _text(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    if "\0" in text:
        raise NixValueError(f"a Nix string cannot hold NUL: {quoted(text)}")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise NixValueError(f"a Nix string cannot hold half a surrogate pair: {quoted(text)}")
    return text


@dataclass(frozen=True, slots=True)
class Str:
    """A string; every character but NUL comes back from Nix unchanged."""

    text: str

    def __post_init__(self) -> None:
        _text(self.text)


@dataclass(frozen=True, slots=True)
class Multiline:
    """A string of whole lines, for bodies people read: scripts, firewall rules. Ends with a line feed."""

    text: str

    def __post_init__(self) -> None:
        if not _text(self.text).endswith("\n"):
            raise NixValueError("a multi-line string ends with a line feed")


@dataclass(frozen=True, slots=True)
class Int:
    """A signed 64-bit integer."""

    number: int

    def __post_init__(self) -> None:
        if not INT_MIN <= self.number <= INT_MAX:
            raise NixValueError(f"{self.number} is no 64-bit integer")


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    truth: bool


@dataclass(frozen=True, slots=True)
class Null:
    """`null`."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference along names we choose: `pkgs.postgresql_16`, `lib.mkForce`."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or not all(is_identifier(name) for name in self.names):
            raise NixValueError(f"no reference: {quoted('.'.join(self.names))}")


@dataclass(frozen=True, slots=True)
class RelativePath:
    """A path literal beside the file, always of a name we generated: `./hosts/web`. Never user data."""

    path: str

    def __post_init__(self) -> None:
        if not _RELATIVE_PATH.fullmatch(self.path):
            raise NixValueError(f"no relative path: {quoted(self.path)}")


@dataclass(frozen=True, slots=True)
class Template:
    """A string with references in it: `"${lib.getExe pkgs.hello} --greeting"`. Plain parts are escaped."""

    parts: tuple[str | Ref | Call, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            if isinstance(part, str):
                _text(part)


@dataclass(frozen=True, slots=True)
class Call:
    """A function we name, applied: `lib.mkForce "x"`, `nixpkgs.lib.nixosSystem { … }`."""

    function: Ref
    arguments: tuple[Value, ...]

    def __post_init__(self) -> None:
        assert self.arguments, "a call has an argument"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, in the order given."""

    items: tuple[Value, ...]


class Binding(NamedTuple):
    """One attribute and the comment that stands above it, line by line.

    A tuple, as there are more of these than of anything else.
    """

    name: str
    value: Value
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttrSet:
    """An attribute set. Invariants: names sorted, unique, free of NUL, none of `RESERVED_NAMES`."""

    bindings: tuple[Binding, ...]

    def __post_init__(self) -> None:
        names = [binding.name for binding in self.bindings]
        _text("".join(names))
        if not RESERVED_NAMES.isdisjoint(names):
            reserved = min(RESERVED_NAMES.intersection(names))
            raise NixValueError(f"the attribute name {quoted(reserved)} is reserved by Nix")
        if not all(map(operator.lt, names, names[1:])):
            raise NixValueError(f"attribute names are not sorted and unique: {quoted(names)}")


@dataclass(frozen=True, slots=True)
class Function:
    """`{ a, b, ... }: body`; always open, so that a module may be given more arguments than it names."""

    formals: tuple[str, ...]
    body: Value
    ellipsis: bool = True

    def __post_init__(self) -> None:
        if not self.formals or not all(is_identifier(name) for name in self.formals):
            raise NixValueError("a function has named formals")


@dataclass(frozen=True, slots=True)
class Let:
    """`let a = …; in body`: what several places of a file say is said once. Names are ours, never a graph's.

    A binding sees the others, in any order, as Nix has it; they stand in the order given.
    """

    bindings: tuple[Binding, ...]
    body: Value

    def __post_init__(self) -> None:
        names = [binding.name for binding in self.bindings]
        if not names or not all(is_identifier(name) for name in names):
            raise NixValueError(f"no names for `let`: {quoted(names)}")
        if len(set(names)) < len(names):
            raise NixValueError(f"`let` names something twice: {quoted(names)}")


@dataclass(frozen=True, slots=True)
class Update:
    """`a // b`: the operands merged, a later one wins. At most one level deep, as Nix has it."""

    operands: tuple[Ref | AttrSet | Call, ...]

    def __post_init__(self) -> None:
        assert len(self.operands) > 1, "an update has two operands"


Value = (
    Str
    | Multiline
    | Int
    | Bool
    | Null
    | Ref
    | RelativePath
    | Template
    | Call
    | ListOf
    | AttrSet
    | Function
    | Let
    | Update
)
Plain = str | int | bool | None | Sequence["Plain"] | Mapping[str, "Plain"] | Value
"""What `value` accepts: Python data with IR values anywhere inside."""


def ref(path: str) -> Ref:
    """`ref("pkgs.nginx")`; for names we choose, or that `PackageRef` has checked."""
    return Ref(tuple(path.split(".")))


def value(plain: Plain) -> Value:
    """Python data as a Nix value; IR values pass through.

    Raises:
        NixValueError: an attribute name is reserved, a number too large, or a text holds NUL.
    """
    make = _MAKERS.get(type(plain))  # a table of exact types: there are a million values
    if make is not None:
        return make(plain)
    match plain:
        case None:
            typed: Value = Null()
        case str():
            typed = Str(plain)
        case int():
            typed = Int(plain)
        case Mapping():
            typed = attrs(plain)
        case Sequence():
            typed = ListOf(tuple(map(value, plain)))
        case _:
            typed = plain
    return typed


def attrs(plain: Mapping[str, Plain]) -> AttrSet:
    """An attribute set from a mapping.

    Raises:
        NixValueError: as `value`.
    """
    return AttrSet(tuple(Binding(name, value(plain[name])) for name in sorted(plain)))


def _listed(plain: Sequence[Plain]) -> ListOf:
    return ListOf(tuple(map(value, plain)))


_MAKERS: dict[type, Callable[[Any], Value]] = {
    str: Str,
    bool: Bool,
    int: Int,
    type(None): lambda _: Null(),
    dict: attrs,
    list: _listed,
    tuple: _listed,
    **{kind: lambda typed: typed for kind in get_args(Value)},
}


def force(plain: Plain) -> Call:
    """`lib.mkForce plain`: replaces what a NixOS module sets by itself."""
    return Call(Ref(("lib", "mkForce")), (value(plain),))


def default(plain: Plain) -> Call:
    """`lib.mkDefault plain`: what stands unless the operator says otherwise."""
    return Call(Ref(("lib", "mkDefault")), (value(plain),))
