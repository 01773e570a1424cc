"""Commands and health checks that take their secrets from variables of the container, not from their text.

Pure. A shell's line can look a secret up; where the container has no variable with it, it gets one. A program
that is started without a shell cannot, so a stand-in takes the place of the secret, with a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from shlex import quote

from nix_gen.compose.concealed import HIDDEN_MIN_CHARS
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.shell_lines import looking_up, script_index
from nix_gen.compose.source import Importing
from nix_gen.concealment import secret_arguments
from nix_gen.findings import Severity
from nix_gen.nodes import HealthCheck, SecretRef


@dataclass(slots=True)
class Lookup:
    """The variables of one container that hold secrets."""

    source: ServiceSource
    importing: Importing
    adds: bool = True
    """Whether the container may get further variables; a native service reads none."""
    added: list[SecretRef] = field(default_factory=list)
    """The variables it gets."""
    _held: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        concealed = self.importing.concealed
        for key, entry in sorted(self.source.environment.items(), reverse=True):
            hidden = entry.secret or concealed.known(entry.value)
            if hidden and len(entry.value) >= HIDDEN_MIN_CHARS and re.fullmatch(r"[A-Za-z_]\w*", key):
                self._held[entry.value] = key

    def variable(self, secret: str) -> str | None:
        """The variable of the container that holds a secret, which it may get for this."""
        if secret not in self._held and self.adds:
            number = len(self.added) + 1
            name = self.importing.secret_name(self.source.id, f"argument-{number}", value=secret)
            key = "SECRET_" + re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
            self.added.append(SecretRef(name=name, env=key))
            self._held[secret] = key
            self.importing.note(
                "secret-reference",
                self.source.id,
                f"a command of {self.source.where} spells a secret; it reads it from {key} now",
                f"provide the secret {name} on the host",
                line=self.source.line,
            )
        return self._held.get(secret)

    def line(self, text: str) -> str:
        """A shell line that looks its secrets up."""
        return looking_up(text, self.importing.concealed.pattern(), self.variable)


def health_check_of(lookup: Lookup) -> HealthCheck | None:
    """The health check of a service without any secret in its text; None where there is no such check."""
    check, importing = lookup.source.health_check, lookup.importing
    if check is None or not _tells(check, importing):
        return check
    hidden = importing.concealed.inside
    words = [_in_quotes(word) if hidden(word) else quote(word) for word in check.command]
    told = check.model_copy(update={"command": (), "shell": lookup.line(check.shell or " ".join(words))})
    if not _tells(told, importing):
        return told
    what = "the health check, which holds a secret,"
    line = lookup.source.line
    importing.dropped(lookup.source.id, what, "write a check without the secret", line=line, warn=True)
    return None


def _tells(check: HealthCheck, importing: Importing) -> bool:
    """Whether a check holds a secret as text."""
    words = check.command or tuple((check.shell or "").split())
    return bool(secret_arguments(words)) or importing.concealed.inside(" ".join((*words, check.shell or "")))


def _in_quotes(word: str) -> str:
    return '"' + re.sub(r'([\\"`$])', r"\\\1", word) + '"'


def without_secrets(lookup: Lookup) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and command of a service without any secret in their text."""
    source = lookup.source
    script = script_index(source.entrypoint, source.command)
    before = len(source.entrypoint or ())
    return (
        _hidden(lookup, "entrypoint", source.entrypoint, script),
        _hidden(lookup, "command", source.command, None if script is None else script - before),
    )


def _hidden(
    lookup: Lookup, key: str, arguments: tuple[str, ...] | None, script: int | None
) -> tuple[str, ...] | None:
    """Arguments that look their secrets up where they are the script of a shell, and stand-ins elsewhere."""
    if arguments is None:
        return None
    source, importing = lookup.source, lookup.importing
    kept = list(arguments)
    if script is not None and 0 <= script < len(kept):
        kept[script] = lookup.line(kept[script])
    pattern = importing.concealed.pattern()
    found = {index: match[0] for index, text in enumerate(kept) if (match := pattern.search(text))}
    found |= dict(secret_arguments(tuple(kept)))
    for index, secret in sorted(found.items()):
        name = importing.secret_name(source.id, f"{key}-{index}", value=secret)
        stand_in = f"<secret {name}>"
        kept[index] = pattern.sub(stand_in, kept[index].replace(secret, stand_in))
        importing.note(
            "secret-reference",
            source.id,
            f"argument {index + 1} of {key} of {source.where} held a secret; a placeholder stands for it",
            f"give the secret {name} by a variable or file instead of an argument",
            line=source.line,
            severity=Severity.WARNING,
        )
    return tuple(kept)
