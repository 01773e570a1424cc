"""Load balancers: what each stands before, group by group, for whichever program does it.

Pure. Several balancers of one engine on a host share one program: `services.nginx` or `services.haproxy`.
A group is the targets of one virtual host and path (or, in tcp mode, of one port); equal groups are one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nix_gen.edges import LoadBalances, Monitors
from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges.connection import client_port, first_tcp
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, address_for
from nix_gen.lower.site import Route, Site
from nix_gen.nodes import (
    BalancerMode,
    Database,
    Host,
    LoadBalancer,
    MessageBus,
    Node,
    Resources,
    VirtualHost,
)
from nix_gen.nodes.balancers import TLS_PORT
from nix_gen.scalars import Protocol

SAFE_NAME = re.compile(r"_|(\*\.)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?(\.\*)?")
"""Server names that are no other word of the engine's; regular expressions are not among them."""
DEFAULT_NAME = "_"
IDLE_TIMEOUT_MS = 60_000
TCP_IDLE_TIMEOUT_MS = 3_600_000
"""Databases keep connections open between requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One address a balancer sends to."""

    name: str
    """The node, with the number of its copy where it has several."""
    address: str
    """`10.0.0.2:8000` or `[fd00::2]:8000`."""
    weight: int
    backup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Targets that share requests or connections."""

    name: str
    edges: tuple[LoadBalances, ...]
    servers: tuple[Server, ...]

    @property
    def comments(self) -> list[str]:
        """The edges it comes from, one line each."""
        return [f"{edge.id}." for edge in self.edges]


class Groups:
    """The groups of one balancer, named in the order in which they are asked for."""

    def __init__(self, site: Site, node: LoadBalancer) -> None:
        self._site = site
        self._node = node
        self._found: dict[tuple[LoadBalances, ...], Group] = {}
        self._routes = {route.target.id: route for route in site.routes_from(node.id)}
        self.edges = tuple(site.graph.kind_from(node.id, LoadBalances))

    @property
    def found(self) -> tuple[Group, ...]:
        """The groups asked for so far."""
        return tuple(self._found.values())

    def of_paths(self, virtual: VirtualHost) -> dict[str, Group]:
        """The groups of a virtual host by path; `/` is always among them."""
        mine = [edge for edge in self.edges if edge.virtual_host in {None, *virtual.names}]
        paths = sorted({edge.path for edge in mine}) or ["/"]
        return {path: self._group(tuple(edge for edge in mine if edge.path == path)) for path in paths}

    def of_port(self, port: int) -> Group:
        """The group of a port in tcp mode."""
        return self._group(tuple(edge for edge in self.edges if edge.listen in {None, port}))

    def _group(self, edges: tuple[LoadBalances, ...]) -> Group:
        if edges not in self._found:
            # A dot is in no id, so that no other balancer's group has this name.
            name = f"{self._node.id}.{len(self._found) + 1}" if self._found else self._node.id
            servers = _servers(self._site, self._routes, edges)
            self._found[edges] = Group(name=name, edges=edges, servers=servers)
        return self._found[edges]


def balancers_of(site: Site, host: Host, form: Form) -> list[LoadBalancer]:
    """The balancers of a host that are one program, by id, when what they say can be written."""
    nodes = []
    for node in site.of_form(host.id, form):
        assert isinstance(node, LoadBalancer)
        _check(site, node)
        nodes.append(node)
    return nodes


def _check(site: Site, node: LoadBalancer) -> None:
    known = {name for virtual in node.hosts for name in virtual.names}
    for name in sorted(known):
        if not SAFE_NAME.fullmatch(name):
            mend = "write a host name or _"
            site.find("unsafe-name", node.id, f"the server name {name!r} is none", mend)
    for edge in site.graph.edges_from(node.id):
        named = edge.virtual_host if isinstance(edge, LoadBalances) else None
        if named is not None and named not in known:
            site.find(
                "unknown-virtual-host",
                edge.id,
                f"names the virtual host {named!r}, which {node.id} does not have",
                f"name one of {', '.join(sorted(known))}, or leave it out",
            )
    if node.mode is BalancerMode.HTTP and TLS_PORT in node.listened and TLS_PORT not in node.tls_ports:
        site.warn(
            "tls-without-certificate",
            node.id,
            f"listens on {TLS_PORT} without TLS, because no virtual host has `tls`",
            "give the virtual host `tls`, with acme or a certificate",
        )


def has_safe_names(virtual: VirtualHost) -> bool:
    """Whether the names of a virtual host can be written; a finding tells where not."""
    return all(SAFE_NAME.fullmatch(name) for name in virtual.names)


def is_monitored(site: Site, node: LoadBalancer) -> bool:
    """Whether a monitoring node watches it."""
    return bool(site.graph.kind_to(node.id, Monitors))


def lower_unit(site: Site, draft: Draft, nodes: list[LoadBalancer], unit: str) -> None:
    """Start order and limits of the unit that several balancers share: the limits are added up."""
    path = ("systemd", "services", unit)
    for node in nodes:
        start_after(site, draft, node, path)
    limits = _sum([node.resources for node in nodes])
    if limits:
        draft.put((*path, "serviceConfig"), limits)


def _sum(all_resources: list[Resources | None]) -> dict[str, Plain]:
    """A limit only where every balancer has one."""
    found: dict[str, Plain] = {}
    for field, name in (
        ("cpu_limit_milli", "CPUQuota"),
        ("memory_limit_bytes", "MemoryMax"),
        ("memory_reservation_bytes", "MemoryLow"),
        ("pids_limit_count", "TasksMax"),
    ):
        given = [getattr(one, field) for one in all_resources if one is not None]
        if len(given) == len(all_resources) and all(given):
            total = sum(given)
            found[name] = f"{max(1, total // 10)}%" if name == "CPUQuota" else total
    return found


def directive(name: str, given: bool | int | str) -> list[str]:  # noqa: FBT001  # a setting may be a truth value
    """A setting as words: its name, then its arguments."""
    if isinstance(given, bool):
        return [name, "on" if given else "off"]
    return [name, *(str(given).split() or [""])]


def balanced_port(target: Node, edge: LoadBalances) -> int | None:
    """The TCP port of a target that a balancer sends to."""
    if edge.port is not None:
        return edge.port
    ports = client_port(target) if isinstance(target, Database | MessageBus) else first_tcp(target)
    return next((port for port, protocol in ports if protocol is Protocol.TCP), None)


def _servers(site: Site, routes: Mapping[str, Route], edges: tuple[LoadBalances, ...]) -> tuple[Server, ...]:
    """Servers by address; a backup is one only while there is something to back up."""
    found: dict[str, Server] = {}
    has_first = any(not edge.backup for edge in edges)
    for edge in edges:
        addresses = _endpoints(site, routes, edge)
        for index, address in enumerate(addresses, start=1):
            name = edge.target if len(addresses) == 1 else f"{edge.target}.{index}"
            server = Server(name=name, address=address, weight=edge.weight, backup=edge.backup and has_first)
            found.setdefault(address, server)
    return tuple(found.values())


def _endpoints(site: Site, routes: Mapping[str, Route], edge: LoadBalances) -> list[str]:
    target = site.graph.by_id.get(edge.target)
    if target is None or edge.target not in site.forms or target.kind in {"host", "storage"}:
        return []
    route = routes[edge.target]
    port = balanced_port(route.target, edge)
    if port is None:
        mend = "give the edge a port, or the target one"
        site.find("no-port", edge.id, f"{edge.target} listens on no TCP port", mend)
        return []
    if not site.is_local(route):
        address = address_for(site, route)
        addresses = [] if address is None else [address]
    elif site.forms[edge.target] is Form.CONTAINER:
        addresses = [copy.address for copy in site.copies(edge.target) if copy.address is not None]
    else:
        addresses = [LOOPBACK]
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in addresses]
