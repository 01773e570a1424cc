"""Field by field: what differs between two nodes, two edges or two graphs, secrets hidden.

Pure. Lists of parts are compared by what names a part (a user's name, a mount's target), so that one changed
port is one changed field and not a new list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nix_gen.concealment import looks_secret, secret_arguments
from nix_gen.diff.changes import HIDDEN, MISSING, FieldChange
from nix_gen.scalars import Part

_NAMING = (("name",), ("target",), ("port", "protocol"), ("path",), ("id",))
"""Fields that may name a part of a list; the first that tells all parts of a list apart is taken."""
_FREE = frozenset({"environment", "settings", "labels", "args"})
"""Mappings whose keys are the author's own: there a telling key hides its value."""


def set_fields(part: Part, *, without: Iterable[str] = ()) -> tuple[FieldChange, ...]:
    """What a part says beyond its defaults, as fields that come to be."""
    plain = part.model_dump(mode="json", exclude_defaults=True)
    return tuple(
        FieldChange(path=name, old=MISSING, new=_shown(plain[name], name, free=False))
        for name in sorted(plain.keys() - set(without))
    )


def changed_fields(old: Part, new: Part) -> tuple[FieldChange, ...]:
    """What differs between two parts, of one kind or of two; every field that differs is named."""
    return tuple(_differing(old.model_dump(mode="json"), new.model_dump(mode="json"), "", "", free=False))


def _differing(old: Any, new: Any, path: str, key: str, *, free: bool) -> Iterator[FieldChange]:
    if old == new and type(old) is type(new):
        return
    match old, new:
        case dict(), dict():
            for name in sorted(old.keys() | new.keys()):
                below = f"{path}.{name}" if path else name
                values = old.get(name, MISSING), new.get(name, MISSING)
                yield from _differing(*values, below, name, free=free or key in _FREE)
        case list(), list():
            yield from _differing_lists(old, new, path, key, free=free)
        case _:
            yield FieldChange(path=path, old=_shown(old, key, free=free), new=_shown(new, key, free=free))


def _differing_lists(
    old: list[Any], new: list[Any], path: str, key: str, *, free: bool
) -> Iterator[FieldChange]:
    before, after = _named(old), _named(new)
    if before is not None and after is not None:
        for name in sorted(before.keys() | after.keys()):
            values = before.get(name, MISSING), after.get(name, MISSING)
            yield from _differing(*values, f"{path}[{name}]", key, free=free)
    elif len(old) == len(new):
        shown = zip(_shown(old, key, free=free), _shown(new, key, free=free), strict=True)
        for index, (left, right) in enumerate(shown):
            if old[index] != new[index]:
                yield FieldChange(path=f"{path}[{index}]", old=left, new=right)
    else:
        yield FieldChange(path=path, old=_shown(old, key, free=free), new=_shown(new, key, free=free))


def _named(parts: list[Any]) -> dict[str, Any] | None:
    """The parts of a list by name; None where nothing tells them apart."""
    if not all(isinstance(part, dict) for part in parts):
        return None
    for fields in _NAMING:
        names = ["/".join(str(part.get(field)) for field in fields) for part in parts]
        if all(field in part for part in parts for field in fields) and len({*names}) == len(names):
            return dict(zip(names, parts, strict=True))
    return None


def _shown(value: Any, key: str, *, free: bool) -> Any:
    """A value without what looks like a secret in it."""
    match value:
        case str():
            return HIDDEN if looks_secret(key if free else "", value) else value
        case dict():
            return {name: _shown(item, name, free=free or key in _FREE) for name, item in value.items()}
        case list():
            shown = [_shown(item, key, free=free) for item in value]
            if all(isinstance(item, str) for item in value):
                for index, _ in secret_arguments(tuple(value)):
                    shown[index] = HIDDEN
            return shown
        case _:
            return value
