"""What a container gets because of what runs in it. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field

from nix_gen.lower.words import SECRETS


@dataclass(slots=True)
class Extras:
    """What a container gets because of its engine."""

    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """Secrets to mount at `/run/secrets/<name>`."""

    def password(self, variable: str, secret: str) -> None:
        """Name a file with a password."""
        self.environment[variable] = f"{SECRETS}/{secret}"
        self.secrets.add(secret)
