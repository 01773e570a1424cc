"""`extends`: a service takes over what another one says.

Pure. Source: compose specification, "extends" and "Merge".
"""

from __future__ import annotations

from nix_gen.compose.included import read_file
from nix_gen.compose.merging import merged
from nix_gen.compose.source import Importing
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.graph_file import near
from nix_gen.places import Mapping as Entries
from nix_gen.places import Scalar

CHAIN_MAX_COUNT = 16
"""Services extending services extending services."""
_NOT_INHERITED = frozenset({"extends", "depends_on", "links", "volumes_from"})


def extended(name: str, services: Entries, importing: Importing, chain: tuple[str, ...] = ()) -> Entries:
    """The entries of a service with what it extends merged below them."""
    entries = importing.entries(services.entries[name], f"services.{quoted(name)[1:-1]}")
    given = entries.entries.get("extends")
    if given is None:
        return entries
    where, line = f"service {quoted(name)}, extends", given.line
    base = given.text if isinstance(given, Scalar) else ""
    if isinstance(given, Entries):
        base = importing.text(given.entries.get("service"), where) or ""
        if "file" in given.entries:
            file = importing.text(given.entries["file"], where) or ""
            other = read_file(file, line, importing) if len(chain) < CHAIN_MAX_COUNT else None
            if other is None:
                _not_read(name, base, file, entries, importing)
                return entries
            services = importing.entries(other.entries.get("services"), where)
            chain, name = tuple(f"{file}: {step}" for step in (*chain, name)), file
    if base not in services.entries:
        mend = f"{near(base, services.entries)}name a service of this file"
        importing.problem(where, f"names the service {quoted(base)}, which does not exist", mend, line=line)
        return entries
    if base in (*chain, name) or len(chain) >= CHAIN_MAX_COUNT:
        path = " -> ".join(quoted(step)[1:-1] for step in (*chain, name, base))
        importing.problem(where, f"goes in a circle or too far: {path}", "break the chain", line=line)
        return entries
    below = extended(base, services, importing, (*chain, name))
    inherited = {key: value for key, value in below.entries.items() if key not in _NOT_INHERITED}
    return merged(Entries(inherited, below.line, below.column, below.key_lines), entries, ("services", name))


def _not_read(name: str, base: str, file: str, entries: Entries, importing: Importing) -> None:
    """A file that is not there is a fault only where the service is nothing without it."""
    what = f"extends {quoted(base)} of {quoted(file)}, which is not below this file's folder"
    mend, line = "put it beside this file, or write the service out", entries.entries["extends"].line
    if "image" not in entries.entries and "build" not in entries.entries:
        importing.problem(f"service {quoted(name)}", what, mend, line=line)
        importing.check()
    importing.note(
        "file-not-read",
        importing.project,
        f"service {quoted(name)} {what}",
        mend,
        line=line,
        severity=Severity.WARNING,
    )
