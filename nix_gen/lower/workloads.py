"""Services and agents without an image: hardened systemd services.

Pure. A port below 1024 gets the one capability it needs.
"""

from __future__ import annotations

import re

from nix_gen.ir import Call, Multiline, Plain, Ref, Template, ref, value
from nix_gen.lower.agents import agent_environment, environment_comment
from nix_gen.lower.draft import Draft
from nix_gen.lower.files import lower_files, restart_with_files
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.health import lower_health, probe, probe_path
from nix_gen.lower.management import manager_user
from nix_gen.lower.natives import limits, variables
from nix_gen.lower.order import is_awaited_healthy, is_job, start_after
from nix_gen.lower.secrets import environment_file, load_credentials, lower_environment, secret_target
from nix_gen.lower.site import Copy, Site
from nix_gen.lower.storage import data_group, mounts_of, provide, source_of
from nix_gen.lower.words import (
    DATA_GROUP,
    STATE,
    node_comment,
    systemd_directory,
    systemd_path,
    systemd_word,
    tmpfiles_path,
)
from nix_gen.nodes import Agent, HealthCheck, Host, MountKind, Restart, Service, Storage

PRIVILEGED_PORT_MAX = 1023
_PLACES_FOR_WORK = ("/opt/", "/srv/", "/var/lib/")
SAFE_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
"""Names NixOS accepts for users and groups."""


def lower_workloads(site: Site, draft: Draft, host: Host) -> None:
    """Write the systemd services of a host."""
    for node in site.of_form(host.id, Form.SYSTEMD):
        assert isinstance(node, Service | Agent)
        copies = site.copies(node.id)
        for copy in copies:
            _service(site, draft, node, copy)
        lower_environment(site, draft, node, [copy.unit for copy in copies], podman=False)


def _service(site: Site, draft: Draft, node: Service | Agent, copy: Copy) -> None:
    unit = ("systemd", "services", copy.name)
    job = is_job(site, node)
    harden(draft, unit)
    service: dict[str, Plain] = {"ExecStart": _exec_start(node), **limits(node.resources)}
    service |= (
        _identity(site, draft, node)
        | _restart(node, job=job)
        | _ports(node)
        | _files(site, draft, node, copy)
    )
    if node.working_dir is not None:
        service["WorkingDirectory"] = systemd_directory(node.working_dir)
        service |= _made_directory(site, draft, node, service)
    if node.stop_signal is not None:
        service["KillSignal"] = node.stop_signal
    file = environment_file(site, node, podman=False)
    if file is not None:
        service["EnvironmentFile"] = file
    options: dict[str, Plain] = {
        "description": f"{site.project}: {node.id}",
        "wantedBy": ["multi-user.target"],
        "serviceConfig": service,
    }
    home = {"HOME": f"{STATE}/{copy.name}"} if node.user not in {None, "root"} else {}
    environment = variables(site, node, {**home, **agent_environment(site, node), **node.environment})
    if environment:
        options["environment"] = value(environment)
    check = node.health_check
    if check is not None and is_awaited_healthy(site, node):
        options["postStart"] = Multiline(f"until {probe(check)}; do\n  sleep 1\ndone\n")
        service["TimeoutStartSec"] = _patience_s(check)
        path = probe_path(node, check)
        options |= {"path": path} if path else {}
    draft.put(unit, options, node_comment(node), *environment_comment(site, node))
    restart_with_files(draft, node, unit)
    if check is not None and not job:
        lower_health(site, draft, node, copy, check)
    draft.add((*unit, "after"), ["network.target"])
    start_after(site, draft, node, unit)


def _exec_start(node: Service | Agent) -> Plain:
    words = " ".join(systemd_word(word) for word in node.command or ())
    if node.package is None:
        return words
    program = Call(Ref(("lib", "getExe")), (ref(f"pkgs.{node.package}"),))
    return Template((program, f" {words}" if words else ""))


def _identity(site: Site, draft: Draft, node: Service | Agent) -> dict[str, Plain]:
    if node.user is None:
        manager = manager_user(site, node)
        return {"DynamicUser": True} | ({"User": manager} if manager is not None else {})
    group = node.group or node.user
    for name in (node.user, group):
        if not SAFE_NAME.fullmatch(name):
            site.find(
                "unsafe-name",
                node.id,
                f"{name!r} is no name of a user",
                "use lower-case letters, digits, _ and -",
            )
            return {}
    if node.user != "root":
        draft.put(("users", "users", node.user), {"isSystemUser": True, "group": node.user})
    for name in {node.user, group} - {"root", DATA_GROUP}:
        draft.put(("users", "groups", name), {})
    if DATA_GROUP in {node.user, group}:
        data_group(draft)
    return {"User": node.user, "Group": group}


