"""One service of a compose file, read and checked but not yet a node.

Pure. Keys that have no counterpart in the graph become notes here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nix_gen.compose import mounts, options
from nix_gen.compose.containers import ContainerReading, read_container
from nix_gen.compose.keys import HANDLED, KNOWN, WEIGHTY
from nix_gen.compose.mounts import ConfigUse
from nix_gen.compose.networks import NetworkPlace, read_place
from nix_gen.compose.options import EnvironmentEntry
from nix_gen.compose.shapes import check_keys, check_kinds
from nix_gen.compose.source import Importing, left_open
from nix_gen.compose.syntax import NotCarriedError, VolumeUse, published_ports, words
from nix_gen.edges import Condition
from nix_gen.errors import quoted
from nix_gen.graph_file import near
from nix_gen.nodes import Build, HealthCheck, PortBinding, Resources, Restart, SecretRef, TextFile
from nix_gen.nodes.workloads import STOP_SIGNAL_PATTERN
from nix_gen.places import Listing, Scalar, Value
from nix_gen.places import Mapping as Entries

_CONDITIONS = {
    "service_started": Condition.STARTED,
    "service_healthy": Condition.HEALTHY,
    "service_completed_successfully": Condition.COMPLETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One entry of `depends_on` or `links`."""

    name: str
    alias: str = ""
    """Another name the target is reached by (`links` only)."""
    condition: Condition = Condition.STARTED
    required: bool = True
    line: int


@dataclass(slots=True, kw_only=True)
class ServiceSource:
    """A compose service with every value read."""

    name: str
    id: str
    line: int
    image: str | None = None
    build: Build | None = None
    command: tuple[str, ...] | None = None
    command_unset: tuple[str, ...] = ()
    """Variables in the command that have no value."""
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, EnvironmentEntry] = field(default_factory=dict)
    ports: list[PortBinding] = field(default_factory=list)
    volumes: list[tuple[VolumeUse, int]] = field(default_factory=list)
    configs: list[tuple[ConfigUse, int]] = field(default_factory=list)
    files: list[TextFile] = field(default_factory=list)
    """Small text files that were mounted."""
    secrets: list[SecretRef] = field(default_factory=list)
    depends_on: list[Dependency] = field(default_factory=list)
    links: list[Dependency] = field(default_factory=list)
    health_check: HealthCheck | None = None
    restart: Restart | None = None
    resources: Resources | None = None
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    stop_signal: str | None = None
    aliases: set[str] = field(default_factory=set)
    place: NetworkPlace = field(default_factory=NetworkPlace)
    container: dict[str, object] = field(default_factory=dict)
    """Fields of its `ContainerOptions`."""
    container_keys: dict[str, int] = field(default_factory=dict)
    """Keys those fields come from, with their lines."""
    volumes_from: list[tuple[str, bool, int]] = field(default_factory=list)
    """Services whose volumes it takes over, whether read-only, and the line."""
    labels: dict[str, str] = field(default_factory=dict)
    replicas: int = 1

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"service {quoted(self.name)}"


def read_service(
    name: str, node_id: str, entries: Entries, top: mounts.TopLevel, importing: Importing
) -> ServiceSource:
    """Read one service; its faults and notes go to `importing`."""
    source = ServiceSource(name=name, id=node_id, line=entries.line)
    given = entries.entries
    where = source.where
    check_keys(entries, KNOWN, where, importing)
    check_kinds(entries, where, importing)
    source.build = options.build(given.get("build"), node_id, where, importing)
    image = given.get("image")
    left_empty = isinstance(image, Scalar) and not image.text and bool(image.unset)
    if left_empty and source.build is not None:
        image = None
    source.image = options.image(image, node_id, where, importing)
    if source.image is None and source.build is None and not left_empty:
        what = "has neither an image nor a build"
        importing.problem(where, what, "add 'image:' or 'build:'", line=entries.line)
    source.command = _command(given.get("command"), f"{where}, command", importing)
    source.command_unset = tuple(
        name
        for item in importing.items(given.get("command"), f"{where}, command")
        if isinstance(item, Scalar)
        for name in item.unset
    )
    source.entrypoint = _command(given.get("entrypoint"), f"{where}, entrypoint", importing)
    source.environment = options.environment(given, node_id, where, importing)
    source.ports = _ports(source, given, importing)
    source.volumes = mounts.volumes(given, node_id, where, importing)
    source.configs = mounts.configs(given.get("configs"), top, node_id, where, importing)
    source.volumes_from = _volumes_from(source, given.get("volumes_from"), importing)
    source.secrets = mounts.secrets(given.get("secrets"), top, where, importing)
    source.depends_on = _depends_on(given.get("depends_on"), f"{where}, depends_on", importing)
    source.links = _links(source, given.get("links"), importing)
    source.health_check = options.health_check(given.get("healthcheck"), node_id, where, importing)
    source.restart = options.restart(given, node_id, where, importing)
    source.resources = options.resources(given, node_id, where, importing)
    source.replicas = options.replicas(given, where, importing)
    _container(source, given, top, importing)
    source.labels = options.labels(given, node_id, where, importing)
    _identity(source, given, importing)
    _leftovers(source, entries, importing)
    return source


