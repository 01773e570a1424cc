"""Data that a change loses or leaves behind.

Pure. Nothing generated ever deletes data; but what no unit of the new deployment reads any more is lost to
its users, and a moved or replaced database starts empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from nix_gen.diff.changes import Action, EdgeChange, NodeChange, Risk
from nix_gen.graph import Graph
from nix_gen.nodes import Database, MessageBus, Mount, MountKind, Node, Storage, StorageKind

_REMOTE = frozenset({StorageKind.NFS, StorageKind.S3})
_PLACE = ("storage", "path", "device", "server", "bucket")
"""Fields of a storage node that say where its bytes lie."""


def risks_of(
    changes: Mapping[str, NodeChange], old: Mapping[str, Node], new: Mapping[str, Node]
) -> tuple[Risk, ...]:
    """Risks of the changed nodes, by node id."""
    found = chain.from_iterable(
        _risks(changes[name], old.get(name), new.get(name)) for name in sorted(changes)
    )
    return tuple(found)


def renaming_risk(old: Graph | None, new: Graph | None) -> Iterator[Risk]:
    """A new name of the graph is a new name of every volume and directory that is named after it."""
    if old is not None and new is not None and old.name != new.name:
        held = [node.id for node in old.nodes if _holds_data(node) and node.id in new.by_id]
        if held:
            message = (
                f"the graph is renamed, and volumes named after it are made anew: {', '.join(sorted(held))}"
            )
            yield Risk(node=new.name, message=message)


def unmounting_risks(edges: Iterable[EdgeChange], nodes: Mapping[str, Node]) -> Iterator[Risk]:
    """A storage that stays, but is seen no more by a node that stays."""
    for edge in edges:
        source, _, target = edge.id.split(" ")
        if (
            edge.action is Action.DESTROY
            and edge.kind == "mounts_volume"
            and {source, target} <= nodes.keys()
        ):
            message = f"{source} no longer sees the storage {target}, and what it wrote there"
            yield Risk(node=source, message=message)


def _holds_data(node: Node | None) -> bool:
    match node:
        case Database():
            return True
        case Storage():
            return node.storage not in _REMOTE
        case MessageBus():
            return node.jetstream or node.engine.value != "nats"
        case _:
            return False


def _risks(change: NodeChange, old: Node | None, new: Node | None) -> Iterator[Risk]:
    if old is None or not _holds_data(old):
        return
    what = f"{old.kind.replace('_', ' ')} {old.id}"
    if change.action is Action.DESTROY:
        yield Risk(node=old.id, message=f"the {what} goes away, and nothing uses its data any more")
    elif change.moved_from is not None:
        yield Risk(
            node=old.id, message=f"the {what} moves away from {change.moved_from}; its data does not follow"
        )
    elif change.action is Action.REPLACE:
        reasons = "; ".join(change.reasons)
        yield Risk(
            node=old.id, message=f"the {what} starts anew without its data ({reasons}); dump and restore it"
        )
    elif isinstance(old, Storage) and isinstance(new, Storage):
        moved = [name for name in _PLACE if getattr(old, name) != getattr(new, name)]
        if moved:
            yield Risk(
                node=old.id,
                message=f"the {what} lies elsewhere ({', '.join(moved)}); its data does not follow",
            )
    elif isinstance(old, Database) and isinstance(new, Database):
        if old.version != new.version and None in (old.version, new.version):
            yield Risk(node=old.id, message=f"the {what} may get another major version; state the one it has")
        if _binds(old.mounts) - _binds(new.mounts):
            yield Risk(node=old.id, message=f"the {what} loses a mount; its data may lie there")


def _binds(mounts: tuple[Mount, ...]) -> set[str]:
    return {mount.target for mount in mounts if mount.kind is not MountKind.TMPFS}
