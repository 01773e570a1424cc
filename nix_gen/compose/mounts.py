"""Volumes, secrets and configs of a compose file: the top-level sections, and how a service uses them.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from nix_gen.compose.files import file_mode
from nix_gen.compose.networks import NetworkFacts, read_networks
from nix_gen.compose.source import Importing, identified, left_open
from nix_gen.compose.syntax import VolumeUse, host_path, mount_target, size_bytes, tmpfs_use, volume_use
from nix_gen.concealment import key_looks_secret
from nix_gen.errors import quoted
from nix_gen.nodes import SecretRef
from nix_gen.places import Mapping as Entries
from nix_gen.places import Scalar, Value

_BIND_DRIVERS = frozenset({"bind", "rbind"})
_SECRET_KEYS = frozenset({"file", "environment", "external", "name", "labels"})
_CONFIG_KEYS = _SECRET_KEYS | {"content"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigUse:
    """One config of a service; where none of text, file and secret is set, its content is not here."""

    name: str
    target: str
    text: str | None = None
    file: str | None = None
    """Path beside the compose file, or on the host."""
    secret: str | None = None
    """Variable that holds the content, where that is a secret or not known."""
    mode: str | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(slots=True, kw_only=True)
class TopLevel:
    """The top-level sections services refer to."""

    volumes: dict[str, Entries] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Secret names of the graph, by their compose names."""
    configs: dict[str, Entries] = field(default_factory=dict)
    networks: dict[str, NetworkFacts] = field(default_factory=dict)


def read_top_level(root: Entries, importing: Importing) -> TopLevel:
    """Read the sections `volumes`, `secrets`, `configs` and `networks`."""
    top = TopLevel(networks=read_networks(root, importing))
    for section, into in (("volumes", top.volumes), ("configs", top.configs)):
        for name, value in importing.entries(root.entries.get(section), section).entries.items():
            into[name] = importing.entries(value, f"{section}.{name}")
            if section == "configs":
                _strange(into[name].entries, f"the config {quoted(name)}", _CONFIG_KEYS, importing)
    secrets_of = importing.entries(root.entries.get("secrets"), "secrets")
    top.secrets = identified(secrets_of.entries)
    for name, value in secrets_of.entries.items():
        entries = importing.entries(value, f"secrets.{name}").entries
        _strange(entries, f"the secret {quoted(name)}", _SECRET_KEYS, importing)
        origin = next((key for key in ("file", "environment", "external") if key in entries), None)
        source = (
            importing.text(entries[origin], f"secrets.{name}") if origin in {"file", "environment"} else None
        )
        stated = f" (was {origin} {quoted(source)})" if source else ""
        importing.note(
            "secret-reference",
            top.secrets[name],
            f"the secret {quoted(name)} is carried by name only{stated}",
            f"provide the secret {top.secrets[name]} on the host",
            line=secrets_of.key_lines.get(name, secrets_of.line),
        )
    return top


def _strange(entries: dict[str, Value], what: str, known: frozenset[str], importing: Importing) -> None:
    for key in sorted(entries.keys() - known):
        if not key.startswith("x-"):
            said = f"'{quoted(key)[1:-1]}' of {what}"
            importing.dropped(importing.project, said, "set it on the host", line=entries[key].line)


def volumes(
    given: dict[str, Value], node_id: str, where: str, importing: Importing
) -> list[tuple[VolumeUse, int]]:
    """Entries of `volumes` and `tmpfs`, with their lines."""
    found: dict[str, tuple[VolumeUse, int]] = {}
    for item in importing.items(given.get("volumes"), f"{where}, volumes"):
        if isinstance(item, Scalar) and item.unset and not _has_target(item.text):
            what = f"the volumes entry {quoted(item.text)}, which lacks the value of {', '.join(item.unset)},"
            mend = f"write {item.unset[0]}=... into .env beside the file"
            importing.dropped(node_id, what, mend, line=item.line, warn=True)
            continue
        use = importing.attempt(
            partial(_use, item, where, importing),
            f"{where}, volumes",
            "write SOURCE:/TARGET",
            line=item.line,
        )
        if use is None:
            continue
        if use.ignored:
            options = ", ".join(quoted(option)[1:-1] for option in use.ignored)
            importing.dropped(
                node_id, f"the mount option {options} of {use.target}", "do without it", line=item.line
            )
        found[use.target] = (use, item.line)
    for item in importing.items(given.get("tmpfs"), f"{where}, tmpfs"):
        if left_open(item):
            continue
        text = importing.text(item, f"{where}, tmpfs") or ""
        use = importing.attempt(
            partial(tmpfs_use, text), f"{where}, tmpfs", "write a path and its size", line=item.line
        )
        if use is None:
            continue
        if use.ignored:
            what = f"the mount option {quoted(', '.join(use.ignored))[1:-1]} of {use.target}"
            importing.dropped(node_id, what, "do without it", line=item.line)
        found[use.target] = (use, item.line)
    return list(found.values())


