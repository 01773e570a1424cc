"""Probes from outside: a blackbox exporter asks a page, a port or a host, and tells how it went.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.edges import Monitors
from nix_gen.ir import Call, Plain, Ref, Str, attrs
from nix_gen.lower.edges.connection import first_tcp
from nix_gen.lower.monitoring.words import socket_address
from nix_gen.lower.reach import address_for, host_address
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, Host, LoadBalancer, Monitoring, Running, Service

PAGES = (Service, Agent, LoadBalancer, Monitoring)
"""Kinds of node that answer HTTP; of others the port is tried."""
DEFAULT_PATH = "/metrics"
"""What the path of a `monitors` edge is unless it says otherwise; a probe then asks for `/`."""
_TLS_PORT = 443
_IP4 = {"preferred_ip_protocol": "ip4"}
MODULES: dict[str, Plain] = {
    "http_2xx": {"prober": "http", "timeout": "5s", "http": _IP4},
    "icmp": {"prober": "icmp", "timeout": "5s", "icmp": _IP4},
    "tcp_connect": {"prober": "tcp", "timeout": "5s", "tcp": _IP4},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a blackbox exporter is asked to try."""

    edge: Monitors
    module: str
    goal: str
    """An URL, an address with port, or an address."""
    hostname: str | None = None
    """The name to ask for, where the goal is an address that answers for several."""

    @property
    def uses_tls(self) -> bool:
        """Whether the probe sees a certificate."""
        return self.goal.startswith("https:")


def blackbox_options() -> dict[str, Plain]:
    """Options of the exporter beyond those of all exporters."""
    text = Call(Ref(("builtins", "toJSON")), (attrs({"modules": MODULES}),))
    return {"configFile": Call(Ref(("pkgs", "writeText")), (Str("blackbox.yml"), text))}


def probes_of(site: Site, exporter: Monitoring) -> list[Probe]:
    """The probes the edges of a blackbox exporter ask for."""
    edges = site.graph.kind_from(exporter.id, Monitors)
    probes = [_probe(site, edge) for edge in edges if edge.target in site.graph.by_id]
    return [probe for probe in probes if probe is not None]


def _probe(site: Site, edge: Monitors) -> Probe | None:
    target = site.graph.by_id[edge.target]
    if isinstance(target, Host):
        address = host_address(site, target.id, target.id, edge.source) if target.addresses else None
        return None if address is None else Probe(edge=edge, module="icmp", goal=address)
    ports = first_tcp(target)
    port = edge.port or (ports[0][0] if ports else None)
    address = _address(site, edge)
    if port is None or address is None:
        return None
    goal = socket_address(address, port)
    if not isinstance(target, PAGES):
        return Probe(edge=edge, module="tcp_connect", goal=goal)
    path = "/" if edge.path == DEFAULT_PATH else edge.path
    scheme = "https" if port == _TLS_PORT else "http"
    return Probe(edge=edge, module="http_2xx", goal=f"{scheme}://{goal}{path}", hostname=_hostname(target))


def _hostname(target: Running) -> str | None:
    """The first name a balancer answers for that is one."""
    names = [host.name for host in target.virtual_hosts] if isinstance(target, LoadBalancer) else []
    return next((name for name in names if name != "_" and "*" not in name), None)


def _address(site: Site, edge: Monitors) -> str | None:
    route = next((route for route in site.routes_from(edge.source) if route.target.id == edge.target), None)
    return None if route is None else address_for(site, route)
