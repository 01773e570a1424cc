"""A service of a known program while it is read: what of its environment is used, and what is left.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nix_gen.compose.keys import WEIGHTY
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing
from nix_gen.compose.workloads import secret_note
from nix_gen.errors import quoted


@dataclass(slots=True)
class NativeReading:
    """A native service being read: what is left of its environment becomes notes."""

    source: ServiceSource
    importing: Importing
    used: set[str] = field(default_factory=set)

    def text(self, *keys: str) -> str | None:
        """The value of the first of these variables that has one."""
        self.used.update(keys)
        for key in keys:
            entry = self.source.environment.get(key)
            if entry is not None and entry.value:
                return entry.value
        return None

    def secret(self, *keys: str) -> str | None:
        """Name of the secret given by the first of these variables, or by its `_FILE` twin."""
        self.used.update((*keys, *(f"{key}_FILE" for key in keys)))
        for key in keys:
            entry = self.source.environment.get(f"{key}_FILE")
            if entry is not None and entry.value:
                return self._from_file(f"{key}_FILE", entry.value, entry.line)
            entry = self.source.environment.get(key)
            if entry is not None and (entry.value or entry.secret):
                name = self.importing.secret_name(self.source.id, key, entry.variable, entry.value)
                secret_note(self.source, key, name, entry.line, self.importing)
                return name
        return None

    def _from_file(self, key: str, path: str, line: int) -> str:
        for ref in self.source.secrets:
            if ref.path == path:
                return ref.name
        name = self.importing.secret_name(self.source.id, key.removesuffix("_FILE"))
        secret_note(self.source, key, name, line, self.importing)
        return name

    def tell_secret(self, key: str, name: str, line: int) -> None:
        """Say that a variable became a reference."""
        secret_note(self.source, key, name, line, self.importing)

    def leftovers(self) -> None:
        """Note what was given and not used."""
        source = self.source
        for key in sorted(source.environment.keys() - self.used):
            line = source.environment[key].line
            self.importing.dropped(
                source.id,
                f"the variable {quoted(key)} of the image",
                "set it as a setting of the service",
                line=line,
            )
        for use, line in source.configs:
            what = f"the config {quoted(use.name)} for {use.target} in the image"
            mend = "say it in the graph or in the host's configuration"
            self.importing.dropped(source.id, what, mend, line=line, warn=True)
        for key, line in sorted(source.container_keys.items()):
            mend = "the NixOS module decides it"
            warn = key in WEIGHTY
            what = f"'{key}' of {source.where}"
            self.importing.dropped(source.id, what, mend, line=line, warn=warn)
        for name in ("user", "working_dir", "stop_signal"):
            if getattr(source, name) is not None:
                mend = "the NixOS module decides it"
                self.importing.dropped(source.id, f"'{name}' of {source.where}", mend, line=source.line)
