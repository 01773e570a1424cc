"""One secret for one value: what several services of a file spell out alike.

Pure. A database and its clients have to agree on a password. Where the file writes the same text for both,
they share one secret, named after the server, so that it cannot drift apart on the host.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing


def share_secrets(sources: Iterable[ServiceSource], natives: Container[str], importing: Importing) -> None:
    """Settle the names of secrets that more than one service has; a native server gives its name first."""
    uses: dict[str, list[tuple[bool, str, str]]] = {}
    for source in sources:
        for key, entry in source.environment.items():
            if entry.secret and entry.value and entry.variable is None:
                uses.setdefault(entry.value, []).append((source.id not in natives, source.id, key))
    for value, found in uses.items():
        if len(found) > 1:
            _, node_id, key = min(found, key=lambda one: one[0])
            importing.shared[value] = importing.secret_name(node_id, key)
