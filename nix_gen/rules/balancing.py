"""What a load balancer can do, given its engine and mode. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nix_gen.codes import finding
from nix_gen.edges import LoadBalances
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Algorithm, BalancerEngine, BalancerMode, LoadBalancer, VirtualHost
from nix_gen.virtual_ips import sharers


def balancer_findings(graph: Graph, node: LoadBalancer, edges: Iterable[LoadBalances]) -> Iterator[Finding]:
    """What one load balancer is asked for and cannot do, or two that share an address."""
    if node.mode is BalancerMode.TCP:
        yield from _tcp(node, edges)
    else:
        yield from _http(graph, node, edges)
    if node.algorithm is Algorithm.IP_HASH and node.engine is BalancerEngine.NGINX:
        for edge in edges:
            if edge.backup:
                message = f"{node.id} chooses by ip_hash, and nginx keeps no backup then"
                yield finding("backup-with-hash", edge.id, message, "use haproxy, or another algorithm")
    for host in node.virtual_hosts:
        yield from _tls(node, host)
    yield from _virtual_ip(graph, node)


def _virtual_ip(graph: Graph, node: LoadBalancer) -> Iterator[Finding]:
    virtual = node.virtual_ip
    if virtual is None:
        return
    others = sharers(graph, node)
    if not others:
        message = f"no other balancer shares {virtual.address}, so nobody takes it over"
        yield finding("virtual-ip-alone", node.id, message, "name it on a balancer of another host")
    for other in others:
        assert other.virtual_ip is not None
        if other.id < node.id:
            continue
        if graph.host_of(other.id) == graph.host_of(node.id):
            message = f"shares {virtual.address} with {other.id} of the same host"
            yield finding("virtual-ip-clash", node.id, message, "place them on different hosts")
        elif other.virtual_ip.router_id != virtual.router_id:
            message = f"shares {virtual.address} with {other.id}, under another router_id"
            yield finding("virtual-ip-clash", node.id, message, "give both the same router_id")
        elif other.virtual_ip.priority == virtual.priority:
            message = f"shares {virtual.address} with {other.id}, and both have priority {virtual.priority}"
            yield finding("virtual-ip-clash", node.id, message, "give them different priorities")


def _tcp(node: LoadBalancer, edges: Iterable[LoadBalances]) -> Iterator[Finding]:
    if node.virtual_hosts:
        message = "in tcp mode it sees no names, so it cannot have virtual hosts"
        yield finding("balancer-mode", node.id, message, "remove them and set `listen`, or use the http mode")
    for edge in edges:
        if edge.virtual_host is not None or edge.path != "/" or edge.websockets:
            message = f"{node.id} is in tcp mode and sees no virtual hosts, paths or websockets"
            yield finding("balancer-mode", edge.id, message, "remove them, or use the http mode")
        if edge.listen is not None and edge.listen not in node.listen:
            message = f"{node.id} does not listen on {edge.listen}"
            yield finding("unknown-listen-port", edge.id, message, "name one of its `listen` ports")


def _http(graph: Graph, node: LoadBalancer, edges: Iterable[LoadBalances]) -> Iterator[Finding]:
    for edge in edges:
        target = graph.by_id.get(edge.target)
        if target is not None and target.kind in {"database", "message_bus"}:
            message = f"{node.id} is in http mode, and {edge.target} speaks no http"
            yield finding("balancer-mode", edge.id, message, "set `mode` of the balancer to tcp")
        if edge.listen is not None:
            message = f"{node.id} is in http mode, where virtual hosts and paths decide"
            yield finding("balancer-mode", edge.id, message, "remove `listen`, or use the tcp mode")


def _tls(node: LoadBalancer, host: VirtualHost) -> Iterator[Finding]:
    tls = host.tls
    if tls is None:
        return
    if tls.acme and node.engine is BalancerEngine.HAPROXY:
        message = f"haproxy cannot answer an ACME authority for {host.name}"
        mend = "use nginx, or name certificate and key"
        yield finding("tls-not-possible", node.id, message, mend)
    elif tls.acme:
        for name in host.names:
            if name == "_" or "*" in name or "." not in name:
                message = f"an ACME authority gives no certificate for {name}"
                yield finding("tls-not-possible", node.id, message, "write a full host name")
    if node.engine is BalancerEngine.HAPROXY and tls.certificate and tls.key != f"{tls.certificate}.key":
        message = f"haproxy looks for the key of {tls.certificate} under the name {tls.certificate}.key"
        yield finding("tls-not-possible", node.id, message, f"name the secret {tls.certificate}.key")
