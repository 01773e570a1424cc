"""Names and small texts of the generated machine: units, containers, paths, escapes of other languages.

Pure. Every function that puts graph text into another language (systemd, nftables, tmpfiles) escapes it
for that language; SQL and nginx have their own modules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from nix_gen.nodes import Node

NFT_COMMENT_MAX_CHARS = 120
"""The kernel keeps 128 bytes of comment per rule."""
USER_MAX_CHARS = 31
"""Length of a user name that NixOS accepts."""
SECRETS = "/run/secrets"
"""Where workloads find secrets as files, and the host too unless agenix brings them."""
STATE = "/var/lib"
BRIDGE = "br-conclave"
"""The bridge of a host's containers; an interface name has at most 15 characters."""
DATA_GROUP = "conclave-data"
"""Group of the directories that native services share."""
DATA_GID = 2049
"""Its number: the same on every host, since a network file system knows numbers alone. The port of NFS."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYSTEMD_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def node_comment(node: Node) -> str:
    """The comment above what a node became."""
    return f"Node {node.id} ({node.kind})." + (f" {node.description}" if node.description else "")


def short(name: str, limit_chars: int) -> str:
    """A name within a length: shortened names end in a digest of the whole, so that two stay two."""
    if len(name) <= limit_chars:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit_chars - 9]}-{digest}"


def systemd_word(text: str) -> str:
    """One argument of `ExecStart=`: quoted, without specifiers or variables of systemd's own."""
    safe = all(char.isalnum() or char in "_-./:=,@+" for char in text) and text.isascii()
    if safe and text:
        return text
    escaped = "".join(
        _SYSTEMD_ESCAPES.get(char, char if char.isprintable() else _hexadecimal(char)) for char in text
    )
    return f'"{escaped}"'


def systemd_value(text: str) -> str:
    """The value of an `environment` entry: NixOS quotes it, but systemd still expands `%`."""
    return text.replace("%", "%%")


def systemd_directory(path: str) -> str:
    """A path that is a whole value: at its end systemd would drop a space, and join lines at a backslash."""
    return path.replace("%", "%%") + ("/" if path.endswith(("\\", " ")) else "")


def systemd_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Those names of variables that systemd sets; it passes over one that a shell would not take."""
    return tuple(name for name in names if _VARIABLE.fullmatch(name))


def tmpfiles_path(path: str) -> str:
    """A path in a tmpfiles rule."""
    plain = path.replace("%", "%%")
    return "".join(
        char if (char.isascii() and char.isalnum()) or char in "_./%-" else _hexadecimal(char)
        for char in plain
    )


def _hexadecimal(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def nft_comment(text: str) -> str:
    """The `comment` of an nftables rule."""
    plain = text
    if not text.isprintable() or '"' in text or "\\" in text:
        plain = "".join(char if char.isprintable() and char not in '"\\' else " " for char in text)
    return f'comment "{plain[:NFT_COMMENT_MAX_CHARS]}"'


def milliseconds(duration_ms: int) -> str:
    """A duration as podman and systemd read it."""
    return f"{duration_ms // 1000}s" if duration_ms % 1000 == 0 else f"{duration_ms}ms"


def systemd_path(path: str) -> str:
    """A path in a list of paths (`BindPaths=`): `%` and what separates or quotes is escaped."""
    return "".join("%%" if char == "%" else f"\\{char}" if char in " \\\"'" else char for char in path)
