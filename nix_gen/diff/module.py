"""Reads a host's lowered module: options by path, names of its `let` looked up, updates merged.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from nix_gen.ir import (
    AttrSet,
    Binding,
    Call,
    Function,
    Let,
    ListOf,
    Multiline,
    Ref,
    RelativePath,
    Str,
    Template,
    Update,
    Value,
)


class Module:
    """The options of one host.

    Args:
        function: as `lower` makes it: a function to a set, or to a `let` around one.
        files: what stands beside the module, by relative path; a path of the module stands for its files.
    """

    def __init__(self, function: Function, files: Mapping[str, str] = MappingProxyType({})) -> None:
        self.files = files
        body = function.body
        self._names: Mapping[str, Value] = {}
        if isinstance(body, Let):
            self._names = {binding.name: binding.value for binding in body.bindings}
            body = body.body
        assert isinstance(body, AttrSet), "a module is a set of options"
        self.body = body
        self.named: str = repr([(name, self.content(value)) for name, value in self._names.items()])
        """What the names stand for, in one comparable text."""

    def member(self, value: Value | None, *names: str) -> Value | None:
        """The value at a path of names, also below `lib.mkDefault` and its like; None where there is none."""
        for name in names:
            value = dict(self.members(value)).get(name)
        return self._bare(value)

    def members(self, value: Value | None) -> Iterator[tuple[str, Value]]:
        """Names and values of a set; of an update, of its operands in order; nothing for anything else."""
        yield from ((binding.name, binding.value) for binding in self.bindings(value))

    def bindings(self, value: Value | None) -> Iterator[Binding]:
        """As `members`, with comments."""
        value = self._bare(value)
        if isinstance(value, AttrSet):
            yield from value.bindings
        elif isinstance(value, Update):
            for operand in value.operands:
                yield from self.bindings(operand)

    def plain_members(self, value: Value | None) -> dict[str, Value] | None:
        """The members of a set or of an update of sets; None for all else, `lib.mkForce` of a set too."""
        match value:
            case AttrSet(bindings):
                return {binding.name: binding.value for binding in bindings}
            case Update(operands):
                merged: dict[str, Value] = {}
                for operand in operands:
                    members = self.plain_members(operand)
                    if members is None:
                        return None
                    merged |= members
                return merged
            case Ref((name,)) if name in self._names:
                return self.plain_members(self._names[name])
            case _:
                return None

    def lines(self, *names: str) -> list[str]:
        """Lines of the text at a path, without indentation."""
        value = self.member(self.body, *names)
        return (
            [line.strip() for line in value.text.splitlines()] if isinstance(value, Multiline | Str) else []
        )

    def content(self, value: Value) -> object:
        """A value for comparison: without comments, and with what a name stands for in its place."""
        match value:
            case AttrSet(bindings):
                return tuple((binding.name, self.content(binding.value)) for binding in bindings)
            case ListOf(items) | Update(items):
                return (type(value), *map(self.content, items))
            case Call(function, arguments):
                return (function, *map(self.content, arguments))
            case Ref((name,)) if name in self._names:
                return self.content(self._names[name])
            case RelativePath(path):
                return (value, *self._beside(path.removeprefix("./")))
            case _:
                return value

    def _beside(self, path: str) -> list[tuple[str, str]]:
        """The files that a relative path names: one, or those of a folder."""
        return sorted(
            item for item in self.files.items() if item[0] == path or item[0].startswith(f"{path}/")
        )

    def texts(self, value: Value, without: frozenset[str]) -> Iterator[str]:
        """Every text inside a value, in no order, apart from what stands below some names."""
        rest = [value]
        while rest:
            match rest.pop():
                case Str(text) | Multiline(text):
                    yield text
                case AttrSet(bindings):
                    rest += [binding.value for binding in bindings if binding.name not in without]
                case ListOf(items) | Call(_, items) | Update(items):
                    rest += items
                case Template(parts):
                    yield from (part for part in parts if isinstance(part, str))
                case Ref((name,)) if name in self._names:
                    rest.append(self._names[name])
                case _:
                    pass

    def _bare(self, value: Value | None) -> Value | None:
        while True:
            match value:
                case Ref((name,)) if name in self._names:
                    value = self._names[name]
                case Call(Ref(("lib", *_)), arguments):
                    value = arguments[-1]
                case _:
                    return value


class Definition:
    """What defines one unit; two that are equal need no restart. Comments do not count."""

    __slots__ = ("_module", "_values")
    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def __init__(self, module: Module, values: tuple[Value, ...]) -> None:
        self._module = module
        self._values = values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Definition):
            return NotImplemented
        mine, theirs = self._module, other._module
        if self._values == other._values and mine.named == theirs.named and mine.files == theirs.files:
            return True  # the usual case, found without building anything
        return self._content() == other._content()

    def _content(self) -> tuple[object, ...]:
        return tuple(map(self._module.content, self._values))
