"""One secret for one value: what several services of a file spell out alike.

Pure. A database and its clients have to agree on a password. Where the file writes the same text for both,
they share one secret, named after the server, so that it cannot drift apart on the host.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing


def share_secrets(sources: Iterable[ServiceSource], natives: Container[str], importing: Importing) -> None:
    """Settle the names of secrets that variables spell out.

    A variable that says it is one gives its name, one of a native server first.
    """
    uses: dict[str, list[tuple[tuple[bool, bool], str, str]]] = {}
    for source in sources:
        for key, entry in source.environment.items():
            hidden = entry.secret or importing.concealed.known(entry.value)
            if hidden and entry.value and entry.variable is None:
                rank = (not entry.secret, source.id not in natives)
                uses.setdefault(entry.value, []).append((rank, source.id, key))
    for value, found in uses.items():
        _, node_id, key = min(found, key=lambda one: one[0])
        importing.shared[value] = importing.secret_name(node_id, key)
