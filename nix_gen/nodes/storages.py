"""Storage: places for data.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from nix_gen.nodes.base import PlacedBase
from nix_gen.nodes.parts import Backup
from nix_gen.scalars import AbsolutePath, Name, Port, SecretName, SizeBytes

NFS_PORT = 2049
S3_PORT = 9000


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
    """Address of an nfs server or S3 endpoint outside the graph. None, with `host`: that host serves it."""
    port: Port | None = None
    """Of the S3 server. None: 9000 on a host of the graph, 443 outside."""
    device: AbsolutePath | None = None
    """Block device; for `block` only."""
    fs_type: Name | None = None
    format: bool = False
    """Make the file system on the first start, where the device has none; for `block` only."""
    bucket: Name | None = None
    """None: the id; for `s3` only."""
    credentials: SecretName | None = None
    """Secret with the keys of an S3 server, as lines of an environment file: `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY` for clients, `MINIO_ROOT_USER` and `MINIO_ROOT_PASSWORD` for a server of ours."""
    backup: Backup | None = None

    @property
    def listen_port(self) -> int | None:
        """The port at which the node's own host serves it; None where something else does, or nothing."""
        network = self.storage in {StorageKind.NFS, StorageKind.S3}
        if self.host is None or self.server is not None or not network:
            return None
        return NFS_PORT if self.storage is StorageKind.NFS else self.port or S3_PORT

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Storage:
        if self.format and self.storage is not StorageKind.BLOCK:
            raise ValueError("format is for block storage")
        if self.port is not None and self.storage is not StorageKind.S3:
            raise ValueError("port is for s3 storage")
        return self
