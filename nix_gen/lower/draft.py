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
    """A set, a list or lines that are still being added to."""

    __slots__ = ("base", "comments", "items", "last_lines", "lines", "members")

    def __init__(self) -> None:
        self.base: Ref | None = None
        self.members: dict[str, _Branch | Value] = {}
        self.comments: dict[str, list[str]] = {}
        self.items: list[Value] = []
        self.lines: list[str] = []
        self.last_lines: list[str] = []

    def below(self, name: str) -> _Branch:
        """The branch of a name, which is made if there is none."""
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = _Branch()
        assert isinstance(member, _Branch), f"something is put below {name}, which is a value"
        return member

    def put(self, name: str, plain: Plain) -> None:
        """Set a member, or the members of a member."""
        if isinstance(plain, dict) and plain:
            branch = self.below(name)
            for inner, member in plain.items():
                branch.put(inner, member)
            return
        new = typed(plain)
        old = self.members.setdefault(name, new)
        assert old is new or old == new, f"{name} is set twice"

    def closed(self) -> Value:
        """The value, now that nothing is added any more."""
        assert bool(self.members) + bool(self.items) + bool(self.lines) <= 1, "a set, a list or lines"
        if self.items:
            return ListOf(tuple(dict.fromkeys(self.items)))
        if self.lines:
            return Multiline("".join(f"{line}\n" for line in self.lines + self.last_lines))
        if self.base is None:
            return self.closed_set()
        return Update((self.base, self.closed_set())) if self.members else self.base

    def closed_set(self) -> AttrSet:
        """The members, sorted, each below its comments."""
        bindings = []
        for name in sorted(self.members):
            member = self.members[name]
            held = member.closed() if isinstance(member, _Branch) else member
            said = self.comments.get(name)
            bindings.append(Binding(name, held, tuple(said)) if said else Binding(name, held))
        return AttrSet(tuple(bindings))


class Draft:
    """The options of one host, by path."""

    def __init__(self) -> None:
        self._root = _Branch()
        self._branches: dict[Path, _Branch] = {(): self._root}
        """Those that were asked for, which they are again and again."""
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
        self._branch(path[:-1]).put(path[-1], plain)
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
        options = self._root.closed_set()
        named = tuple(self.lets[name] for name in sorted(self.lets))
        return Let(named, options) if named else options

    def _branch(self, path: Path) -> _Branch:
        branch = self._branches.get(path)
        if branch is None:
            branch = self._branches[path] = self._branch(path[:-1]).below(path[-1])
        return branch
