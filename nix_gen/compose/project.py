"""A compose file to a deployment graph: its services, what each becomes, and the edges between them.

Pure. Everything stands on one implicit host named after the project; what is not carried over becomes a note.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nix_gen.compose.choice import choose_natives
from nix_gen.compose.edges import Assembly
from nix_gen.compose.extends import extended
from nix_gen.compose.included import overridden, with_included
from nix_gen.compose.keys import TOP_LEVEL
from nix_gen.compose.known_secrets import gather_secrets
from nix_gen.compose.mounts import TopLevel, read_top_level
from nix_gen.compose.services import ServiceSource, read_service
from nix_gen.compose.shapes import check_keys
from nix_gen.compose.sharing import share_secrets
from nix_gen.compose.source import Importing, host_name, identified
from nix_gen.errors import quoted
from nix_gen.findings import Finding, Severity
from nix_gen.graph import DEFAULT_NAME, Graph
from nix_gen.graph_file import near
from nix_gen.places import Document
from nix_gen.places import Mapping as Entries

USUAL_STEMS = frozenset({"compose", "docker-compose", "compose.override", "docker-compose.override", ""})
"""File names that say nothing about the project."""
USUAL_FOLDERS = frozenset(
    {"compose", "docker", "deploy", "deployment", "src", "app", "tmp", "data", "examples", ""}
)
"""Folder names that say nothing about the project."""
_COMMAND_VARIABLES = {
    "COMPOSE_FILE": "name its files as overrides: 'conclave nix import FILE --override FILE'",
    "COMPOSE_ENV_FILES": "put the variables into .env",
}


def import_compose(
    document: Document,
    *,
    environment: Mapping[str, str],
    reader: Callable[[str], str | None] | None,
    folder: str = "",
    overrides: Sequence[Document] = (),
) -> tuple[Graph, tuple[Finding, ...]]:
    """Read a compose file as a graph.

    Args:
        document: the parsed file; its root is a mapping with `services`.
        environment: variables for interpolation.
        reader: gives the text of a file named relative to the compose file, or None. None: there is no
            folder to read from, and what files would say is left open.
        folder: name of the folder the file lies in, for the project name.
        overrides: further compose files, each of which overrides what stands before it.

    Returns:
        The graph, and notes on all that was decided or not carried over.

    Raises:
        GraphFileError: the file is not valid by the compose specification.
    """
    importing = Importing(document.file, environment, reader)
    assert isinstance(document.root, Entries)
    importing.project = _project_name([document, *overrides], folder, importing)
    importing.check()
    importing.environment = {"COMPOSE_PROJECT_NAME": importing.project, **environment}
    root = importing.interpolated(document.root)
    assert isinstance(root, Entries)
    for override in overrides:
        root = overridden(root, override, importing)
    root = with_included(root, importing)
    _env_notes(importing)
    importing.check()
    _top_level_notes(document, root, importing, alone=not overrides)
    top = read_top_level(root, importing)
    sources = _services(root, top, importing)
    importing.check()
    natives = choose_natives(sources, importing)
    share_secrets(sources, natives, importing)
    assembly = Assembly(sources, natives, top, importing)
    nodes, edges = assembly.build()
    importing.check()
    graph = importing.built(
        Graph, "", line=root.line, graph={"name": importing.project}, nodes=tuple(nodes), edges=tuple(edges)
    )
    importing.check()
    assert isinstance(graph, Graph)
    return graph, importing.notes()


def _project_name(documents: Sequence[Document], folder: str, importing: Importing) -> str:
    """`COMPOSE_PROJECT_NAME`; else the top-level name, the file's where it says something, the folder's."""
    roots = [document.root for document in documents if isinstance(document.root, Entries)]
    names = [root.entries["name"] for root in roots if "name" in root.entries]
    named = importing.interpolated(names[-1], ("name",)) if names else None
    stated = importing.environment.get("COMPOSE_PROJECT_NAME") or importing.text(named, "name")
    file = documents[0].file
    stem = posixpath.basename(file).removesuffix(".yaml").removesuffix(".yml").removesuffix(".json")
    candidates = [stated or ""]
    candidates += [] if stem in USUAL_STEMS else [stem]
    candidates += [] if folder.lower() in USUAL_FOLDERS else [folder]
    candidates += [stem, DEFAULT_NAME]
    return next(name for name in map(host_name, candidates) if name)


def _env_notes(importing: Importing) -> None:
    """Variables of `.env` that docker's own command line reads, and this import does not."""
    for name, mend in _COMMAND_VARIABLES.items():
        if importing.environment.get(name):
            what = f"{name} in the environment or .env"
            importing.dropped(importing.project, what, mend, line=1, warn=True)


def _top_level_notes(document: Document, root: Entries, importing: Importing, *, alone: bool) -> None:
    place = importing.project
    for tag, line in document.tags if alone else ():
        what = f"the tag {tag} is applied within this file alone"
        importing.note("tag-applied", place, what, "name the files it overrides as well", line=line)
    check_keys(root, TOP_LEVEL, "", importing)
    for key in sorted(root.entries):
        line = root.key_lines.get(key, root.line)
        if key == "models":
            importing.dropped(place, "'models'", "run the models as services", line=line, warn=True)


