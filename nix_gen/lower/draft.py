"""A host module while it is being written: concerns add to it, `freeze` gives the typed value.

Pure. Lists and lines grow in the order they are added, which callers make canonical; names are sorted on
freezing. Setting one option twice to different values is a mistake of ours, never of a graph, and fails
at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.ir import AttrSet, Binding, Let, ListOf, Multiline, Plain, Ref, Update, Value
from nix_gen.ir import value as typed

Path = tuple[str, ...]
"""Where an option stands: `("services", "nginx", "enable")`."""


class _Branch:
    __slots__ = ("base", "comments", "items", "last_lines", "lines", "members")

    def __init__(self) -> None:
        self.base: Ref | None = None
        self.members: dict[str, _Branch | Value] = {}
        self.comments: dict[str, list[str]] = {}
        self.items: list[Value] = []
        self.lines: list[str] = []
        self.last_lines: list[str] = []


class Draft:
    """The options of one host, by path."""

    def __init__(self) -> None:
        self._root = _Branch()
        self.lets: dict[str, Binding] = {}
        self.files: dict[str, str] = {}
        """Files beside the module that it refers to, by relative path."""

    def let(self, name: str, plain: Plain, *comments: str) -> Ref:
        """Give a value a name that the whole module may use; twice the same is once."""
        new = Binding(name, typed(plain), comments)
        assert self.lets.setdefault(name, new) == new, f"{name} is named twice"
        return Ref((name,))

    def inherit(self, path: Path, base: Ref) -> None:
        """Begin a set with the members of another: `base // { … }`; members put here win."""
        self._branch(path).base = base

    def put(self, path: Path, plain: Plain, *comments: str) -> None:
        """Set an option; a mapping is set member by member, so that several concerns can fill one set."""
        if isinstance(plain, dict) and plain:
            self.say(path, *comments)
            for name, member in plain.items():
                self.put((*path, name), member)
            return
        holder = self._branch(path[:-1])
        new = typed(plain)
        old = holder.members.get(path[-1])
        assert old is None or old == new, f"{'.'.join(path)} is set twice"
        holder.members[path[-1]] = new
        self.say(path, *comments)

    def add(self, path: Path, items: Iterable[Plain], *comments: str) -> None:
        """Append to a list option; an item already there is not repeated."""
        branch = self._branch(path)
        branch.items += map(typed, items)
        self.say(path, *comments)

    def write(self, path: Path, lines: Iterable[str]) -> None:
        """Append lines to an option whose value is text of whole lines."""
        self._branch(path).lines += lines

    def has(self, path: Path) -> bool:
        """Whether lines were written to an option."""
        return bool(self._branch(path).lines)

    def finish(self, path: Path, lines: Iterable[str]) -> None:
        """Lines that close an option's text, after everything written to it later."""
        self._branch(path).last_lines += lines

    def say(self, path: Path, *comments: str) -> None:
        """Put comment lines above an option."""
        if comments:
            said = self._branch(path[:-1]).comments.setdefault(path[-1], [])
            said += [comment for comment in comments if comment not in said]

    def freeze(self) -> AttrSet | Let:
        """The options as one attribute set, below the names that `let` gave.

        Raises:
            NixValueError: a name from the graph is one that Nix would execute.
        """
        options = _members(self._root)
        named = tuple(self.lets[name] for name in sorted(self.lets))
        return Let(named, options) if named else options

    def _branch(self, path: Path) -> _Branch:
        branch = self._root
        for name in path:
            member = branch.members.get(name)
            if member is None:
                member = branch.members[name] = _Branch()
            assert isinstance(member, _Branch), f"{'.'.join(path)} lies below a value"
            branch = member
        return branch


def _members(branch: _Branch) -> AttrSet:
    bindings = []
    for name in sorted(branch.members):
        member = branch.members[name]
        comments = tuple(branch.comments.get(name, ()))
        bindings.append(Binding(name, _closed(member) if isinstance(member, _Branch) else member, comments))
    return AttrSet(tuple(bindings))


def _closed(branch: _Branch) -> Value:
    filled = [bool(branch.members), bool(branch.items), bool(branch.lines)]
    assert sum(filled) <= 1, "a branch is a set, a list or lines"
    if branch.items:
        return ListOf(tuple(dict.fromkeys(branch.items)))
    if branch.lines:
        return Multiline("".join(f"{line}\n" for line in branch.lines + branch.last_lines))
    if branch.base is not None:
        return Update((branch.base, _members(branch))) if branch.members else branch.base
    return _members(branch)
