"""The words a deployment graph is spelled with: ids, ports, paths, names, and the limit of each.

Pure. Every constant carries its unit as the last word; every type refuses what the Nix side could not write
safely (NUL, control characters in names, relative paths), so that lowering never has to ask again.
"""

from __future__ import annotations

import ipaddress
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from nix_gen.keywords import NIX_KEYWORDS

NODES_MAX_COUNT = 10_000
EDGES_MAX_COUNT = 100_000
ITEMS_MAX_COUNT = 512
"""Entries in any one list or mapping of a node: ports, variables, volumes, labels, users."""
TEXT_MAX_CHARS = 4_096
VALUE_MAX_CHARS = 32_768
"""Length of one environment value, one argument or one setting."""
NAME_MAX_CHARS = 255
PORT_MAX = 65_535
REPLICAS_MAX_COUNT = 1_000
WEIGHT_MAX = 65_535
DURATION_MAX_MS = 7 * 24 * 3600 * 1000
SIZE_MAX_BYTES = 2**60

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
HOST_PATTERN = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"

NodeId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""`[a-z0-9][a-z0-9_-]{0,62}`, the same rule as agent ids."""
HostId = Annotated[str, StringConstraints(pattern=HOST_PATTERN)]
"""A node id that is also a host name: it does not end in `-` or `_`."""
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,126}$")]
"""Name of a secret that exists outside the graph. The graph never holds its value."""
Port = Annotated[int, Field(strict=True, ge=1, le=PORT_MAX)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Milliseconds = Annotated[int, Field(strict=True, ge=0, le=DURATION_MAX_MS)]
SizeBytes = Annotated[int, Field(strict=True, ge=0, le=SIZE_MAX_BYTES)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f/]+$", max_length=NAME_MAX_CHARS)]
"""A short name without spaces, slashes or control characters: user, database, bucket."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=TEXT_MAX_CHARS)]
Value = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=VALUE_MAX_CHARS)]
"""Free text of an environment value, an argument, a setting or a label. Anything but NUL."""
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=NAME_MAX_CHARS)]
SettingName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=NAME_MAX_CHARS)
]
LabelName = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f=]+$", max_length=NAME_MAX_CHARS)]
ImageRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?[A-Za-z0-9._/-]*(:[A-Za-z0-9_.-]+)?(@[a-z0-9+:]+)?$",
        max_length=512,
    ),
]
"""`[registry[:port]/]name[:tag][@digest]`."""


def without_keywords(path: str) -> str:
    """Refuse an attribute path with a word of Nix's own in it, which would be no reference."""
    for name in path.split("."):
        if name in NIX_KEYWORDS:
            raise ValueError(f"{name!r} is a keyword of Nix and names no package")
    return path


PackageRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,7}$", max_length=NAME_MAX_CHARS
    ),
    AfterValidator(without_keywords),
]
"""Attribute path below `pkgs`: `hello`, `python3Packages.gunicorn`."""
Arguments = Annotated[tuple[Value, ...], Field(max_length=ITEMS_MAX_COUNT)]
Environment = Annotated[dict[EnvName, Value], Field(max_length=ITEMS_MAX_COUNT)]
Labels = Annotated[dict[LabelName, Value], Field(max_length=ITEMS_MAX_COUNT)]
Settings = Annotated[
    dict[
        SettingName,
        Annotated[bool, Field(strict=True)]
        | Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
        | Value,
    ],
    Field(max_length=ITEMS_MAX_COUNT),
]
"""Engine settings under the engine's own names: `{"max_connections": 200}`. A fraction is written as text."""


def _absolute_path(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("must not contain '..'")
    return path


AbsolutePath = Annotated[
    str,
    StringConstraints(pattern=r"^/[^\x00-\x1f\x7f:]*$", max_length=TEXT_MAX_CHARS),
    AfterValidator(_absolute_path),
]
"""A path from the root, without `..`, `:` (which separates the parts of a mount) or control characters."""


def _ip_address(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError("is not an IPv4 or IPv6 address") from None


Address = Annotated[str, StringConstraints(max_length=64), AfterValidator(_ip_address)]
"""One IPv4 or IPv6 address in its shortest spelling, without a prefix length."""


class Protocol(StrEnum):
    """Transport of a port."""

    TCP = "tcp"
    UDP = "udp"


class Part(BaseModel):
    """Base of everything in a graph: frozen, and an unknown field is an error.

    A validator is built when a part of its kind is first made: most graphs have parts of a few kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    if not TYPE_CHECKING:
        # pydantic looks a second time for what an object has not itself: among private attributes and extra
        # fields. A part has neither, and without the second look every field is found in half the time.
        __getattr__ = object.__getattribute__


def written(part: Part) -> str:
    """The one spelling of a part, used as its sort key."""
    return json.dumps(part.model_dump(mode="json"), sort_keys=True)


P = TypeVar("P", bound=Part)


def in_one_order(parts: tuple[P, ...]) -> tuple[P, ...]:
    """Sort parts whose order means nothing, so that two spellings of a graph are one graph."""
    return parts if len(parts) < 2 else tuple(sorted(parts, key=written))