def _has_target(text: str) -> bool:
    parts = text.split(":")
    return parts[min(1, len(parts) - 1)].startswith("/")


def _use(item: Value, where: str, importing: Importing) -> VolumeUse:
    if not isinstance(item, Entries):
        text = importing.text(item, f"{where}, volumes") or ""
        if isinstance(item, Scalar) and item.unset and text.startswith(":"):
            text = f"./{item.unset[0].lower()}{text}"
        return volume_use(text)
    given = item.entries
    texts = {
        key: importing.text(value, f"{where}, volumes.{key}")
        for key, value in given.items()
        if isinstance(value, Scalar)
    }
    if not texts.get("target"):
        raise ValueError("has no 'target'")
    source, kind = texts.get("source") or "", texts.get("type") or "volume"
    place = given.get("source")
    if kind == "bind" and left_open(place) and isinstance(place, Scalar):
        source = f"./{place.unset[0].lower()}"
    options = {
        name: importing.entries(given.get(name), where).entries for name in ("bind", "volume", "tmpfs")
    }
    size = importing.text(options["tmpfs"].get("size"), where)
    subpath = importing.text(options["volume"].get("subpath"), where)
    kept = {("tmpfs", "size"), ("volume", "subpath"), ("bind", "create_host_path")}
    ignored = [
        f"{name}.{key}" for name, entries in options.items() for key in entries if (name, key) not in kept
    ]
    ignored += sorted(
        given.keys() - {"type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency"}
    )
    return VolumeUse(
        type="anonymous" if kind == "volume" and not source else kind,
        source=source,
        target=mount_target(texts["target"] or ""),
        read_only=importing.boolean(given.get("read_only"), f"{where}, volumes.read_only"),
        size_bytes=size_bytes(size) if size else None,
        subpath=subpath,
        ignored=tuple(ignored),
    )


def configs(
    value: Value | None, top: TopLevel, node_id: str, where: str, importing: Importing
) -> list[tuple[ConfigUse, int]]:
    """Configs of a service: where each is seen, and its text or the file it names."""
    found = []
    for item in importing.items(value, f"{where}, configs"):
        name, target = _named(item, f"{where}, configs", importing)
        if name not in top.configs:
            what = f"names the config {quoted(name)}, which does not exist"
            importing.problem(f"{where}, configs", what, "add it to the top-level 'configs:'", line=item.line)
            continue
        target = target or f"/{name}"
        path = importing.attempt(
            partial(mount_target, target if target.startswith("/") else f"/{target}"),
            f"{where}, configs",
            "write a path",
            line=item.line,
        )
        if path is None:
            continue
        use = _config(name, path, item, top, node_id, where, importing)
        if use is not None:
            found.append((use, item.line))
    return found


def _config(
    name: str, path: str, item: Value, top: TopLevel, node_id: str, where: str, importing: Importing
) -> ConfigUse | None:
    entries = top.configs[name].entries
    given = item.entries if isinstance(item, Entries) else {}
    options = {
        key: importing.text(given.get(key), f"{where}, configs.{key}") for key in ("mode", "uid", "gid")
    }
    for key in sorted(given.keys() - {"source", "target", "mode", "uid", "gid"}):
        what = f"'{quoted(key)[1:-1]}' of the config {quoted(name)}"
        importing.dropped(node_id, what, "do without it", line=item.line)
    use = ConfigUse(
        name=name,
        target=path,
        mode=file_mode(options["mode"]),
        uid=_identity(options["uid"]),
        gid=_identity(options["gid"]),
    )
    place = f"configs.{name}"
    file = importing.text(entries.get("file"), f"{place}.file")
    variable = importing.text(entries.get("environment"), f"{place}.environment")
    if "content" in entries:
        return replace(use, text=importing.text(entries["content"], f"{place}.content") or "")
    if file:
        return replace(use, file=file)
    if variable is not None:
        if key_looks_secret(variable) or variable not in importing.environment:
            return replace(use, secret=variable)
        return replace(use, text=importing.environment[variable])
    importing.dropped(
        node_id, f"the config {quoted(name)}", "write it on the host", line=item.line, warn=True
    )
    return use


