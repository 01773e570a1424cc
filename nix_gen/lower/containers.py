"""Nodes that run as containers: `virtualisation.oci-containers` on podman.

Pure. The containers of a host are in one podman network with name resolution, as under docker compose, or
in the networks they name (`nix_gen.lower.container_network`), so that `DB_HOST=db` just works.
"""

from __future__ import annotations

import ipaddress
import json

from nix_gen.graph import SecretProvider
from nix_gen.ir import Plain, force, value
from nix_gen.lower.agents import environment_comment
from nix_gen.lower.bus_containers import configured
from nix_gen.lower.container_network import (
    lower_networks,
    network_flags,
    network_options,
    unit_of_networks,
)
from nix_gen.lower.container_options import joined_nodes, lower_unit_options, module_options, option_flags
from nix_gen.lower.draft import Draft
from nix_gen.lower.engines import engine_extras
from nix_gen.lower.extras import Extras
from nix_gen.lower.files import file_volumes, restart_with_files
from nix_gen.lower.forms import Form
from nix_gen.lower.images import image_of, is_built
from nix_gen.lower.networks import options_of
from nix_gen.lower.order import container_dependencies, is_awaited_healthy, is_job, start_after
from nix_gen.lower.ownership import user_of
from nix_gen.lower.reach import published
from nix_gen.lower.secrets import environment_file, lower_environment, secret_target
from nix_gen.lower.site import Copy, Site
from nix_gen.lower.storage import container_volumes, sharing_flags, tmpfs_options
from nix_gen.lower.words import SECRETS, milliseconds, node_comment
from nix_gen.nodes import (
    Agent,
    HealthCheck,
    Host,
    Resources,
    Restart,
    Running,
    Service,
)
from nix_gen.scalars import Protocol

CONTAINERS = ("virtualisation", "oci-containers", "containers")


def lower_containers(site: Site, draft: Draft, host: Host) -> None:
    """Write every container of a host, and podman with its network if there is one."""
    nodes = site.of_form(host.id, Form.CONTAINER)
    if not nodes:
        return
    _podman(draft)
    lower_networks(site, draft, host)
    for node in nodes:
        copies = site.copies(node.id)
        if not copies:
            draft.say(
                ("virtualisation", "oci-containers"), f"{node.id}: no replica is asked for, so none runs."
            )
        for index, copy in enumerate(copies):
            _container(site, draft, node, copy, first=index == 0)
        units = [copy.unit for copy in copies]
        lower_environment(site, draft, node, units, podman=True)


def _podman(draft: Draft) -> None:
    draft.put(("virtualisation", "podman", "enable"), plain=True)
    draft.put(("virtualisation", "oci-containers", "backend"), "podman")
    settings = ("virtualisation", "containers", "containersConf", "settings", "containers", "base_hosts_file")
    draft.put(
        settings, "none", "Names of the host mean the host itself: containers get their own names only."
    )


def _container(site: Site, draft: Draft, node: Running, copy: Copy, *, first: bool) -> None:
    node = configured(site, node)
    extras = engine_extras(site, node)
    options: dict[str, Plain] = {
        "image": image_of(node, site.project),
        **network_options(site, node, copy),
        **module_options(node),
    }
    if is_built(node):
        options["pull"] = "never"
    lists: dict[str, list[str]] = {
        "cmd": _command(node, extras),
        "extraOptions": [*_extra_options(site, node, copy), *sharing_flags(site, draft, node)],
        "dependsOn": sorted({*container_dependencies(site, node), *_joined(site, node)}),
        "ports": _ports(site, node, first=first),
        "volumes": [
            *sorted([*container_volumes(site, draft, node), *extras.volumes]),
            *file_volumes(site, draft, node),
            *_secret_volumes(site, node, extras, copy),
        ],
    }
    file = environment_file(site, node, podman=True)
    if file is not None:
        lists["environmentFiles"] = [file]
    options |= {name: items for name, items in lists.items() if items}
    maps = {"environment": {**extras.environment, **node.environment}, "labels": node.labels}
    options |= {name: value(held) for name, held in maps.items() if held}
    if isinstance(node, Service | Agent):
        options |= _workload_options(site, node)
    draft.put((*CONTAINERS, copy.name), options, *_comments(site, node))
    _unit(site, draft, node, copy)


def _comments(site: Site, node: Running) -> list[str]:
    comments = [node_comment(node), *environment_comment(site, node)]
    if is_built(node):
        assert isinstance(node, Service | Agent)
        assert node.build is not None
        image = image_of(node, site.project)
        comments.append(f"Build this image first: podman build --tag {image} {node.build.context}")
    return comments


def _joined(site: Site, node: Running) -> set[str]:
    """The containers whose namespaces a container joins."""
    return {copy.name for target in joined_nodes(node) for copy in site.copies(target)[:1]}


def _workload_options(site: Site, node: Service | Agent) -> dict[str, Plain]:
    options: dict[str, Plain] = {}
    if node.entrypoint is not None:
        # podman takes one word as it is, several as a JSON list, and none as "clear the image's own".
        several = json.dumps(node.entrypoint)
        options["entrypoint"] = several if len(node.entrypoint) > 1 else "".join(node.entrypoint)
    domain = options_of(node).domain_name
    if site.networks.leader(node.id) == node.id and (node.hostname is not None or domain is not None):
        options["hostname"] = ".".join(filter(None, (node.hostname or node.id, domain)))
    if node.working_dir is not None:
        options["workdir"] = node.working_dir
    if node.user is not None or node.group is not None:
        options["user"] = (node.user or "0") + (f":{node.group}" if node.group else "")
    return options


