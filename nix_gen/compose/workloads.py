"""A compose service that stays a container, as a service node; and how any node hides its secrets.

Pure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from nix_gen.compose.files import Carried, beside, carried, note_carried
from nix_gen.compose.lookup import Lookup, health_check_of, without_secrets
from nix_gen.compose.mounts import ConfigUse
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing
from nix_gen.compose.syntax import VolumeUse, host_path
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.nodes import Mount, MountKind, PortBinding, SecretRef, Service

_FILE_NAME = re.compile(r"[^.]\.(?!d$)[A-Za-z][A-Za-z0-9_-]{0,11}$|[a-z]file$|^\.env", re.IGNORECASE)
"""Names of files: with an extension (`conf.d` is none), `Caddyfile`, `.env`."""
_SLUG = re.compile(r"[^a-z0-9_.-]+")


def secret_note(source: ServiceSource, key: str, name: str, line: int, importing: Importing) -> None:
    """Say that a value became a reference."""
    importing.note(
        "secret-reference",
        source.id,
        f"{quoted(key)[1:-1]} of {source.where} holds a secret and is carried by name only",
        f"provide the secret {name} on the host",
        line=line,
    )


def service_node(
    source: ServiceSource,
    mounts: list[Mount],
    networks: Mapping[str, list[dict[str, object]]],
    importing: Importing,
) -> Service | None:
    """The node of a service that runs as a container."""
    environment: dict[str, str] = {}
    secrets = [*source.secrets, *_secret_configs(source, importing)]
    for key, entry in source.environment.items():
        if not entry.secret and not importing.concealed.inside(entry.value):
            environment[key] = entry.value
            continue
        name = importing.secret_name(source.id, key, entry.variable, entry.value)
        secrets.append(SecretRef(name=name, env=key))
        secret_note(source, key, name, entry.line, importing)
    fields = common_fields(source)
    lookup = Lookup(source, importing)
    entrypoint, command = without_secrets(lookup)
    health_check = health_check_of(lookup)
    secrets += lookup.added
    node: Service | None = importing.built(
        Service,
        source.where,
        line=source.line,
        **fields,
        build=source.build,
        command=command,
        entrypoint=entrypoint,
        health_check=health_check,
        environment=environment,
        secrets=tuple(secrets),
        mounts=tuple(mounts),
        user=source.user,
        working_dir=source.working_dir,
        hostname=source.hostname,
        stop_signal=source.stop_signal,
        replicas=source.replicas,
        ports=_ports(source, importing),
        files=tuple(source.files),
        container=_container(source, networks),
    )
    if source.build is not None:
        importing.note(
            "image-to-build",
            source.id,
            f"the image of {source.where} is built from {quoted(source.build.context)}",
            "build it and load it on the host, or name a published image",
            line=source.line,
        )
    return node


def _ports(source: ServiceSource, importing: Importing) -> tuple[PortBinding, ...]:
    """Its ports; in the network of the host, what it listens on is what others reach."""
    if source.place.mode != "host":
        return tuple(source.ports)
    moved = [binding for binding in source.ports if binding.published not in {None, binding.port}]
    if moved:
        importing.note(
            "port-decided",
            source.id,
            f"{source.where} is in the network of its host, so port {moved[0].port} is published as it is",
            "reach it there, or take 'network_mode: host' away",
            line=source.line,
            severity=Severity.WARNING,
        )
    if not source.ports:
        importing.note(
            "host-ports",
            source.id,
            f"{source.where} is in the network of its host and names no port, so the firewall opens none",
            "name its ports under 'ports:'",
            line=source.line,
            severity=Severity.WARNING,
        )
    same = [
        binding.model_copy(update={"published": None if binding.published is None else binding.port})
        for binding in source.ports
    ]
    return tuple(dict.fromkeys(same))


def _container(
    source: ServiceSource, networks: Mapping[str, list[dict[str, object]]]
) -> dict[str, object] | None:
    fields = dict(source.container)
    if source.place.mode != "bridge":
        fields["network"] = source.place.mode
    elif source.id in networks:
        fields["networks"] = networks[source.id]
    return fields or None


def _secret_configs(source: ServiceSource, importing: Importing) -> list[SecretRef]:
    """Configs whose text is a secret, or comes from a variable that is not known here."""
    found = []
    for use, line in source.configs:
        if use.secret is not None:
            name = importing.secret_name(source.id, f"config-{use.secret}")
            found.append(SecretRef(name=name, path=use.target))
            secret_note(source, f"the config {use.name}", name, line, importing)
    return found


def own_files(source: ServiceSource, importing: Importing) -> None:
    """Take the configs and small mounted files of a container into the node; the others stay mounts."""
    for config, line in source.configs:
        if config.text is not None:
            _text_config(source, config, line, importing)
        elif config.file is not None:
            mount = VolumeUse(type="bind", source=config.file, target=config.target, read_only=True)
            source.volumes.append((mount, line))
    kept = []
    for use, line in source.volumes:
        made = Carried()
        if use.type == "bind":
            made = beside(use.source, use.target, read_only=use.read_only, importing=importing)
        if made.file is None:
            kept.append((use, line))
            if made.reason:
                _not_copied(source, use.source, made.reason, line, importing)
        else:
            source.files.append(made.file)
            note_carried(source.id, use.source, made.file, line, importing)
    source.volumes = kept


def _text_config(source: ServiceSource, use: ConfigUse, line: int, importing: Importing) -> None:
    made = carried(use.text or "", use.target, importing, mode=use.mode, uid=use.uid, gid=use.gid)
    if made.file is not None:
        source.files.append(made.file)
        return
    name = importing.secret_name(source.id, f"config-{_SLUG.sub('-', use.name.lower()).strip('-')}")
    ref = importing.built(SecretRef, f"{source.where}, configs", line=line, name=name, path=use.target)
    if ref is not None:
        source.secrets.append(ref)
        secret_note(source, f"the config {use.name}", name, line, importing)


def _not_copied(source: ServiceSource, path: str, reason: str, line: int, importing: Importing) -> None:
    importing.note(
        "file-kept-out",
        source.id,
        f"the text of {quoted(path)} is not taken into the graph: {reason}",
        "bring it to the host like a secret",
        line=line,
    )


def common_fields(source: ServiceSource) -> dict[str, object]:
    """Fields every running node takes over from a compose service."""
    return {
        "id": source.id,
        "image": source.image,
        "aliases": tuple(alias for alias in source.aliases if _is_name(alias)),
        "labels": source.labels,
        "restart": source.restart,
        "resources": source.resources,
    }


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 255 and not any(
        char.isspace() or char == "/" or not char.isprintable() for char in text
    )


def own_mounts(source: ServiceSource, importing: Importing) -> list[Mount]:
    """Mounts of the node alone: binds, memory, anonymous volumes. Named volumes are edges."""
    found: list[Mount] = []
    for use, line in source.volumes:
        if use.type == "volume":
            continue
        fields: dict[str, object] = {"kind": use.type, "target": use.target, "read_only": use.read_only}
        if use.type == "bind":
            fields["source"] = placed = bind_source(source, use, line, importing)
            fields["directory"] = placed != use.source.rstrip("/") and is_directory(use, importing)
        elif use.type == "tmpfs":
            fields["size_bytes"] = use.size_bytes
        elif use.type not in set(MountKind):
            importing.dropped(
                source.id, f"the {quoted(use.type)} mount at {use.target}", "mount it by hand", line=line
            )
            continue
        mount = importing.built(Mount, f"{source.where}, volumes", line=line, **fields)
        if mount is not None:
            found.append(mount)
    return found


def is_directory(use: VolumeUse, importing: Importing) -> bool:
    """Whether the source of a bind mount beside the compose file is a directory, by its look.

    docker makes a directory of what is not there. A name that ends like a file's is taken for a file that its
    operator forgot, and so is what is mounted at such a name.
    """
    if use.source.endswith("/"):
        return True
    names = (posixpath.basename(use.source), posixpath.basename(use.target))
    return not any(_FILE_NAME.search(name) for name in names) and importing.reader(use.source) is None


def bind_source(source: ServiceSource, use: VolumeUse, line: int, importing: Importing) -> str:
    """Where a bind mount lies on the host; says so where the path was relative to the compose file."""
    path = use.source
    placed = host_path(path, importing.project)
    if placed != path.rstrip("/") and path != "/":
        importing.note(
            "file-to-bring",
            source.id,
            f"{quoted(path)} beside the compose file is mounted from {placed}",
            f"bring what it holds to {placed} on the host, which makes it, empty"
            if is_directory(use, importing)
            else f"bring it to {placed} on the host",
            line=line,
        )
    return placed
