"""A compose file to a deployment graph: its services, what each becomes, and the edges between them.

Pure. Everything stands on one implicit host named after the project; what is not carried over becomes a note.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from nix_gen.compose.edges import Assembly
from nix_gen.compose.extends import extended
from nix_gen.compose.flags import runs_server
from nix_gen.compose.images import FACTS, Program, known_program, why_container
from nix_gen.compose.keys import TOP_LEVEL
from nix_gen.compose.mounts import TopLevel, read_top_level
from nix_gen.compose.services import ServiceSource, read_service
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


def import_compose(
    document: Document,
    *,
    environment: Mapping[str, str],
    reader: Callable[[str], str | None],
    folder: str = "",
) -> tuple[Graph, tuple[Finding, ...]]:
    """Read a compose file as a graph.

    Args:
        document: the parsed file; its root is a mapping with `services`.
        environment: variables for interpolation.
        reader: gives the text of a file named relative to the compose file, or None.
        folder: name of the folder the file lies in, for the project name.

    Returns:
        The graph, and notes on all that was decided or not carried over.

    Raises:
        GraphFileError: the file is not valid by the compose specification.
    """
    importing = Importing(document.file, environment, reader)
    root = importing.interpolated(document.root)
    assert isinstance(root, Entries)
    importing.check()
    importing.project = _project_name(root, document.file, folder, importing)
    _top_level_notes(document, root, importing)
    top = read_top_level(root, importing)
    sources = _services(root, top, importing)
    importing.check()
    for source in sources:
        for public in (source.name, source.id):
            importing.concealed.allow(public)
    for word in ("postgres", "mysql", "mariadb", "redis", "default", "localhost"):
        importing.concealed.allow(word)
    natives = _natives(sources, importing)
    assembly = Assembly(sources, natives, top, importing)
    nodes, edges = assembly.build()
    importing.check()
    graph = importing.built(
        Graph, "", line=root.line, graph={"name": importing.project}, nodes=tuple(nodes), edges=tuple(edges)
    )
    importing.check()
    assert isinstance(graph, Graph)
    return graph, importing.notes()


def _project_name(root: Entries, file: str, folder: str, importing: Importing) -> str:
    """The top-level name; else the file's own name where it says something; else the folder's."""
    stated = importing.text(root.entries.get("name"), "name")
    stem = posixpath.basename(file).removesuffix(".yaml").removesuffix(".yml").removesuffix(".json")
    candidates = [stated or ""]
    candidates += [] if stem in USUAL_STEMS else [stem]
    candidates += [] if folder.lower() in USUAL_FOLDERS else [folder]
    candidates += [stem, DEFAULT_NAME]
    return next(name for name in map(host_name, candidates) if name)


def _top_level_notes(document: Document, root: Entries, importing: Importing) -> None:
    place = importing.project
    for tag, line in document.tags:
        what = f"the tag {tag} is applied within this file alone"
        importing.note("tag-applied", place, what, "merge override files first", line=line)
    for key in sorted(root.entries):
        line = root.key_lines.get(key, root.line)
        if key == "include":
            importing.note(
                "file-not-read",
                place,
                "the files named by 'include' are not read",
                "import the output of 'docker compose config'",
                line=line,
                severity=Severity.WARNING,
            )
        elif key == "networks":
            _network_notes(root.entries[key], line, importing)
        elif key == "models":
            importing.dropped(place, "'models'", "run the models as services", line=line, warn=True)
        elif key not in TOP_LEVEL and not key.startswith("x-"):
            message = f"the file has the top-level key {quoted(key)}, which compose does not know"
            mend = f"{near(key, TOP_LEVEL)}remove it or mend its name"
            importing.note("unknown-key", place, message, mend, line=line, severity=Severity.WARNING)


def _network_notes(value: object, line: int, importing: Importing) -> None:
    names = sorted(value.entries) if isinstance(value, Entries) else []
    if [name for name in names if name != "default"]:
        listed = ", ".join(quoted(name)[1:-1] for name in names[:5]) + (", ..." if len(names) > 5 else "")
        what = f"the separation into networks ({listed})"
        importing.dropped(importing.project, what, "who may reach whom follows from edges", line=line)


def _services(root: Entries, top: TopLevel, importing: Importing) -> list[ServiceSource]:
    services = importing.entries(root.entries.get("services"), "services")
    if not services.entries:
        line = root.key_lines.get("services", root.line)
        importing.problem("services", "is empty", "write at least one service", line=line)
    enabled: dict[str, Entries] = {}
    left_out: set[str] = set()
    wanted = set((importing.environment.get("COMPOSE_PROFILES") or "").split(","))
    for name in services.entries:
        entries = extended(name, services, importing)
        profiles = importing.texts(entries.entries.get("profiles"), f"service {quoted(name)}, profiles")
        if profiles and not wanted & {*profiles} and "*" not in wanted:
            left_out.add(name)
            _left_out_note(name, profiles, services, importing)
        else:
            enabled[name] = entries
    ids = identified(enabled)
    importing.ids = frozenset(ids.values())
    sources = [read_service(name, ids[name], entries, top, importing) for name, entries in enabled.items()]
    if services.entries and not sources:
        what = "has only services that profiles disable"
        importing.problem("services", what, "write COMPOSE_PROFILES=... into .env", line=services.line)
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
            if dependency.name in left_out or not dependency.required:
                what = f"the dependency of {source.where} on {quoted(dependency.name)}, which is left out,"
                importing.dropped(source.id, what, "enable its profile", line=dependency.line)
                continue
            what = f"names the service {quoted(dependency.name)}, which does not exist"
            mend = f"{near(dependency.name, ids)}add the service or remove the dependency"
            importing.problem(f"{source.where}, {kind}", what, mend, line=dependency.line)
        listed[:] = [dependency for dependency in listed if dependency.name in ids]


def _natives(sources: list[ServiceSource], importing: Importing) -> dict[str, Program]:
    """The program of each service that becomes a native node, by node id."""
    natives: dict[str, Program] = {}
    modules: dict[str, str] = {}
    publishers = {
        binding.published: source.id
        for source in sources
        for binding in source.ports
        if binding.published is not None
    }
    upstreams = {source.id for source in sources if _serves_http(source)}
    ids = {source.name: source.id for source in sources}
    for source in sources:
        program = None if source.image is None else known_program(source.image)
        reason = why_container(source.image) if source.image is not None else None
        if program is not None:
            facts = FACTS[program]
            balances = any(ids[dependency.name] in upstreams for dependency in source.depends_on)
            reason = _obstacle(source, program, balances=balances)
            if facts.module in modules:
                reason = f"{modules[facts.module]} already uses {facts.module}, of which a host has one"
            elif program is not Program.NGINX and publishers.get(facts.port, source.id) != source.id:
                reason = f"{publishers[facts.port]} publishes port {facts.port} of the host"
        if program is not None and reason is None:
            natives[source.id] = program
            modules[FACTS[program].module] = source.id
        elif reason is not None:
            message = f"{source.where} ({quoted(source.image)[1:-1]}) stays a container: {reason}"
            mend = "nothing to do, or write a native node into a graph file"
            importing.note("kept-as-container", source.id, message, mend, line=source.line)
    return natives


def _serves_http(source: ServiceSource) -> bool:
    """Whether a load balancer in front of this service makes sense: not a database, not FastCGI."""
    image = source.image or ""
    tag = image.rpartition(":")[2] if source.build is None else ""
    database = source.build is None and known_program(image) not in {None, Program.NGINX}
    return not database and "fpm" not in tag


def _obstacle(source: ServiceSource, program: Program, *, balances: bool) -> str | None:
    """Why a service with a known image cannot be native."""
    if source.build is not None:
        return "its image is built from sources of its own"
    if source.entrypoint is not None:
        return "it has an entrypoint of its own"
    if source.replicas != 1:
        return f"it runs {source.replicas} times"
    if program is Program.NGINX:
        return None if balances else "it stands before no service, so it serves files of its own"
    if not runs_server(program, source.command):
        return "its command does not start the server"
    return None
