"""`ContainerOptions` in podman's words.

Pure. What the NixOS module has an option for is said there; the rest are arguments of `podman run`, one
word each, in one order.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.ir import Plain, force
from nix_gen.lower.draft import Draft, Path
from nix_gen.lower.networks import options_of
from nix_gen.lower.site import Site
from nix_gen.nodes import ContainerOptions, Restart, Running
from nix_gen.nodes.container_options import node_named
from nix_gen.scalars import NodeId

MODULE_STOP_S = 120
"""How long the NixOS module lets systemd wait for a container to stop."""
_STOP_MARGIN_S = 20
_SWITCHES = {
    "init": "--init",
    "oom_kill_disable": "--oom-kill-disable",
    "read_only": "--read-only",
    "stdin_open": "--interactive",
    "tty": "--tty",
}
_SINGLE = {
    "blkio_weight": "--blkio-weight",
    "cgroup": "--cgroupns",
    "cgroup_parent": "--cgroup-parent",
    "cpu_period_us": "--cpu-period",
    "cpu_quota_us": "--cpu-quota",
    "cpu_rt_period_us": "--cpu-rt-period",
    "cpu_rt_runtime_us": "--cpu-rt-runtime",
    "cpu_shares": "--cpu-shares",
    "cpuset": "--cpuset-cpus",
    "memory_swap_bytes": "--memory-swap",
    "memory_swappiness": "--memory-swappiness",
    "oom_score_adj": "--oom-score-adj",
    "platform": "--platform",
    "shm_size_bytes": "--shm-size",
    "userns": "--userns",
    "uts": "--uts",
}
_BYTES = frozenset({"memory_swap_bytes", "shm_size_bytes"})
_REPEATED = {
    "cap_add": "--cap-add",
    "cap_drop": "--cap-drop",
    "device_cgroup_rules": "--device-cgroup-rule",
    "dns": "--dns",
    "dns_options": "--dns-option",
    "dns_search": "--dns-search",
    "group_add": "--group-add",
    "security_opt": "--security-opt",
}
_PAIRS = {"annotations": "--annotation", "storage_opt": "--storage-opt", "sysctls": "--sysctl"}


def module_options(node: Running) -> dict[str, Plain]:
    """What the NixOS module has options for, apart from the networks."""
    options = options_of(node)
    found: dict[str, Plain] = {}
    devices = [
        ":".join(
            (device.source, device.target or device.source)
            + ((device.permissions,) if device.permissions != "rwm" else ())
        )
        if device.target or device.permissions != "rwm"
        else device.source
        for device in options.devices
    ]
    if devices or options.cdi_devices:
        found["devices"] = [*devices, *options.cdi_devices]
    if options.privileged:
        found["privileged"] = True
    if options.logging is not None:
        found["log-driver"] = options.logging.driver
    if options.pull is not None:
        found["pull"] = options.pull.value
    if options.runtime is not None:
        found["preRunExtraOptions"] = [f"--runtime={options.runtime}"]
    return found


def option_flags(site: Site, node: Running) -> list[str]:
    """Arguments of `podman run` for everything the module has no option for."""
    if node.container is None:
        return []
    options = options_of(node)
    flags = [flag for name, flag in _SWITCHES.items() if getattr(options, name)]
    flags += list(_single(options))
    for name, flag in _REPEATED.items():
        flags += [f"{flag}={item}" for item in getattr(options, name)]
    for name, flag in _PAIRS.items():
        flags += [f"{flag}={key}={held}" for key, held in sorted(getattr(options, name).items())]
    flags += [f"--ulimit={limit.name}={limit.soft}:{limit.hard}" for limit in options.ulimits]
    flags += [f"--device-{rate.kind}={rate.path}:{rate.rate}" for rate in options.device_rates]
    for flag, mode in (("--pid", options.pid), ("--ipc", options.ipc)):
        if mode is not None:
            flags.append(f"{flag}={container_mode(site, mode)}")
    if options.logging is not None:
        flags += [f"--log-opt={key}={held}" for key, held in sorted(options.logging.options.items())]
    if options.mac_address is not None and not site.is_in_host(node.id):
        flags.append(f"--mac-address={options.mac_address}")
    if options.stop_grace_ms is not None:
        flags.append(f"--stop-timeout={_seconds(options.stop_grace_ms)}")
    return sorted(flags)


def _single(options: ContainerOptions) -> Iterator[str]:
    for name, flag in _SINGLE.items():
        held = getattr(options, name)
        if held is not None:
            unit = "b" if name in _BYTES and held >= 0 else ""
            yield f"{flag}={held}{unit}"


def container_mode(site: Site, mode: str) -> str:
    """A namespace mode as podman names it: `container:<name>` for that of another node."""
    target = node_named(mode)
    return mode if target is None else f"container:{container_name(site, target)}"


def container_name(site: Site, node_id: NodeId) -> str:
    """The container of a node, the first of several."""
    copies = site.copies(node_id)
    return copies[0].name if copies else f"{site.project}-{node_id}"


def joined_nodes(node: Running) -> tuple[str, ...]:
    """The nodes whose namespaces a container joins: it cannot start before them."""
    if node.container is None:
        return ()
    options = options_of(node)
    named = {node_named(mode) for mode in (options.network, options.pid, options.ipc)}
    return tuple(sorted(target for target in named if target is not None))


def extra_hosts(site: Site, node: Running) -> list[tuple[str, str]]:
    """Lines for the hosts file that the graph writes out; without an address, the host itself."""
    bridged = site.networks.is_bridged(node.id)
    here = site.networks.first_of(node.id).gateway if bridged else "127.0.0.1"
    return [(entry.name, entry.address or here) for entry in options_of(node).extra_hosts]


def lower_unit_options(draft: Draft, node: Running, unit: Path) -> None:
    """What systemd has to know: how long stopping takes, and when to give up."""
    options = options_of(node)
    if options.stop_grace_ms is not None:
        seconds = _seconds(options.stop_grace_ms) + _STOP_MARGIN_S
        if seconds > MODULE_STOP_S:
            draft.put((*unit, "serviceConfig", "TimeoutStopSec"), force(seconds))
    if options.restart_max_count is not None and node.restart is Restart.ON_FAILURE:
        limits: dict[str, Plain] = {
            "StartLimitBurst": options.restart_max_count + 1,
            "StartLimitIntervalSec": "infinity",
        }
        draft.put((*unit, "unitConfig"), limits)


def _seconds(duration_ms: int) -> int:
    return -(-duration_ms // 1000)
