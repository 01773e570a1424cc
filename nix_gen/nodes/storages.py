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
    """Address of an nfs server or S3 endpoint outside the graph. None: the host of the node serves it."""
    port: Port | None = None
    """Of the S3 server on the node's host. None: 9000."""
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
        """The port at which the node's host serves it to other hosts; None where it does not."""
        if self.server is not None or self.storage not in {StorageKind.NFS, StorageKind.S3}:
            return None
        return NFS_PORT if self.storage is StorageKind.NFS else self.port or S3_PORT

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Storage:
        if self.format and self.storage is not StorageKind.BLOCK:
            raise ValueError("format is for block storage")
        if self.port is not None and (self.storage is not StorageKind.S3 or self.server is not None):
            raise ValueError("port is for an s3 storage that its own host serves")
        return self
