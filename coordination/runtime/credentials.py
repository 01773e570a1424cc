"""How an agent proves to the NATS server who it is: an nkey user seed in a file of its own.

The file holds the seed alone, as ``nk -gen user`` prints it and ``nats --nkey FILE`` reads it; blank
lines and lines that begin with ``#`` are passed over. Whoever can read the file can act as the agent, so
a file that every user of the machine can read or change is refused, as ssh does. The group is trusted:
secret mounts of systemd and Kubernetes come readable by a group.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nkeys  # type: ignore[import-untyped]

from coordination.runtime.errors import UsageError

SEED_BYTES: Final = 32
_SEED_CHARS: Final = 58
_MAX_FILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secret of one NATS user.

    Raises:
        UsageError: `seed` is not the seed of an nkey *user*, or was damaged (its checksum is wrong).
    """

    seed: str = field(repr=False)
    """58 characters that begin with ``SU``. Never shown and never logged."""
    source: Path | None = field(default=None, repr=False, compare=False)
    """The file it was read from."""

    def __post_init__(self) -> None:
        """Refuse what the server would refuse, while the reason can still be told."""
        problem = _problem(self.seed)
        if problem:
            raise UsageError(f"not an nkey user seed: {problem}")

    @property
    def public_key(self) -> str:
        """The public half, 56 characters that begin with ``U``: what the server's configuration names."""
        return str(_pair(self.seed).public_key.decode())

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of `data` by the seed: 64 bytes."""
        return bytes(_pair(self.seed).sign(data))

    @classmethod
    def generate(cls, random_bytes: bytes) -> Credentials:
        """New credentials of `SEED_BYTES` `random_bytes`: from ``os.urandom``, unless they are for a test."""
        assert len(random_bytes) == SEED_BYTES
        return cls(nkeys.encode_seed(random_bytes, nkeys.PREFIX_BYTE_USER).decode())

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """Read a credential file.

        Raises:
            UsageError: It cannot be read, is open to every user of the machine, or holds no user seed.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(_MAX_FILE_BYTES).decode("ascii", "replace")
        except OSError as error:
            raise UsageError(f"cannot read the credential file {path}: {error.strerror}") from None
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            raise UsageError(
                f"the credential file {path} is open to every user of this machine (mode {mode:04o}); "
                f"close it with: chmod 600 {path}"
            )
        lines = [line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#")]
        if len(lines) != 1:
            raise UsageError(
                f"the credential file {path} must hold one line, an nkey user seed, not {len(lines)} lines"
            )
        try:
            return cls(lines[0], path)
        except UsageError as error:
            raise UsageError(f"the credential file {path} is of no use: {error}") from None

    def current(self) -> Credentials:
        """What the file holds now, after a rotation; itself if there is no file, or nothing of use in it."""
        if self.source is None:
            return self
        try:
            return Credentials.read(self.source)
        except UsageError:
            return self

    def write(self, path: Path) -> None:
        """Store as a new file that only its owner can read.

        Raises:
            UsageError: The file exists already (another agent's secret is never overwritten), or cannot
                be written.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(f"cannot create the credential file {path}: {error.strerror}") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{self.seed}\n")
            file.flush()
            os.fsync(file.fileno())


def _problem(seed: str) -> str:
    """What is wrong with `seed`, without showing it; empty when nothing is."""
    if not seed.startswith("SU"):
        return "it does not begin with 'SU'"
    if len(seed) != _SEED_CHARS:
        return f"it has {len(seed)} characters instead of {_SEED_CHARS}"
    try:
        prefix, raw = nkeys.decode_seed(bytearray(seed.encode()))
    except (nkeys.NkeysError, ValueError):
        return "it is not base32"
    # nkeys passes over the checksum, so that a mistyped seed would be somebody else's.
    if prefix != nkeys.PREFIX_BYTE_USER or nkeys.encode_seed(bytes(raw), prefix).decode() != seed:
        return "its checksum is wrong"
    return ""


def _pair(seed: str) -> Any:
    return nkeys.from_seed(bytearray(seed.encode()))