def _command(value: Value | None, where: str, importing: Importing) -> tuple[str, ...] | None:
    if isinstance(value, Listing):
        return importing.texts(value, where)
    text = importing.text(value, where)
    if text is None or value is None:
        return None
    return importing.attempt(lambda: words(text), where, "close the quotes, or write a list", line=value.line)


def _ports(source: ServiceSource, given: dict[str, Value], importing: Importing) -> list[PortBinding]:
    bindings: dict[PortBinding, None] = {}
    where = f"{source.where}, ports"
    for item in importing.items(given.get("ports"), where):
        for binding in _published(source, item, where, importing):
            bindings[binding] = None
    inner = {(binding.port, binding.protocol) for binding in bindings}
    for item in importing.items(given.get("expose"), f"{source.where}, expose"):
        if left_open(item):
            continue
        text = importing.text(item, f"{source.where}, expose") or ""
        for binding in _exposed(source, text, item.line, importing):
            if (binding.port, binding.protocol) not in inner:
                bindings[binding] = None
    return list(bindings)


def _exposed(source: ServiceSource, text: str, line: int, importing: Importing) -> list[PortBinding]:
    try:
        return published_ports(text)[0]
    except NotCarriedError as error:
        _not_carried(source, text, error, line, importing)
    except ValueError as error:
        importing.problem(f"{source.where}, expose", str(error), "write a port such as 8080", line=line)
    return []


def _published(source: ServiceSource, item: Value, where: str, importing: Importing) -> list[PortBinding]:
    text = _long_port(item, where, importing) if isinstance(item, Entries) else importing.text(item, where)
    if not text:
        return []
    try:
        bindings, by_chance = published_ports(text)
    except NotCarriedError as error:
        _not_carried(source, text, error, item.line, importing)
        return []
    except ValueError as error:
        if isinstance(item, Scalar) and item.unset:
            _incomplete(source, f"the ports entry {quoted(text)}", item, importing)
            return []
        importing.problem(where, str(error), "write [[IP:]HOST:]CONTAINER[/PROTOCOL]", line=item.line)
        return []
    if by_chance:
        chosen = bindings[0].published
        result = "it is not published" if chosen is None else f"it is published as {chosen}"
        importing.note(
            "port-decided",
            source.id,
            f"ports entry {quoted(text)} leaves the host port to docker; {result}",
            f"write HOST:{bindings[0].port} to choose",
            line=item.line,
        )
    return bindings


def _not_carried(source: ServiceSource, text: str, error: Exception, line: int, importing: Importing) -> None:
    importing.dropped(
        source.id,
        f"the port {quoted(text)} ({error})",
        "open it in the host's firewall",
        line=line,
        warn=True,
    )


def _incomplete(source: ServiceSource, what: str, item: Scalar, importing: Importing) -> None:
    mend = f"write {item.unset[0]}=... into .env beside the file"
    missing = f"{what}, which lacks the value of {', '.join(item.unset)},"
    importing.dropped(source.id, missing, mend, line=item.line, warn=True)


def _long_port(item: Entries, where: str, importing: Importing) -> str:
    """The long syntax of a port, in the short one."""
    parts = {key: importing.text(value, f"{where}.{key}") for key, value in item.entries.items()}
    target, published, address = parts.get("target"), parts.get("published"), parts.get("host_ip")
    if not target:
        importing.problem(where, "has no 'target'", "write the container port as 'target:'", line=item.line)
        return ""
    head = f"{published or ''}:" if published or address else ""
    if address:
        head = f"[{address}]:{head}" if ":" in address else f"{address}:{head}"
    return f"{head}{target}/{parts.get('protocol') or 'tcp'}"


def _depends_on(value: Value | None, where: str, importing: Importing) -> list[Dependency]:
    if not isinstance(value, Entries):
        return [
            Dependency(name=importing.text(item, where) or "", line=item.line)
            for item in importing.items(value, where)
        ]
    found = []
    for name, entry in value.entries.items():
        options_of = importing.entries(entry, f"{where}.{name}").entries
        line = value.key_lines.get(name, entry.line)
        stated = importing.text(options_of.get("condition"), f"{where}.{name}.condition") or "service_started"
        if stated not in _CONDITIONS:
            mend = f"{near(stated, _CONDITIONS)}write one of {', '.join(_CONDITIONS)}"
            importing.problem(f"{where}.{name}", f"{quoted(stated)} is not a condition", mend, line=line)
        said = options_of.get("required")
        required = said is None or importing.boolean(said, f"{where}.{name}.required")
        if importing.boolean(options_of.get("restart"), f"{where}.{name}.restart") and not required:
            # One that is required needs no word: systemd restarts with a unit all that require it.
            what, mend = f"'restart' of {where}.{name}", "make the dependency required"
            importing.dropped(importing.project, what, mend, line=line, warn=True)
        found.append(
            Dependency(
                name=name,
                condition=_CONDITIONS.get(stated, Condition.STARTED),
                required=required,
                line=line,
            )
        )
    return found


