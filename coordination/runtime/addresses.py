"""Addresses of NATS servers: checked before anything is sent, and shown without their secrets."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from coordination.runtime.errors import UsageError

_SCHEMES: Final = ("nats", "tls")
_HOST: Final = re.compile(r"[\w.:%-]{1,253}\Z")
"""A name, or an address; the colons are IPv6's, which stands in brackets."""
_MAX_SHOWN_CHARS: Final = 200


def server_addresses(url: str) -> list[str]:
    """The servers that `url` names; several of one cluster are separated by commas.

    Raises:
        UsageError: One of them is no address of a NATS server.
    """
    addresses = [each.strip() for each in url.split(",")]
    for address in addresses:
        problem = _problem(address)
        if problem:
            shown = without_secrets(address)[:_MAX_SHOWN_CHARS]
            raise UsageError(f"{shown!r} is no address of a NATS server: {problem}; write nats://HOST:PORT")
    return addresses


def without_secrets(address: str) -> str:
    """`address` without the user and password that it may hold."""
    scheme, separator, rest = address.rpartition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return f"{scheme}{separator}{rest[:end].rpartition('@')[2]}{rest[end:]}"


def _problem(address: str) -> str:
    """What is wrong with it; empty if nothing is."""
    try:
        # As nats-py does: without a scheme it is nats.
        parts = urlsplit(address if "://" in address else f"nats://{address}")
        port = parts.port
    except ValueError:
        return "its port is no number from 1 to 65535, or its brackets do not match"
    if parts.scheme not in _SCHEMES:
        return f"the scheme is {parts.scheme}" if parts.scheme else "it has no scheme"
    if not parts.hostname or not _HOST.match(parts.hostname):
        return "the host is missing" if not parts.hostname else "that is no name of a host"
    return "" if port != 0 else "its port is no number from 1 to 65535"
