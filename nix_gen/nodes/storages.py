"""Storage: places for data.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from nix_gen.nodes.base import PlacedBase
from nix_gen.scalars import AbsolutePath, Name, SecretName, SizeBytes


class StorageKind(StrEnum):
    """Where the bytes of a storage node live."""

    LOCAL = "local"
    NFS = "nfs"
    S3 = "s3"
    BLOCK = "block"


class Storage(PlacedBase):
    """A place for data that outlives the workloads which mount it."""

    kind: Literal["storage"] = "storage"
    storage: StorageKind = StorageKind.LOCAL
    path: AbsolutePath | None = None
    """Directory on the host (local), export (nfs), mount point (block). None: derived from the id."""
    size_bytes: SizeBytes | None = None
    server: Name | None = None
    """Address of an nfs server or S3 endpoint outside the graph."""
    device: AbsolutePath | None = None
    """Block device; for `block` only."""
    fs_type: Name | None = None
    bucket: Name | None = None
    credentials: SecretName | None = None