def _command(node: Running, extras: Extras) -> list[str]:
    if isinstance(node, Service | Agent):
        return list(node.command or ())
    return extras.command


def _secret_volumes(site: Site, node: Running, extras: Extras, copy: Copy) -> list[str]:
    targets = {secret_target(secret): secret.name for secret in node.secrets}
    targets |= {f"{SECRETS}/{name}": name for name in extras.secrets}
    uid = _reader(site, node) if targets else 0
    return sorted(
        f"{site.secret_file(name, copy.unit, uid=uid)}:{target}:ro"
        for target, name in targets.items()
        if target is not None
    )


def _reader(site: Site, node: Running) -> int:
    """The number of the user who reads a container's secret files; 0 where the image decides."""
    user, _ = user_of(node)
    if user.isdecimal():
        return int(user)
    if site.graph.graph.secrets is not SecretProvider.FILES:
        site.warn(
            "secret-unreadable",
            node.id,
            f"runs as {user}, whose number its image alone knows, and its secret files are root's",
            "give the user as a number",
        )
    return 0


def _ports(site: Site, node: Running, *, first: bool) -> list[str]:
    if not site.networks.is_bridged(node.id) or site.networks.leader(node.id) != node.id:
        return []
    sharing = [node, *site.networks.followers(node)]
    bindings = [b for one in sharing for b in published(one) if b.published is not None]
    if not first:
        if bindings:
            site.warn(
                "published-once",
                node.id,
                "has replicas, and only the first one can have the published ports",
                "put a load_balancer in front, with a load_balances edge",
            )
        return []
    return sorted(_port(str(b.published), b.port, b.protocol, b.address) for b in bindings)


def _port(outside: str, inside: int, protocol: Protocol, address: str | None) -> str:
    host = "" if address is None else f"{_bracketed(address)}:"
    return f"{host}{outside}:{inside}" + ("/udp" if protocol is Protocol.UDP else "")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address


def _extra_options(site: Site, node: Running, copy: Copy) -> list[str]:
    options = network_flags(site, node, copy)
    if node.health_check is not None:
        options += _health_options(node.health_check)
    if is_job(site, node):
        # In the foreground, so that the unit is done when the job is and fails when it does.
        options += ["--detach=false", "--sdnotify=ignore"]
    elif node.health_check is not None and is_awaited_healthy(site, node):
        options.append("--sdnotify=healthy")
    options += _resource_options(node.resources) + tmpfs_options(node)
    if isinstance(node, Service | Agent) and node.stop_signal is not None:
        options.append(f"--stop-signal={node.stop_signal}")
    return options + option_flags(site, node)


def _health_options(check: HealthCheck) -> list[str]:
    command = json.dumps(list(check.command)) if check.command else f"CMD-SHELL {check.shell}"
    options = [
        f"--health-cmd={command}",
        f"--health-interval={milliseconds(check.interval_ms) if check.interval_ms else 'disable'}",
        f"--health-timeout={milliseconds(max(check.timeout_ms, 1000))}",
        f"--health-retries={check.retries}",
    ]
    if check.start_period_ms:
        options.append(f"--health-start-period={milliseconds(check.start_period_ms)}")
    return options


def _resource_options(resources: Resources | None) -> list[str]:
    if resources is None:
        return []
    options = []
    if resources.cpu_limit_milli is not None:
        options.append(f"--cpus={resources.cpu_limit_milli // 1000}.{resources.cpu_limit_milli % 1000:03d}")
    if resources.memory_limit_bytes:
        options.append(f"--memory={resources.memory_limit_bytes}b")
    if resources.memory_reservation_bytes:
        options.append(f"--memory-reservation={resources.memory_reservation_bytes}b")
    if resources.pids_limit_count is not None:
        options.append(f"--pids-limit={resources.pids_limit_count}")
    return options


def _unit(site: Site, draft: Draft, node: Running, copy: Copy) -> None:
    unit = ("systemd", "services", copy.unit.removesuffix(".service"))
    host = site.graph.host_of(node.id)
    assert host is not None, "a container stands on a host"
    networks = unit_of_networks(site, host)
    if networks is not None:
        draft.add((*unit, "after"), [networks])
        draft.add((*unit, "requires"), [networks])
    restart_with_files(draft, node, unit)
    lower_unit_options(draft, node, unit)
    start_after(site, draft, node, unit, containers_too=False)
    joined = sorted(copy.unit for target in joined_nodes(node) for copy in site.copies(target)[:1])
    if joined:
        draft.add((*unit, "bindsTo"), joined, "It lives in what that container lends, and ends with it.")
    service = (*unit, "serviceConfig")
    if is_job(site, node):
        draft.put((*service, "Type"), force("oneshot"))
        draft.put((*service, "RemainAfterExit"), plain=True)
        draft.put((*service, "Restart"), force("no" if node.restart in {None, Restart.NO} else "on-failure"))
        return
    if node.health_check is not None and is_awaited_healthy(site, node):
        draft.put((*service, "Delegate"), plain=True)
    if node.restart in {Restart.NO, Restart.ON_FAILURE}:
        assert node.restart is not None
        draft.put((*service, "Restart"), force(node.restart.value))