def _made_directory(
    site: Site, draft: Draft, node: Service | Agent, service: dict[str, Plain]
) -> dict[str, Plain]:
    """Make the working directory of a service that nothing else makes; a static user's is its own.

    Elsewhere than below /opt, /srv and /var/lib directories are the system's.
    """
    path = node.working_dir
    if path is None or not path.startswith(_PLACES_FOR_WORK):
        return {}
    others = [edge.path for edge, _ in mounts_of(site, node)] + [mount.target for mount in node.mounts]
    others += [storage.path for storage in site.graph.nodes if isinstance(storage, Storage) and storage.path]
    others += [f"{STATE}/{copy.name}" for copy in site.copies(node.id)] + [f"{STATE}/{site.project}"]
    if any(path == other or path.startswith(f"{other}/") for other in others):
        return {}
    owner = f"{service['User']} {service['Group']}" if "Group" in service else "root root"
    rights = "0755" if owner == "root root" else "0750"
    rule = f"d {tmpfiles_path(path)} {rights} {owner} -"
    draft.add(("systemd", "tmpfiles", "rules"), [rule], f"{node.id}: where it works.")
    given = service.get("ReadWritePaths", [])
    assert isinstance(given, list), "paths are a list"
    return {"ReadWritePaths": sorted([*given, systemd_path(path)])} if "Group" in service else {}


def _restart(node: Service | Agent, *, job: bool) -> dict[str, Plain]:
    if job:
        restart = "no" if node.restart in {None, Restart.NO} else "on-failure"
        return {"Type": "oneshot", "RemainAfterExit": True, "Restart": restart}
    words = {Restart.NO: "no", Restart.ON_FAILURE: "on-failure", Restart.ALWAYS: "always"}
    restart = words.get(node.restart, "always") if node.restart is not None else "on-failure"
    return {"Restart": restart, "RestartSec": 1}


def _ports(node: Service | Agent) -> dict[str, Plain]:
    if any(binding.port <= PRIVILEGED_PORT_MAX for binding in node.ports):
        capability = ["CAP_NET_BIND_SERVICE"]
        return {
            "AmbientCapabilities": capability,
            "CapabilityBoundingSet": capability,
            "PrivateUsers": False,
        }
    return {"PrivateUsers": False} if node.user == "root" else {}


def _files(site: Site, draft: Draft, node: Service | Agent, copy: Copy) -> dict[str, Plain]:
    writable: list[str] = []
    read_only: list[str] = []
    for edge, storage in mounts_of(site, node):
        pair = _pair(source_of(site, edge, storage), edge.path)
        (read_only if edge.read_only else writable).append(pair)
    read_only += [_pair(source, target) for source, target in lower_files(site, draft, node)]
    memory: list[str] = []
    for mount in node.mounts:
        if mount.source is not None:
            provide(site, draft, mount.source)
            (read_only if mount.read_only else writable).append(_pair(mount.source, mount.target))
        else:
            limit = f":size={mount.size_bytes}" if mount.size_bytes else ""
            memory.append(systemd_path(mount.target) + (limit if mount.kind is MountKind.TMPFS else ""))
    secrets: set[str] = set()
    for secret in node.secrets:
        target = secret_target(secret)
        if target is not None:
            # The credential belongs to the unit's own user, also where that user is dynamic.
            read_only.append(f"%d/{secret.name}:{systemd_path(target)}")
            secrets.add(secret.name)
    databases = [
        f"{STATE}/{site.project}/{route.target.id}"
        for route in site.routes_from(node.id)
        if site.forms[route.target.id] is Form.SQLITE and site.is_local(route)
    ]
    shares = bool(databases or mounts_of(site, node))
    entries = {
        "BindPaths": sorted(writable),
        "BindReadOnlyPaths": sorted(read_only),
        "ReadWritePaths": sorted(databases),
        "SupplementaryGroups": [data_group(draft)] if shares else [],
        "TemporaryFileSystem": sorted(memory),
        # What several services share, each of them must be able to write.
        "UMask": "0007" if shares else "",
    }
    return (
        {"StateDirectory": copy.name}
        | load_credentials(site, copy.unit, secrets)
        | {name: items for name, items in entries.items() if items}
    )


def _pair(source: str, target: str) -> str:
    return systemd_path(source) if source == target else f"{systemd_path(source)}:{systemd_path(target)}"


def _patience_s(check: HealthCheck) -> int:
    total_ms = check.start_period_ms + check.retries * (check.interval_ms + check.timeout_ms)
    return max(30, total_ms // 1000)