def _enabled(services: Entries, importing: Importing) -> tuple[dict[str, Entries], set[str]]:
    """The services that run, with what they extend, and the names of the others."""
    enabled: dict[str, Entries] = {}
    left_out: set[str] = set()
    wanted = set((importing.environment.get("COMPOSE_PROFILES") or "").split(","))
    for name in services.entries:
        entries = extended(name, services, importing)
        profiles = importing.texts(entries.entries.get("profiles"), f"service {quoted(name)}, profiles")
        if "provider" in entries.entries:
            left_out.add(name)
            what = f"service {quoted(name)}, which a provider runs,"
            importing.dropped(importing.project, what, "run it as a service", line=entries.line, warn=True)
        elif profiles and not wanted & {*profiles} and "*" not in wanted:
            left_out.add(name)
            _left_out_note(name, profiles, services, importing)
        else:
            enabled[name] = entries
    return enabled, left_out


def _services(root: Entries, top: TopLevel, importing: Importing) -> list[ServiceSource]:
    services = importing.entries(root.entries.get("services"), "services")
    if not services.entries:
        line = root.key_lines.get("services", root.line)
        importing.problem("services", "is empty", "write at least one service", line=line)
    enabled, left_out = _enabled(services, importing)
    ids = identified(enabled)
    importing.ids = frozenset(ids.values())
    importing.names = _names(enabled, ids, importing)
    for public in (importing.project, *ids.values()):
        importing.concealed.allow(public)
    others = {name: one for name, one in services.entries.items() if isinstance(one, Entries)}
    gather_secrets({**others, **enabled}, root, importing)
    sources = [read_service(name, ids[name], entries, top, importing) for name, entries in enabled.items()]
    uses = [found for source in sources for found in source.volumes if importing.incomplete]
    for use, line in uses:
        if use.type == "volume":
            top.volumes.setdefault(use.source, Entries({}, line, 1))
    if services.entries and not sources:
        what = "has only services that profiles disable"
        importing.problem("services", what, "write COMPOSE_PROFILES=... into .env", line=services.line)
    _taken_over(sources, importing)
    by_name = {source.name: source for source in sources}
    for source in sources:
        for link in source.links:
            if link.alias and link.name in by_name:
                by_name[link.name].aliases.add(link.alias)
        if source.id != source.name:
            what = f"{source.where} is called {source.id}"
            mend = "nothing to do; peers still reach it by its old name"
            importing.note("renamed", source.id, what, mend, line=source.line)
        _check_dependencies(source, ids, left_out, importing)
    return sources


def _names(enabled: dict[str, Entries], ids: Mapping[str, str], importing: Importing) -> dict[str, str]:
    """Node ids by the names of services, and by those of containers that no service has."""
    named: dict[str, str] = {}
    for name, entries in enabled.items():
        text = importing.text(
            entries.entries.get("container_name"), f"service {quoted(name)}, container_name"
        )
        if text:
            named.setdefault(text, ids[name])
    return named | dict(ids)


def _taken_over(sources: list[ServiceSource], importing: Importing) -> None:
    """`volumes_from`: the volumes of another service, at the paths where this one has none of its own."""
    by_id = {source.id: source for source in sources}
    for source in sources:
        for node_id, read_only, line in source.volumes_from:
            taken = {use.target for use, _ in source.volumes}
            for use, _ in list(by_id[node_id].volumes):
                if use.target in taken:
                    continue
                if use.type == "anonymous":
                    what = f"the anonymous volume {use.target} of {node_id}, which {source.where} takes over,"
                    importing.dropped(source.id, what, "give the volume a name", line=line, warn=True)
                    continue
                both = replace(use, read_only=use.read_only or read_only)
                source.volumes.append((both, line))


def _left_out_note(name: str, profiles: tuple[str, ...], services: Entries, importing: Importing) -> None:
    importing.note(
        "profile-not-enabled",
        importing.project,
        f"service {quoted(name)} runs only with the profile {quoted(', '.join(profiles))} and is left out",
        f"write COMPOSE_PROFILES={quoted(profiles[0])[1:-1]} into .env beside the file",
        line=services.key_lines.get(name, services.line),
        severity=Severity.WARNING,
    )


def _check_dependencies(
    source: ServiceSource, ids: Mapping[str, str], left_out: set[str], importing: Importing
) -> None:
    """Dependencies on what does not exist are problems, on what is left out notes."""
    for kind, listed in (("depends_on", source.depends_on), ("links", source.links)):
        for dependency in listed:
            if dependency.name in ids:
                continue
            if dependency.name in left_out or not dependency.required or importing.incomplete:
                what = f"the dependency of {source.where} on {quoted(dependency.name)}, which is left out,"
                importing.dropped(source.id, what, "enable its profile", line=dependency.line)
                continue
            what = f"names the service {quoted(dependency.name)}, which does not exist"
            mend = f"{near(dependency.name, ids)}add the service or remove the dependency"
            importing.problem(f"{source.where}, {kind}", what, mend, line=dependency.line)
        listed[:] = [dependency for dependency in listed if dependency.name in ids]
