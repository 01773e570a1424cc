"""Storages that native servers mount and do not use, and data of several that would lie in one place.

Pure. A server that finds the files of another where it expects its own refuses to start, or mixes both; so
two data directories are never one, and none lies inside another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from nix_gen.edges import MountsVolume
from nix_gen.lower.data_directories import data_directory, is_without_place, keeps_data
from nix_gen.lower.forms import BALANCERS, Form
from nix_gen.lower.monitoring.alertmanager import DATA_DIR
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory, mounts_of
from nix_gen.nodes import Running, Storage, StorageKind

_WITHOUT_DATA = BALANCERS | {Form.EXPORTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a server keeps its data."""

    node: str
    edge: str
    path: str
    """On the host; or, where several hosts mount the storage, inside the storage."""

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).parts


def lower_storage_notes(site: Site) -> None:
    """Warn of storages that a native server mounts in vain; refuse data of two servers in one directory."""
    places: dict[str, list[_Place]] = {}
    for host in site.graph.hosts:
        for node, form in site.running(host.id):
            own = data_directory(site, node) if keeps_data(form) else None
            _tell_unused(site, node, form, None if own is None else own[0])
            if own is not None:
                scope, place = _place(site, host.id, node, *own)
                places.setdefault(scope, []).append(place)
    for scope in sorted(places):
        _tell_shared(site, places[scope])


def _tell_unused(site: Site, node: Running, form: Form, data: MountsVolume | None) -> None:
    if form is Form.ALERTMANAGER:
        why = f"{form} has no option for it: the data lies in {DATA_DIR}"
    elif form in _WITHOUT_DATA:
        why = f"{form} keeps no data"
    elif data is not None:
        why = f"the data lies on {data.target}"
    else:
        return
    for edge, storage in mounts_of(site, node):
        if edge != data and (form in _WITHOUT_DATA or not is_without_place(storage)):
            mend = "remove the edge, or let the node run as a container, with an image and container options"
            site.warn("storage-not-used", edge.id, f"{node.id} does not use the storage: {why}", mend)


def _place(site: Site, host_id: str, node: Running, edge: MountsVolume, path: str) -> tuple[str, _Place]:
    """The scope in which a data directory is one of its path, and the directory."""
    storage = site.graph.by_id[edge.target]
    assert isinstance(storage, Storage)
    if storage.storage in {StorageKind.LOCAL, StorageKind.BLOCK}:
        return f"host {host_id}", _Place(node=node.id, edge=edge.id, path=path)
    inside = PurePosixPath(path).relative_to(directory(site, storage, host_id))
    return f"storage {storage.id}", _Place(node=node.id, edge=edge.id, path=str(inside))


def _tell_shared(site: Site, places: list[_Place]) -> None:
    """A directory's own follow it when sorted by their parts, so one look back is enough."""
    first, *others = sorted(places, key=lambda one: (one.parts, one.node))
    for place in others:
        if place.parts[: len(first.parts)] != first.parts:
            first = place
            continue
        site.find(
            "data-directory-twice",
            place.edge,
            f"{place.node} would keep its data in {place.path}, and {first.node} has its own in {first.path}",
            "give each of the two mounts a subpath, neither inside the other",
        )