def _links(source: ServiceSource, value: Value | None, importing: Importing) -> list[Dependency]:
    found = []
    for item in importing.items(value, f"{source.where}, links"):
        name, _, alias = (importing.text(item, f"{source.where}, links") or "").partition(":")
        found.append(Dependency(name=name, alias=alias, line=item.line))
    return found


def _identity(source: ServiceSource, given: dict[str, Value], importing: Importing) -> None:
    where = source.where
    user = given.get("user")
    source.user = importing.text(user, f"{where}, user") or None
    if isinstance(user, Scalar) and user.unset and (source.user or ":").startswith(":"):
        _incomplete(source, "'user'", user, importing)
        source.user = None
    _stop_signal(source, given, importing)
    source.hostname = importing.text(given.get("hostname"), f"{where}, hostname") or None
    container = importing.text(given.get("container_name"), f"{where}, container_name")
    source.aliases.update(
        name for name in (source.hostname, container, source.name) if name and name != source.id
    )
    source.aliases.discard(source.id)
    directory = importing.text(given.get("working_dir"), f"{where}, working_dir")
    if directory and not directory.startswith("/"):
        line = given["working_dir"].line
        importing.dropped(
            source.id, f"the relative working_dir {quoted(directory)}", "write an absolute path", line=line
        )
    elif directory:
        source.working_dir = directory


def _stop_signal(source: ServiceSource, given: dict[str, Value], importing: Importing) -> None:
    """As docker, which takes `SIGINT`, `INT`, `int` and `2`."""
    signal = (importing.text(given.get("stop_signal"), f"{source.where}, stop_signal") or "").upper()
    if signal and not signal.isdecimal():
        signal = f"SIG{signal.removeprefix('SIG')}"
    if not signal or re.fullmatch(STOP_SIGNAL_PATTERN, signal):
        source.stop_signal = signal or None
        return
    what, mend = f"the stop_signal {quoted(signal)}, which is none", "write SIGINT, or the signal's number"
    importing.dropped(source.id, what, mend, line=given["stop_signal"].line, warn=True)


def _container(
    source: ServiceSource, given: dict[str, Value], top: mounts.TopLevel, importing: Importing
) -> None:
    """Where it stands in the networks, and what only a container has."""
    names = importing.names
    source.place = read_place(source, given, top.networks, names, importing)
    reading = ContainerReading(node_id=source.id, where=source.where, importing=importing, ids=names)
    read_container(reading, given)
    count = options.restart_count(given, source.id, source.where, importing)
    if count is not None:
        reading.fields["restart_max_count"] = count
    if source.place.mode != "bridge":
        reading.keys["network_mode"] = given.get(
            "network_mode", given.get("networks", source_line(source))
        ).line
    source.container, source.container_keys = reading.fields, reading.keys
    for key, reason in options.misplaced(source.place.mode, source.container):
        what = f"'{key}' of {source.where}"
        importing.dropped(
            source.id, what, reason, line=source.container_keys.get(key, source.line), warn=True
        )


def source_line(source: ServiceSource) -> Scalar:
    """A value at the line of a service, for what has no value of its own."""
    return Scalar(None, "", source.line, 1)


def _volumes_from(
    source: ServiceSource, value: Value | None, importing: Importing
) -> list[tuple[str, bool, int]]:
    found = []
    for item in importing.items(value, f"{source.where}, volumes_from"):
        text = importing.text(item, f"{source.where}, volumes_from") or ""
        name, _, mode = text.removeprefix("container:").partition(":")
        if name in importing.names:
            found.append((importing.names[name], mode == "ro", item.line))
        else:
            what = f"'volumes_from' of {source.where} ({quoted(text)[1:-1]})"
            importing.dropped(source.id, what, "name the volumes themselves", line=item.line, warn=True)
    return found


def _leftovers(source: ServiceSource, entries: Entries, importing: Importing) -> None:
    for key in sorted(entries.entries.keys() & (KNOWN - HANDLED)):
        line = entries.key_lines.get(key, entries.line)
        value = entries.entries[key]
        if isinstance(value, Scalar) and value.text.lower() in {"", "null", "~", "false"}:
            continue
        mend = "add it to the host's configuration if the service needs it"
        importing.dropped(source.id, f"'{key}' of {source.where}", mend, line=line, warn=key in WEIGHTY)