def _identity(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None


def _named(item: Value, where: str, importing: Importing) -> tuple[str, str | None]:
    if not isinstance(item, Entries):
        return importing.text(item, where) or "", None
    entries = item.entries
    return importing.text(entries.get("source"), where) or "", importing.text(entries.get("target"), where)


def secrets(value: Value | None, top: TopLevel, where: str, importing: Importing) -> list[SecretRef]:
    """Secrets of a service: each a file below `/run/secrets` unless its `target` is an absolute path."""
    found = []
    for item in importing.items(value, f"{where}, secrets"):
        name, target = _named(item, f"{where}, secrets", importing)
        if name not in top.secrets:
            what = f"names the secret {quoted(name)}, which does not exist"
            importing.problem(f"{where}, secrets", what, "add it to the top-level 'secrets:'", line=item.line)
            continue
        for key in sorted((item.entries if isinstance(item, Entries) else {}).keys() - {"source", "target"}):
            what = f"'{quoted(key)[1:-1]}' of the secret {quoted(name)} of {where}"
            importing.dropped(top.secrets[name], what, "set owner and mode on the host", line=item.line)
        path = target or name
        path = path if path.startswith("/") else f"/run/secrets/{path}"
        ref = importing.built(
            SecretRef, f"{where}, secrets", line=item.line, name=top.secrets[name], path=path
        )
        if ref is not None:
            found.append(ref)
    return found


def memory_use(use: VolumeUse, entries: Entries, importing: Importing) -> VolumeUse | None:
    """The mount of a named volume that is memory by its driver options; None for any other volume."""
    where = f"volumes.{use.source}.driver_opts"
    options = importing.entries(entries.entries.get("driver_opts"), where).entries
    if importing.text(options.get("type"), f"{where}.type") != "tmpfs":
        return None
    flags = (importing.text(options.get("o"), f"{where}.o") or "").split(",")
    size = next((flag.removeprefix("size=") for flag in flags if flag.startswith("size=")), "")
    limit = (
        importing.attempt(partial(size_bytes, size), where, "write size=100m", line=entries.line)
        if size and not size.endswith("%")
        else None
    )
    return replace(use, type="tmpfs", source="", size_bytes=limit)


def storage_fields(name: str, entries: Entries, importing: Importing) -> dict[str, object]:
    """Fields of the storage node for a named volume: local, or bound or NFS by its driver options."""
    where = f"volumes.{name}"
    options = importing.entries(entries.entries.get("driver_opts"), f"{where}.driver_opts").entries
    texts = {key: importing.text(value, f"{where}.driver_opts.{key}") or "" for key, value in options.items()}
    device, flags = texts.get("device", ""), texts.get("o", "").split(",")
    if texts.get("type", "").startswith("nfs"):
        stated = next((flag.removeprefix("addr=") for flag in flags if flag.startswith("addr=")), "")
        before, _, path = device.rpartition(":")
        server = stated or before
        if server and path.startswith("/"):
            return {"storage": "nfs", "server": server.strip("[]"), "path": path}
    if _BIND_DRIVERS & set(flags) and device:
        return {"path": host_path(device, importing.project)}
    if texts.get("type") == "tmpfs":
        return {}
    for key in sorted(entries.entries.keys() - {"driver_opts", "name", "labels"}):
        value = entries.entries[key]
        if isinstance(value, Scalar) and value.text in {"local", "false", ""}:
            continue
        importing.dropped(
            name,
            f"'{quoted(key)[1:-1]}' of the volume {quoted(name)}",
            "prepare it on the host",
            line=value.line,
        )
    for key in sorted(texts):
        importing.dropped(
            name,
            f"the driver option {quoted(key)} of the volume {quoted(name)}",
            "prepare it on the host",
            line=entries.line,
        )
    return {}
