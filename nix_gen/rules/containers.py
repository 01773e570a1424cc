"""What containers may ask for: names that lead somewhere, networks that meet; and opinions on safety.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import ConnectsTo, DataFlow, Edge, LoadBalances, Monitors, PublishesTo, SubscribesTo
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, ContainerOptions, Host, MountKind, Running, Service, Storage
from nix_gen.nodes.container_options import node_named

POWERFUL = frozenset(
    {
        "ALL",
        "BPF",
        "DAC_READ_SEARCH",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "NET_ADMIN",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_TIME",
    }
)
"""Capabilities that reach beyond the container."""
ENGINE_SOCKETS = frozenset(
    {
        "/run/containerd/containerd.sock",
        "/run/docker.sock",
        "/run/podman/podman.sock",
        "/var/run/docker.sock",
        "/var/run/podman/podman.sock",
    }
)
SENSITIVE = frozenset(
    {"/", "/boot", "/dev", "/etc", "/nix", "/proc", "/root", "/run", "/sys", "/usr", "/var"}
)
"""Paths of the host that hold the host itself."""
_CONVERSING = (ConnectsTo, DataFlow, LoadBalances, Monitors, PublishesTo, SubscribesTo)
_DEFAULT_ALONE = frozenset({"default"})
"""The networks of a container that names none."""
_DEFAULTS = ContainerOptions()


def container_findings(graph: Graph) -> Iterator[Finding]:
    """Everything about container options. Complexity: linear in nodes, edges and options."""
    for node in graph.nodes:
        if isinstance(node, Host | Storage):
            continue
        yield from _mounted(node)
        if node.container is None:
            continue
        if isinstance(node, Service | Agent) and not node.is_container:
            yield finding(
                "container-options-unused",
                node.id,
                "has container options and runs as a systemd service",
                "remove them, or give the node an image",
            )
            continue
        yield from _references(graph, node, node.container)
        yield from _dangers(node, node.container)
        if node.container.devices or node.container.cdi_devices:
            names = [device.source for device in node.container.devices] + list(node.container.cdi_devices)
            yield finding(
                "device-to-bring",
                node.id,
                f"needs the device {', '.join(names[:3])}{', ...' if len(names) > 3 else ''} of its host",
                "see that the host has it, with its driver",
            )
    for edge in graph.edges:
        yield from _conversation(graph, edge)


def _references(graph: Graph, node: Running, options: ContainerOptions) -> Iterator[Finding]:
    for name, mode in (("network", options.network), ("pid", options.pid), ("ipc", options.ipc)):
        target_id = node_named(mode)
        if target_id is None:
            continue
        target = graph.by_id.get(target_id)
        reason = _unfit(graph, node, target_id, target)
        if reason is not None:
            yield finding(
                "unknown-container",
                node.id,
                f"shares the {name} of '{target_id}', {reason}",
                "name one other container of the same host",
            )
    if _circle(graph, node):
        yield finding(
            "unknown-container",
            node.id,
            f"shares the network of '{node_named(options.network)}', which leads back to it",
            "let one of them have a network of its own",
        )


def _copies_of(graph: Graph, target_id: str) -> list[str]:
    """The first two of the nodes that placement made of the replicas of a node, if it made any."""
    names = (f"{target_id}-1", f"{target_id}-2")
    found = [graph.by_id.get(name) for name in names]
    return [one.id for one in found if isinstance(one, Service | Agent) and target_id in one.aliases]


def _unfit(graph: Graph, node: Running, target_id: str, target: object) -> str | None:
    if target is None:
        copies = _copies_of(graph, target_id)
        return f"whose replicas stand apart, as {' and '.join(copies)}" if copies else "which does not exist"
    if isinstance(target, Host | Storage) or (
        isinstance(target, Service | Agent) and not target.is_container
    ):
        return "which is no container"
    assert isinstance(target, Running)
    if target.id == node.id:
        return "which is itself"
    if graph.host_of(target.id) != graph.host_of(node.id):
        return "which stands on another host"
    if getattr(target, "replicas", 1) != 1:
        return "which does not run exactly once"
    return None


def _circle(graph: Graph, node: Running) -> bool:
    seen: set[str] = set()
    at: object = node
    while at is not None and not isinstance(at, Host | Storage):
        assert isinstance(at, Running)
        if at.id in seen:
            return at.id == node.id and len(seen) > 1
        seen.add(at.id)
        at = None if at.container is None else graph.by_id.get(at.container.network_node or "")
    return False


def _dangers(node: Running, options: ContainerOptions) -> Iterator[Finding]:
    if options.privileged:
        message = "runs privileged: whoever controls it controls the host"
        yield finding("privileged-container", node.id, message, "name the capabilities and devices it needs")
    powerful = [] if options.privileged else sorted(POWERFUL & set(options.cap_add))
    if powerful:
        message = f"has the capability {', '.join(powerful)}, which reaches beyond the container"
        yield finding("powerful-capability", node.id, message, "drop it if the program runs without")
    shared = [name for name in ("cgroup", "ipc", "pid", "userns", "uts") if getattr(options, name) == "host"]
    shared += ["network"] * (options.network == "host")
    if shared:
        message = f"shares the {', '.join(sorted(shared))} namespace of its host"
        yield finding("host-namespace", node.id, message, "give it its own if the program runs with it")
    loose = [one for one in options.security_opt if one.endswith(("unconfined", "disable", "mask=ALL"))]
    if loose:
        message = f"switches protection off: {', '.join(loose)}"
        yield finding("unconfined-container", node.id, message, "remove the option, or write a profile")


def _mounted(node: Running) -> Iterator[Finding]:
    for mount in node.mounts:
        if mount.kind is not MountKind.BIND or mount.source is None:
            continue
        if mount.source in ENGINE_SOCKETS:
            message = f"has the container engine's socket {mount.source}: it can start containers as root"
            yield finding("engine-socket", node.id, message, "put a proxy that filters requests before it")
        elif mount.source in SENSITIVE and not mount.read_only:
            message = f"can write to {mount.source} of its host"
            yield finding("sensitive-mount", node.id, message, "mount it read-only, or a folder inside it")


def _conversation(graph: Graph, edge: Edge) -> Iterator[Finding]:
    """A container without a network, and two containers of a host that share none, cannot converse."""
    source, target = graph.by_id.get(edge.source), graph.by_id.get(edge.target)
    if not isinstance(edge, _CONVERSING) or edge.source == edge.target or source is None or target is None:
        return
    ends = [node for node in (source, target) if isinstance(node, Service | Agent) and node.is_container]
    for node in ends:
        if _networks(graph, node) == frozenset():
            message = f"{node.id} has no network, so the edge leads nowhere"
            yield finding("no-common-network", edge.id, message, "give it a network, or remove the edge")
            return
    if len(ends) < 2 or graph.host_of(edge.source) != graph.host_of(edge.target):
        return
    one, other = (_networks(graph, node) for node in ends)
    if one is None or other is None or one & other:
        return
    message = f"{edge.source} and {edge.target} are containers that share no network"
    yield finding("no-common-network", edge.id, message, "put both into one network, or remove the edge")


def _networks(graph: Graph, node: Running) -> frozenset[str] | None:
    """Names of the networks a container is in; None for the host's own."""
    options = node.container
    if options is None:
        return _DEFAULT_ALONE
    for _ in range(len(graph.nodes)):
        shared = None if options.network_node is None else graph.by_id.get(options.network_node)
        if shared is None or isinstance(shared, Host | Storage):
            break
        options = shared.container or _DEFAULTS
    if options.network == "host" or options.network_node is not None:
        return None
    if options.network == "none":
        return frozenset()
    return frozenset(use.name for use in options.networks) or _DEFAULT_ALONE
