"""The networks of a host's containers: which there are, who is in which, and every container's address.

Pure. Containers that name no network share one, as under docker compose. Named networks are networks of
their own: podman answers for a name only inside a network they share, and forwards nothing between two
(`isolate`). A container may instead use the host's network, the one of another container, or none.

Addresses are found by hashing names, so that adding a container or a network moves no other. Named networks
take their subnets from ranges of their own, each big enough for 3,800 containers.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nix_gen.graph import Graph
from nix_gen.lower.forms import Form
from nix_gen.lower.words import BRIDGE, short
from nix_gen.nodes import ContainerOptions, Host, NetworkUse, Running, Storage

DEFAULT_NETWORK = "default"
FIRST_OFFSET = 256
"""Addresses below are left for the gateway and for containers of the operator's own."""
RESERVED_COUNT = FIRST_OFFSET + 16
"""Addresses of a network that containers do not get."""
BRIDGE_MAX_CHARS = 15
"""Length of an interface name."""
NAMED_SUBNETS = tuple(
    f"10.{second}.{third}.0/20" for second in range(245, 255) for third in range(0, 256, 16)
)
"""Candidates for named networks."""
_BRIDGED = ContainerOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNetwork:
    """One podman network of a host."""

    name: str
    """What podman calls it."""
    bridge: str
    """Its interface on the host."""
    subnet: ipaddress.IPv4Network
    internal: bool = False
    """Whether it leads nowhere else."""

    @property
    def gateway(self) -> str:
        """The host as the containers in it see it."""
        return str(self.subnet[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A container's place in one network."""

    network: ContainerNetwork
    address: str
    aliases: tuple[str, ...] = ()
    """Names it has in this network alone."""


def options_of(node: Running) -> ContainerOptions:
    """The options of a container; podman's defaults where the graph gives none."""
    return node.container or _BRIDGED


class ContainerNetworks:
    """The networks of all hosts; settled on construction but for the addresses, which `attach` gives out."""

    def __init__(self, graph: Graph, forms: Mapping[str, Form], default: ContainerNetwork) -> None:
        self._graph = graph
        self._forms = forms
        self._default = default
        self._networks: dict[str, dict[str, ContainerNetwork]] = {}
        self._taken: dict[tuple[str, str], set[int]] = {}
        self._followers: dict[str, list[Running]] = {}
        self._leaders: dict[str, str] = {}
        self._modes: dict[str, str] = {}
        self._firsts: dict[str, ContainerNetwork] = {}
        for host in graph.hosts:
            containers = self._containers(host.id)
            self._networks[host.id] = self._planned(use for node in containers for use in self._uses(node))
            for node in containers:
                if options_of(node).network_node is not None:
                    self._followers.setdefault(self.leader(node.id), []).append(node)

    def on(self, host_id: str) -> tuple[ContainerNetwork, ...]:
        """The networks of a host, by name, the default one first."""
        found = self._networks[host_id]
        return tuple(found[name] for name in sorted(found, key=lambda name: (name != DEFAULT_NETWORK, name)))

    def leader(self, node_id: str) -> str:
        """Id of the node whose network a container is in: itself, unless it shares another's."""
        found = self._leaders.get(node_id)
        if found is None:
            found = self._leaders[node_id] = self._found_leader(node_id)
        return found

    def _found_leader(self, node_id: str) -> str:
        seen = {node_id}
        while True:
            node = self._graph.by_id[node_id]
            shared = None if isinstance(node, Host | Storage) else options_of(node).network_node
            if shared is None or shared in seen or self._forms.get(shared) is not Form.CONTAINER:
                return node_id
            seen.add(shared)
            node_id = shared

    def followers(self, node: Running) -> list[Running]:
        """The other containers that are in the network of this one, by id."""
        return [one for one in self._followers.get(node.id, ()) if one.id != node.id]

    def mode(self, node_id: str) -> str:
        """`bridge`, `host` or `none` for a container, also for one that shares another's network."""
        found = self._modes.get(node_id)
        if found is None:
            found = self._modes[node_id] = self._found_mode(node_id)
        return found

    def _found_mode(self, node_id: str) -> str:
        node = self._graph.by_id[self.leader(node_id)]
        assert not isinstance(node, Host | Storage), "a leader is a container"
        mode = options_of(node).network
        return mode if mode in {"bridge", "host", "none"} else "none"

    def is_bridged(self, node_id: str) -> bool:
        """Whether a node is a container with addresses of its own."""
        return self._forms.get(node_id) is Form.CONTAINER and self.mode(node_id) == "bridge"

    def is_in_host(self, node_id: str) -> bool:
        """Whether a node is a container that listens on the host's own addresses."""
        return self._forms.get(node_id) is Form.CONTAINER and self.mode(node_id) == "host"

    def first_of(self, node_id: str) -> ContainerNetwork:
        """The network through which a bridged container reaches its host."""
        found = self._firsts.get(node_id)
        if found is None:
            found = self._firsts[node_id] = self._found_first(node_id)
        return found

    def _found_first(self, node_id: str) -> ContainerNetwork:
        leader = self._graph.by_id[self.leader(node_id)]
        host = self._graph.host_of(leader.id)
        assert host is not None, "a container stands on a host"
        assert not isinstance(leader, Host | Storage), "a leader is a container"
        uses = self._uses(leader)
        return self._networks[host][uses[0].name] if uses else self._default

    def has_room(self, node: Running, containers_count: int) -> bool:
        """Whether so many more containers of a node find a network and an address each."""
        host = self._graph.host_of(node.id)
        assert host is not None, "a container stands on a host"
        for use in self._uses(node):
            network = self._networks[host].get(use.name)
            if network is None:
                return False
            taken = self._taken.get((host, use.name), ())
            if len(taken) + containers_count > network.subnet.num_addresses - RESERVED_COUNT:
                return False
        return True

    def attach(self, node: Running, name: str) -> tuple[Attachment, ...]:
        """Places for one more container of a node, each at a free address; none if it has no own network."""
        host = self._graph.host_of(node.id)
        assert host is not None, "a container stands on a host"
        return tuple(
            Attachment(
                network=self._networks[host][use.name],
                address=self._free_address(host, use.name, name),
                aliases=use.aliases,
            )
            for use in self._uses(node)
        )

    def _containers(self, host_id: str) -> list[Running]:
        return [
            node
            for node in self._graph.nodes_on(host_id)
            if self._forms.get(node.id) is Form.CONTAINER and not isinstance(node, Host | Storage)
        ]

    def _uses(self, node: Running) -> tuple[NetworkUse, ...]:
        """The networks a container is in, the one it reaches its host by first: one that leads outside."""
        options = options_of(node)
        if options.network != "bridge":
            return ()
        uses = options.networks or (NetworkUse(name=DEFAULT_NETWORK),)
        return tuple(sorted(uses, key=lambda use: (use.internal, use.name != DEFAULT_NETWORK, use.name)))

    @cached_property
    def _subnets(self) -> list[ipaddress.IPv4Network]:
        """Subnets for named networks: those that hold no address of the graph."""
        hosts = [ipaddress.ip_address(address) for host in self._graph.hosts for address in host.addresses]
        subnets = [ipaddress.IPv4Network(subnet) for subnet in NAMED_SUBNETS]
        return [subnet for subnet in subnets if not any(address in subnet for address in hosts)]

    def _planned(self, uses: Iterable[NetworkUse]) -> dict[str, ContainerNetwork]:
        internal: dict[str, bool] = {}
        for use in uses:
            internal[use.name] = internal.get(use.name, False) or use.internal
        free = self._subnets if internal.keys() - {DEFAULT_NETWORK} else []
        taken: set[int] = set()
        planned: dict[str, ContainerNetwork] = {}
        for name in sorted(internal):
            if name == DEFAULT_NETWORK:
                planned[name] = self._default
            elif len(taken) < len(free):
                index = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % len(free)
                while index in taken:
                    index = (index + 1) % len(free)
                taken.add(index)
                planned[name] = ContainerNetwork(
                    name=f"{self._graph.name}-net-{name}",
                    bridge=short(f"cb-{name}", BRIDGE_MAX_CHARS),
                    subnet=free[index],
                    internal=internal[name],
                )
        return planned

    def _free_address(self, host: str, network: str, name: str) -> str:
        subnet = self._networks[host][network].subnet
        taken = self._taken.setdefault((host, network), set())
        room = subnet.num_addresses - FIRST_OFFSET - 1
        offset = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % room
        while offset in taken:
            offset = (offset + 1) % room
        taken.add(offset)
        return str(subnet[FIRST_OFFSET + offset])


def default_network(project: str, subnet: ipaddress.IPv4Network) -> ContainerNetwork:
    """The network of all containers that name none."""
    return ContainerNetwork(name=f"{project}-net", bridge=BRIDGE, subnet=subnet)
