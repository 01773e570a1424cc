"""Which options and files of a host differ, by path: the net below the plan, through which nothing falls.

Pure. Both modules are walked together, with what a name of `let` stands for in its place. Comments differ
in no option; that they do is told by `nix_gen.diff.compare`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from nix_gen.diff.module import Module
from nix_gen.ir import AttrSet, Value, is_identifier

Path = tuple[str, ...]
_SHOWN_MIN_DEPTH = 2
"""A set that one side has alone is told by its own path, but by no shorter one than `networking.hosts`."""
_NOTHING = AttrSet(())


def differing_parts(was: Module, will: Module, told: Collection[Path]) -> tuple[str, ...]:
    """Options and files that differ, sorted, as `environment.etc."alloy/config.alloy".text`.

    Args:
        was: the options of the host as they are.
        will: as they are to be.
        told: paths below which the plan says already what changes.

    Complexity: linear in both modules.
    """
    above = {path[:depth] for path in told for depth in range(len(path))}
    found = [spelled_path(path) for path in _differing(was, will, was.body, will.body, (), above, set(told))]
    files = was.files.keys() | will.files.keys()
    found += [name for name in files if was.files.get(name) != will.files.get(name)]
    return tuple(sorted(found))


def spelled_path(path: Path) -> str:
    """A path as Nix writes it."""
    return ".".join(name if is_identifier(name) else json.dumps(name, ensure_ascii=False) for name in path)


def _differing(
    was: Module,
    will: Module,
    old: Value | None,
    new: Value | None,
    path: Path,
    above: Collection[Path],
    told: Collection[Path],
) -> Iterator[Path]:
    if path in told:
        return
    if old is not None and new is not None and was.content(old) == will.content(new):
        return
    if path in above or len(path) < _SHOWN_MIN_DEPTH:
        old, new = (_NOTHING if old is None else old), (_NOTHING if new is None else new)
    left, right = was.plain_members(old), will.plain_members(new)
    if left is None or right is None:
        yield path
        return
    for name in sorted(left.keys() | right.keys()):
        ends = left.get(name), right.get(name)
        yield from _differing(was, will, *ends, (*path, name), above, told)
