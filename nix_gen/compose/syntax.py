"""The small languages inside compose values: ports, volumes, durations, sizes, image names.

Pure. Every function takes the text of one value and raises `ValueError` with a short reason.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import shlex
from dataclasses import dataclass

from nix_gen.nodes import PortBinding
from nix_gen.scalars import PORT_MAX, Protocol

RANGE_MAX_COUNT = 100
"""Ports of one range; a longer range is not carried over port by port."""
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d))")
_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_SIZE_POWER = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DRIVE = re.compile(r"[A-Za-z]:(?:\\|/[^:]*:/)")
"""A Windows path: with a backslash, or followed by a target (`c:/data` alone is the volume `c`)."""
_IGNORED_MODES = frozenset({"rw", "z", "Z", "cached", "delegated", "consistent"})
"""Modes of a mount that mean nothing on NixOS or say the default."""


class NotCarriedError(ValueError):
    """Valid, and without a place in the graph: a range of too many ports, a protocol but tcp and udp."""


def _range(text: str) -> range:
    low, _, high = text.partition("-")
    if not low.isdecimal() or (high and not high.isdecimal()):
        raise ValueError(f"'{text}' is not a port")
    first, last = int(low[:6]), int((high or low)[:6])
    if not 1 <= first <= last <= PORT_MAX:
        raise ValueError(f"port {text} is out of range")
    return range(first, last + 1)


def published_ports(text: str) -> tuple[list[PortBinding], bool]:
    """Short syntax of `ports`: `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, HOST and CONTAINER may be ranges.

    Returns:
        The bindings, and whether the host port was left to chance (no HOST given, or a range for one
        container port).
    """
    body, _, protocol = text.strip().lower().partition("/")
    address, host, container = _split_ports(body)
    if protocol == "sctp":
        raise NotCarriedError("protocol sctp")
    if (protocol or "tcp") not in set(Protocol):
        raise ValueError(f"protocol '{protocol}' is neither tcp nor udp")
    inner = _range(container)
    outer = _range(host) if host else None
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"'{address}' is not an IP address") from None
    if len(inner) > RANGE_MAX_COUNT:
        raise NotCarriedError(f"{len(inner)} ports in one range")
    if outer is not None and len(outer) != len(inner) and len(inner) != 1:
        raise ValueError(f"the ranges {host} and {container} have different lengths")
    bindings = [
        PortBinding(
            port=port,
            published=None if outer is None else outer[index],
            address=None if outer is None or address in {"", "0.0.0.0", "::"} else address,  # noqa: S104
            protocol=Protocol(protocol or "tcp"),
        )
        for index, port in enumerate(inner)
    ]
    return bindings, outer is None or len(outer) != len(inner)


def _split_ports(body: str) -> tuple[str, str, str]:
    if body.startswith("["):
        address, bracket, rest = body[1:].partition("]:")
        if not bracket:
            raise ValueError("an IPv6 address in brackets is followed by ':'")
        host, colon, container = rest.rpartition(":")
        return address, host if colon else "", container
    head, _, container = body.rpartition(":")
    address, colon, host = head.rpartition(":")
    return (address, host, container) if colon else ("", head, container)


def duration_ms(text: str) -> int:
    """`1m30s`, `500ms`, `1h` to milliseconds, rounded; a bare number counts seconds."""
    if text.isdecimal():
        return int(text[:9]) * 1000
    if not text or _DURATION.sub("", text):
        raise ValueError(f"'{text}' is not a duration such as 1m30s")
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in _DURATION.findall(text)))


def size_bytes(text: str) -> int:
    """`512m`, `1.5g`, `64mb`, `1024` to bytes (units are powers of 1024, as in docker)."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or len(text) > 24:
        raise ValueError(f"'{text}' is not a size such as 512m")
    return int(float(found[1]) * 1024 ** _SIZE_POWER[found[2].lower()])


def cpu_milli(text: str) -> int:
    """`0.5` CPUs to 500 thousandths; at least 1."""
    if not re.fullmatch(r"\d{0,4}(\.\d{0,9})?", text) or text in {"", "."}:
        raise ValueError(f"'{text}' is not a number of CPUs such as 0.5")
    return max(1, round(float(text) * 1000))


def words(text: str) -> tuple[str, ...]:
    """A command line to its arguments, as a shell would split it, without expanding anything."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"is not a command line: {str(error).lower()}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeUse:
    """One entry of a service's `volumes`."""

    type: str
    """`volume`, `bind`, `tmpfs`, `anonymous`, or another type that is not carried over."""
    source: str = ""
    target: str
    read_only: bool = False
    size_bytes: int | None = None
    subpath: str | None = None
    ignored: tuple[str, ...] = ()
    """Options that are not carried over."""


def volume_use(text: str) -> VolumeUse:
    """Short syntax of `volumes`: `[SOURCE:]TARGET[:MODE]`."""
    drive = _DRIVE.match(text)
    head = text[:2] if drive else ""
    parts = text[len(head) :].split(":")
    parts[0] = head + parts[0]
    if len(parts) > 3:
        raise ValueError(f"'{text}' is not [SOURCE:]TARGET[:MODE]")
    if len(parts) == 1:
        return VolumeUse(type="anonymous", target=mount_target(parts[0]))
    source, target = parts[0], parts[1]
    modes = [mode for mode in (parts[2].split(",") if len(parts) == 3 else []) if mode]
    is_path = source.startswith((".", "/", "~")) or "/" in source or "\\" in source or drive is not None
    return VolumeUse(
        type="bind" if is_path else "volume",
        source=source,
        target=mount_target(target),
        read_only="ro" in modes,
        ignored=tuple(mode for mode in modes if mode not in _IGNORED_MODES and mode != "ro"),
    )


def tmpfs_use(text: str) -> VolumeUse:
    """An entry of `tmpfs`: `TARGET[:OPTION,...]`; of the options only `size` is kept."""
    target, _, written = text.partition(":")
    options = [option for option in written.split(",") if option and option not in _IGNORED_MODES]
    sizes = [option.removeprefix("size=") for option in options if option.startswith("size=")]
    return VolumeUse(
        type="tmpfs",
        target=mount_target(target),
        size_bytes=size_bytes(sizes[-1]) if sizes and not sizes[-1].endswith("%") else None,
        ignored=tuple(option for option in options if not option.startswith("size=") or option.endswith("%")),
    )


def mount_target(text: str) -> str:
    """The path at which a workload sees a mount, in its shortest spelling."""
    if not text.startswith("/"):
        raise ValueError(f"the mount target '{text}' is not an absolute path")
    return "/" + posixpath.normpath(text).lstrip("/")


def host_path(source: str, project: str) -> str:
    """Where a bind mount's source lies on the host.

    Absolute paths stay. Relative ones were relative to the compose file, which is not on the host: they lie
    below `/srv/<project>`, and a step up never leaves it (`../x` is `/srv/<project>/parent/x`, `~/x` is
    `.../home/x`).
    """
    path = re.sub(r"^[A-Za-z]:", "", source).replace("\\", "/")
    if path.startswith("/") and path == source:
        return "/" + posixpath.normpath(path).lstrip("/")
    path = posixpath.normpath(path.lstrip("/") or ".")
    if path.startswith("~"):
        path = "home" + path[path.find("/") :] if "/" in path else "home"
    steps = ["parent" if step == ".." else step for step in path.split("/") if step != "."]
    return "/".join(["/srv", project, *steps]).replace(":", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """An image reference taken apart: `[registry/]path[:tag][@digest]`."""

    registry: str
    """`docker.io` where none was written."""
    path: str
    """`library/postgres` for `postgres`."""
    tag: str | None
    digest: str | None


def image_name(text: str) -> ImageName:
    """Take an image reference apart, with the defaults docker applies."""
    rest, _, digest = text.partition("@")
    first, slash, remainder = rest.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, remainder) if has_registry else ("docker.io", rest)
    path, colon, tag = path.partition(":")
    if registry in {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}:
        registry = "docker.io"
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return ImageName(registry=registry, path=path, tag=tag if colon else None, digest=digest or None)
