"""nkey users for a test's own nats-server."""

from __future__ import annotations

import os

from coordination.runtime.credentials import Credentials


def new_credentials() -> Credentials:
    """Credentials that no server knows yet."""
    return Credentials.generate(os.urandom(32))


def users(*known: tuple[Credentials, str]) -> str:
    """The server's configuration that lets in exactly these, each with its permissions block."""
    entries = "\n".join(
        f"{{ nkey: {credentials.public_key}, permissions: {{ {permissions} }} }}"
        for credentials, permissions in known
    )
    return f"authorization {{ users: [\n{entries}\n] }}"


def permissions_of(agent: str) -> str:
    """What an agent needs: its calls, its inbox, and its own signs of life."""
    return (
        f'publish: {{ allow: ["call.*.{agent}", "_INBOX_{agent}.>"] }}, '
        f'subscribe: {{ allow: ["_INBOX_{agent}.>", "to.{agent}.>"] }}'
    )


EVERYTHING = 'publish: ">", subscribe: ">"'
