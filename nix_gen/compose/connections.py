"""Who talks to whom, read off the values of environment variables, commands and carried files.

Pure. A service is mentioned as a host where its name stands before a port (`db:5432`), in a URL
(`redis://cache/0`), after an `@` or, alone, in a variable named as one that holds a host (`DB_HOST=db`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nix_gen.compose.services import ServiceSource
from nix_gen.scalars import PORT_MAX

_MENTION = re.compile(
    r"(?P<before>://|@|^|[\s,;=(\[\"'])(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*)(?::(?P<port>\d{1,5})(?![\d.:]))?(?=$|[\s,;/)\]\"'?])"
)
_HOST_KEY = re.compile(
    r"HOST|SERVER|ADDR|URL|URI|ENDPOINT|BROKER|DSN|UPSTREAM|BACKEND|NODE|PEER|SEED|BOOTSTRAP|PROXY|CLUSTER",
    re.IGNORECASE,
)


def mentions(source: ServiceSource, ids: Mapping[str, str]) -> Iterator[tuple[str, int | None]]:
    """Ids of the nodes a service names as hosts, each with the port where one is given.

    Args:
        source: the service.
        ids: node ids by every name a service is reached by.
    """
    for key, entry in source.environment.items():
        bare = bool(_HOST_KEY.search(key))
        for node_id, port in _mentioned(entry.value, ids, bare=bare):
            yield node_id, port or _sibling_port(source, key)
    for argument in (*(source.command or ()), *(source.entrypoint or ())):
        yield from _mentioned(argument, ids, bare=False)
    for file in source.files:
        yield from _mentioned(file.text, ids, bare=False)


def _mentioned(text: str, ids: Mapping[str, str], *, bare: bool) -> Iterator[tuple[str, int | None]]:
    for match in _MENTION.finditer(text):
        node_id = ids.get(match["host"])
        if node_id is None:
            continue
        port = int(match["port"]) if match["port"] else None
        if port is not None and not 1 <= port <= PORT_MAX:
            port = None
        alone = match[0].strip() == text.strip() or (bare and match["before"] in {"", ",", " ", ";"})
        if port is not None or match["before"] in {"://", "@"} or (bare and alone):
            yield node_id, port


def _sibling_port(source: ServiceSource, key: str) -> int | None:
    """The port that stands in the variable beside: `DB_PORT` for `DB_HOST`."""
    for word in ("HOSTNAME", "HOST", "SERVER", "ADDRESS", "ADDR"):
        if word in key:
            entry = source.environment.get(key.replace(word, "PORT"))
            if entry is not None and entry.value.isdecimal() and 1 <= int(entry.value[:6]) <= PORT_MAX:
                return int(entry.value)
    return None
