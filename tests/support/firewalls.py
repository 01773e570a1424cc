"""The firewalls of generated hosts, as the kernel holds them, beside what the edges of the graph say.

Two views of every connection from an address to a host: where the rules let it arrive, and where the oracle
says it should.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nix_gen.graph import Graph
from nix_gen.nodes import Host
from nix_gen.scalars import Protocol
from tests.support.firewall_oracle import ANYBODY, Way, ways
from tests.support.native_checks import run_native
from tests.support.nft_rules import Packet, Ruleset
from tests.support.nixos_rendering import Config, nftables_ruleset
from tests.support.nixos_rendering.configs import option

STRANGERS = ("203.0.113.9", "2001:db8::9")
"""Addresses outside every graph."""
_RANDOM_PORTS_COUNT = 6
_ADDRESS = re.compile(r"\bip=([0-9.]+)")
_NETWORK = re.compile(r"--interface-name=(\S+)\s+(?:\\\s+)?--subnet=(\S+) --gateway=(\S+)")
"""How a generated host makes a network of podman's: bridge, subnet, gateway."""
_LIST_ALL = (
    'for file in "$@"; do "$NFT" flush ruleset && "$NFT" --file "$file" && "$NFT" --json list ruleset || '
    "exit 1; done"
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A graph whose nodes are placed, and the options of its hosts by id."""

    graph: Graph
    configs: Mapping[str, Config]
    rulesets: Mapping[str, Ruleset] = field(default_factory=dict)

    @cached_property
    def ways(self) -> set[Way]:
        """What the oracle allows."""
        return ways(self.graph)

    @cached_property
    def containers(self) -> dict[str, list[str]]:
        """First address of every copy of every container that has one, by node."""
        found: dict[str, list[str]] = {}
        for config in self.configs.values():
            for name, container in sorted(_containers(config).items()):
                words = [*container.get("extraOptions", ()), *container.get("networks", ())]
                addresses = [address for word in words for address in _ADDRESS.findall(word)]
                node = name.removeprefix(f"{self.graph.name}-").partition(".")[0]
                found.setdefault(node, []).extend(addresses[:1])
        return found

    def host(self, name: str) -> Host:
        """A host by id."""
        return next(host for host in self.graph.hosts if host.id == name)

    def ports(self, generator: random.Random) -> list[tuple[int, Protocol]]:
        """Every port that means something, its neighbours, and some at random."""
        tcp = {22, 53, 80, 443}
        for way in self.ways:
            tcp |= {way.port, way.arrives_at or way.port, way.port + 1}
        tcp |= {generator.randrange(1, 65_536) for _ in range(_RANDOM_PORTS_COUNT)}
        udp = {53, 514, *(way.port for way in self.ways if way.protocol is Protocol.UDP)}
        return [(port, Protocol.TCP) for port in sorted(tcp)] + [(port, Protocol.UDP) for port in sorted(udp)]

    def packets(self, host: str, ports: Sequence[tuple[int, Protocol]]) -> Iterator[Packet]:
        """First packets to a host: from the other hosts, from strangers, from its own containers."""
        own = self.host(host).addresses
        others = [address for one in self.graph.hosts if one.id != host for address in one.addresses]
        here = [node for node, addresses in self.containers.items() if self.graph.host_of(node) == host]
        behind = [address for node in here for address in self.containers[node]]
        routes = [(source, goal, "eth0") for source in (*others, *STRANGERS) for goal in (*own, *behind)]
        for bridge, subnet, gateway in _networks(self.configs[host]):
            routes += [
                (source, gateway, bridge) for source in behind if ipaddress.ip_address(source) in subnet
            ]
        for source, goal, interface in routes:
            if (":" in source) == (":" in goal):
                for port, protocol in ports:
                    yield Packet(
                        source=source, destination=goal, protocol=protocol, port=port, interface=interface
                    )

    def allowed(self, host: str, packet: Packet) -> list[tuple[str, int]]:
        """Where the rules let a connection arrive: ours first, then podman's redirections."""
        ruleset = self.rulesets[host]
        reached = ruleset.reached(packet)
        is_redirected = reached and reached != [(packet.destination, packet.port)]
        podman = [] if is_redirected else list(self._podman(host, packet))
        return sorted(podman or reached)

    def _podman(self, host: str, packet: Packet) -> Iterator[tuple[str, int]]:
        if packet.interface != "eth0" or packet.destination not in self.host(host).addresses:
            return
        for name, container in _containers(self.configs[host]).items():
            node = name.removeprefix(f"{self.graph.name}-").partition(".")[0]
            for binding in container.get("ports", ()):
                words, _, protocol = binding.partition("/")
                *address, published, inside = words.rsplit(":", 2)
                at_address = not address or address[0] in {packet.destination, "0.0.0.0"}
                is_asked = (int(published), protocol or "tcp") == (packet.port, packet.protocol)
                # Podman's networks carry IPv4 alone.
                if at_address and is_asked and ":" not in packet.destination:
                    yield self.containers[node][0], int(inside)

    def expected(self, host: str, packet: Packet) -> list[tuple[str, int]]:
        """Where the edges say that a connection arrives."""
        found: set[tuple[str, int]] = set()
        for way in self.ways:
            if self.graph.host_of(way.target) != host:
                continue
            if (way.port, way.protocol) == (packet.port, packet.protocol) and self._opens(way, packet):
                found |= self._arrivals(way, packet)
        if packet.interface != "eth0" and packet.port == 53:
            found.add((packet.destination, 53))
        return sorted(found)

    def _opens(self, way: Way, packet: Packet) -> bool:
        """Whether a way is for the source of a packet."""
        if way.source == ANYBODY:
            return True
        place = self.graph.host_of(way.source)
        if place is None:
            return ipaddress.ip_address(packet.source) in ipaddress.ip_network(way.source)
        if place == self.graph.host_of(way.target):
            return packet.source in self.containers.get(way.source, ())
        return packet.source in self.host(place).addresses

    def _arrivals(self, way: Way, packet: Packet) -> set[tuple[str, int]]:
        port, host = way.arrives_at or way.port, self.host(self.graph.host_of(way.target) or "")
        copies = [] if way.beside else self.containers.get(way.target)
        if not copies and way.target in self.containers and not way.beside:
            return set()
        if not copies:
            gateways = {gateway for _, _, gateway in _networks(self.configs[host.id])}
            is_there = packet.destination in {*host.addresses, *gateways}
            return (
                {(packet.destination, port)}
                if is_there and way.address in {None, packet.destination}
                else set()
            )
        # A container is led to, and that under the host's first address only, unless it is published.
        first = next((address for address in host.addresses if ":" not in address), None)
        if packet.interface != "eth0" or ":" in packet.destination:
            return set()
        if way.source == ANYBODY:
            at_address = way.address in {None, packet.destination} and packet.destination in host.addresses
            return {(copies[0], port)} if at_address else set()
        return {(copy, port) for copy in copies} if packet.destination == first else set()


def _networks(config: Config) -> list[tuple[str, ipaddress.IPv4Network, str]]:
    """Bridge, subnet and gateway of every network of podman's."""
    services: dict[str, Config] = option(config, "systemd", "services", default={})
    made = [match for unit in services.values() for match in _NETWORK.findall(unit.get("script") or "")]
    return [(bridge, ipaddress.IPv4Network(subnet), gateway) for bridge, subnet, gateway in made]


def _containers(config: Config) -> dict[str, Config]:
    found: dict[str, Config] = option(config, "virtualisation", "oci-containers", "containers", default={})
    return found


def in_the_kernel(in_namespace: Sequence[str], nft: str, sites: Sequence[Site], folder: Path) -> list[Site]:
    """The sites with their rulesets as the kernel reads them back: one namespace, one after another."""
    files: list[Path] = []
    places: list[tuple[int, str]] = []
    for index, site in enumerate(sites):
        for host, config in sorted(site.configs.items()):
            text = nftables_ruleset(config)
            assert text is not None, "every generated host has a firewall"
            files.append(folder / f"{index}-{host}.nft")
            files[-1].write_text(text)
            places.append((index, host))
    command: list[str | Path] = [
        *in_namespace,
        "/usr/bin/env",
        f"NFT={nft}",
        "/bin/sh",
        "-c",
        _LIST_ALL,
        "sh",
        *files,
    ]
    said = [json.loads(line)["nftables"] for line in run_native(command).splitlines()]
    held: dict[int, dict[str, Ruleset]] = {}
    for (index, host), items in zip(places, said, strict=True):
        own = {*sites[index].host(host).addresses, *_bridge_addresses(sites[index], host)}
        held.setdefault(index, {})[host] = Ruleset(items=items, addresses=frozenset(own))
    return [
        Site(graph=site.graph, configs=site.configs, rulesets=held[index]) for index, site in enumerate(sites)
    ]


def _bridge_addresses(site: Site, host: str) -> set[str]:
    return {gateway for _, _, gateway in _networks(site.configs[host])}


def podman_table(site: Site, host: str) -> str:
    """What podman adds for published ports, as netavark does it: a redirection past the input chain."""
    rules = []
    for name, container in sorted(_containers(site.configs[host]).items()):
        node = name.removeprefix(f"{site.graph.name}-").partition(".")[0]
        for binding in container.get("ports", ()):
            words, _, protocol = binding.partition("/")
            *address, published, inside = words.rsplit(":", 2)
            where = f"ip daddr {address[0]}" if address else "fib daddr type local"
            goal = f"{site.containers[node][0]}:{inside}"
            rules.append(f"{where} {protocol or 'tcp'} dport {published} dnat to {goal}")
    lines = ["type nat hook prerouting priority dstnat;", *rules]
    return "table ip podman {\nchain prerouting {\n" + "\n".join(lines) + "\n}\n}\n"


def laboratory(site: Site, programs: Mapping[str, str], ports: Sequence[tuple[int, Protocol]]) -> Config:
    """A site as `packet_lab` builds it, and one probe for each packet of interest."""
    machines: dict[str, Config] = {}
    homes: dict[str, str] = {}
    for host, config in site.configs.items():
        behind = [
            one for node, many in site.containers.items() for one in many if site.graph.host_of(node) == host
        ]
        bridge, gateway = next(((bridge, gateway) for bridge, _, gateway in _networks(config)), ("", ""))
        # Refused rather than dropped, so that nobody has to wait for what will never come.
        firewall = {**config["networking"]["firewall"], "rejectPackets": True}
        refusing = {**config, "networking": {**config["networking"], "firewall": firewall}}
        ruleset = nftables_ruleset(refusing)
        assert ruleset is not None
        machines[host] = {
            "addresses": list(site.host(host).addresses), "ruleset": ruleset + podman_table(site, host),
            "bridge": bridge, "gateway": gateway, "containers": behind, "routes": {},
        }  # fmt: skip
        homes |= dict.fromkeys(site.host(host).addresses, host) | dict.fromkeys(
            behind, f"containers of {host}"
        )
    machines["stranger"] = {"addresses": list(STRANGERS), "routes": {}}
    homes |= dict.fromkeys(STRANGERS, "stranger")
    for host, machine in machines.items():
        others = [(name, one) for name, one in machines.items() if name not in {host, "stranger"}]
        machine["routes"] = {
            container: one["addresses"][0] for _, one in others for container in one["containers"]
        }
    probes = [
        [homes[packet.source], packet.source, packet.destination, packet.protocol, packet.port]
        for host in site.configs
        for packet in site.packets(host, ports)
    ]
    return {
        **programs, "machines": machines, "probes": probes,
        "ports": [[port, protocol.value] for port, protocol in ports],
    }  # fmt: skip
