"""Small texts that the monitoring programs have in common: durations, addresses, flags, credentials.

Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.site import Site
from nix_gen.lower.words import systemd_word
from nix_gen.nodes import Host, Monitoring

EVERY = "0.0.0.0"  # noqa: S104  # the firewall says who gets through
_EVERY_6 = "[::]"
"""Both families: Go's listeners are dual where the system is."""
_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_UNITS_LOKI_MS = _UNITS_MS[1:]


def duration(duration_ms: int) -> str:
    """A duration in the largest unit of prometheus that loses nothing: `15s`, `15d`."""
    unit, unit_ms = next(pair for pair in _UNITS_MS if duration_ms % pair[1] == 0 and duration_ms)
    return f"{duration_ms // unit_ms}{unit}"


def loki_duration(duration_ms: int) -> str:
    """A duration as loki reads it everywhere: days are not known to all its parsers."""
    unit, unit_ms = next(pair for pair in _UNITS_LOKI_MS if duration_ms % pair[1] == 0)
    return f"{duration_ms // unit_ms}{unit}"


def listen_everywhere(host: Host) -> str:
    """The address that means every address: of both families where the host has an IPv6 one."""
    six = any(ipaddress.ip_address(address).version == 6 for address in host.addresses)
    return _EVERY_6 if six else EVERY


def listen_address(site: Site, host: Host, node: Monitoring) -> str:
    """Where a monitoring program listens: on loopback unless somebody comes from beyond it."""
    pushed_to = any(opening.target == node.id for opening in site.openings(host.id))
    return listen_everywhere(host) if pushed_to or is_reached_from_outside(site, node) else LOOPBACK


def socket_address(address: str, port: int) -> str:
    """Address and port as URLs and scrape targets write them: `10.0.0.1:9100`, `[fd00::1]:9100`."""
    bracketed = f"[{address}]" if ":" in address and not address.startswith("[") else address
    return f"{bracketed}:{port}"


def flags(settings: Mapping[str, bool | int | str], *, by_no: bool) -> list[str]:
    """Settings as command-line flags, quoted for systemd.

    Args:
        settings: by name of the flag, without dashes.
        by_no: whether the program spells false `--no-flag` (kingpin) rather than `-flag=false` (Go).
    """
    words = []
    for name in sorted(settings):
        given = settings[name]
        if isinstance(given, bool):
            word = f"--{'' if given else 'no-'}{name}" if by_no else f"-{name}={str(given).lower()}"
        else:
            word = f"{'--' if by_no else '-'}{name}={given}"
        words.append(systemd_word(word))
    return words


def credential(unit: str, name: str) -> str:
    """Where a unit finds one of its credentials, for configurations that cannot read its environment."""
    return f"/run/credentials/{unit}.service/{name}"
