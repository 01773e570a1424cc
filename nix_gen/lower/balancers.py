"""Load balancers: `services.nginx`, with upstreams and weights from `load_balances` edges.

Pure. Several balancers of one host share one nginx, each with virtual hosts of its own.
"""

from __future__ import annotations

import re

from nix_gen.edges import LoadBalances
from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges import listening
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, address_for
from nix_gen.lower.site import Site
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Host, LoadBalancer, VirtualHost
from nix_gen.scalars import Protocol

SAFE_NAME = re.compile(r"_|(\*\.)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?(\.\*)?")
"""Server names that are no other directive of nginx's; regular expressions are not among them."""
DEFAULT_NAME = "_"
_OPTION = ("services", "nginx")
_TLS_PORT = 443


def lower_balancers(site: Site, draft: Draft, host: Host) -> None:
    """Write the nginx of a host."""
    nodes = site.of_form(host.id, Form.NGINX)
    for node in nodes:
        assert isinstance(node, LoadBalancer)
        draft.say(_OPTION, node_comment(node))
        draft.put((*_OPTION, "enable"), plain=True)
        for name in ("recommendedGzipSettings", "recommendedOptimisation", "recommendedProxySettings"):
            draft.put((*_OPTION, name), plain=True)
        if node.settings:
            lines = [f"{name} {_quoted(node.settings[name])};" for name in sorted(node.settings)]
            draft.write((*_OPTION, "appendHttpConfig"), [f"# {node.id}", *lines])
        _virtual_hosts(site, draft, node, alone=len(nodes) == 1)
        start_after(site, draft, node, ("systemd", "services", "nginx"))


def _quoted(given: bool | int | str) -> str:  # noqa: FBT001  # a setting may be a truth value
    if isinstance(given, bool):
        return "on" if given else "off"
    escaped = str(given).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _virtual_hosts(site: Site, draft: Draft, node: LoadBalancer, *, alone: bool) -> None:
    edges = [edge for edge in site.graph.edges_from(node.id) if isinstance(edge, LoadBalances)]
    hosts = node.virtual_hosts or (VirtualHost(name=DEFAULT_NAME),)
    _check(site, node, hosts, edges)
    groups: dict[tuple[LoadBalances, ...], str] = {}
    for virtual in hosts:
        if not all(SAFE_NAME.fullmatch(name) for name in (virtual.name, *virtual.aliases)):
            continue
        locations: dict[str, Plain] = {}
        mine = [edge for edge in edges if edge.virtual_host in {None, virtual.name}]
        for path in sorted({edge.path for edge in mine}) or ["/"]:
            group = tuple(edge for edge in mine if edge.path == path)
            servers = _servers(site, node, group)
            if servers and group not in groups:
                groups[group] = node.id if not groups else f"{node.id}-{len(groups) + 1}"
                comments = [f"{edge.id}." for edge in group]
                draft.put((*_OPTION, "upstreams", groups[group]), {"servers": servers}, *comments)
            locations[path] = _location(group, groups.get(group) if servers else None)
        key = virtual.name if alone else f"{node.id} {virtual.name}"
        options = _options(node, virtual, explicit_name=not alone)
        draft.put((*_OPTION, "virtualHosts", key), {**options, "locations": locations})


def _check(site: Site, node: LoadBalancer, hosts: tuple[VirtualHost, ...], edges: list[LoadBalances]) -> None:
    for virtual in hosts:
        for name in (virtual.name, *virtual.aliases):
            if not SAFE_NAME.fullmatch(name):
                site.find(
                    "unsafe-name", node.id, f"the server name {name!r} is none", "write a host name or _"
                )
    known = {virtual.name for virtual in hosts}
    for edge in edges:
        if edge.virtual_host is not None and edge.virtual_host not in known:
            site.find(
                "unknown-virtual-host",
                edge.id,
                f"names the virtual host {edge.virtual_host!r}, which {node.id} does not have",
                f"name one of {', '.join(sorted(known))}, or leave it out",
            )
    ports = {*node.listen, *(port for virtual in hosts for port in virtual.listen)}
    if _TLS_PORT in ports:
        site.warn(
            "tls-without-certificate",
            node.id,
            f"listens on {_TLS_PORT} without TLS, because the graph names no certificate",
            "set enableACME or sslCertificate in a module of your own",
        )


def _options(node: LoadBalancer, virtual: VirtualHost, *, explicit_name: bool) -> dict[str, Plain]:
    ports = virtual.listen or node.listen
    options: dict[str, Plain] = {
        "listen": [{"addr": address, "port": port} for port in ports for address in ("0.0.0.0", "[::]")]  # noqa: S104
    }
    if explicit_name:
        options["serverName"] = virtual.name
    if virtual.name == DEFAULT_NAME:
        options["default"] = True
    if virtual.aliases:
        options["serverAliases"] = list(virtual.aliases)
    return options


def _location(group: tuple[LoadBalances, ...], upstream: str | None) -> Plain:
    if upstream is None:
        return {"return": "503"}
    options: dict[str, Plain] = {"proxyPass": f"http://{upstream}"}
    if any(edge.websockets for edge in group):
        options["proxyWebsockets"] = True
    return options


def _servers(site: Site, node: LoadBalancer, group: tuple[LoadBalances, ...]) -> dict[str, Plain]:
    """Upstream servers by address; a backup is one only while there is something to back up."""
    servers: dict[str, Plain] = {}
    has_first = any(not edge.backup for edge in group)
    for edge in group:
        for address in _endpoints(site, node, edge):
            options: dict[str, Plain] = {}
            if edge.weight != 1:
                options["weight"] = edge.weight
            if edge.backup and has_first:
                options["backup"] = True
            servers.setdefault(address, options)
    return servers


def _endpoints(site: Site, node: LoadBalancer, edge: LoadBalances) -> list[str]:
    target = site.graph.by_id.get(edge.target)
    if target is None or edge.target not in site.forms or target.kind in {"host", "storage"}:
        return []
    found = {route.target.id: route for route in site.routes_from(node.id)}
    route = found[edge.target]
    tcp = [port for port, protocol in listening(route.target) if protocol is Protocol.TCP]
    port = edge.port or (tcp[0] if tcp else None)
    if port is None:
        site.find(
            "no-port",
            edge.id,
            f"{edge.target} listens on no TCP port",
            "give the edge a port, or the target one",
        )
        return []
    if not site.is_local(route):
        address = address_for(site, route)
        addresses = [] if address is None else [address]
    elif site.networks.is_bridged(edge.target):
        addresses = list(site.addresses(edge.target))
    else:
        addresses = [LOOPBACK]
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in addresses]
