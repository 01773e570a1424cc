"""Load balancers.

Pure data.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import (
    ITEMS_MAX_COUNT,
    Address,
    Count,
    Milliseconds,
    Name,
    Part,
    Port,
    SecretName,
    Settings,
    in_one_order,
)

HTTP_PORT = 80
TLS_PORT = 443
INTERFACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"
"""Names of network interfaces; the kernel allows 15 characters."""

_Ports = Annotated[
    tuple[Port, ...], Field(max_length=16), AfterValidator(lambda ports: tuple(sorted(set(ports))))
]


class BalancerEngine(StrEnum):
    """Load balancer engines."""

    NGINX = "nginx"
    HAPROXY = "haproxy"


class BalancerMode(StrEnum):
    """What a load balancer understands of the traffic."""

    HTTP = "http"
    """Requests: names, paths, TLS."""
    TCP = "tcp"
    """Connections, passed on as they are: databases, message buses, TLS that ends elsewhere."""


class Algorithm(StrEnum):
    """How a load balancer chooses among its targets, weights considered."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONNECTIONS = "least_connections"
    IP_HASH = "ip_hash"
    """By the client's address, so that a client stays with its target."""


class Tls(Part):
    """How a virtual host is served encrypted: a certificate from an ACME authority, or one of your own."""

    acme: bool = False
    """Let the host ask an ACME authority (Let's Encrypt) for the certificate; that accepts its terms."""
    email: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$", max_length=254)]
        | None
    ) = None
    """Contact the authority writes to before a certificate ends; for `acme` only."""
    certificate: SecretName | None = None
    """Secret that holds the certificate with its chain, PEM."""
    key: SecretName | None = None
    """Secret that holds the private key, PEM."""
    port: Port = TLS_PORT
    redirect: bool = True
    """Send clients of the plain ports to the encrypted one."""
    hsts: bool = False
    """Tell browsers to come encrypted only, for a year (`Strict-Transport-Security`)."""

    @model_validator(mode="after")
    def _one_source(self) -> Tls:
        if self.acme == (self.certificate is not None or self.key is not None):
            raise ValueError("give either acme or certificate and key")
        if self.acme != (self.email is not None):
            raise ValueError("acme needs an email, and nothing else has one")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if self.redirect and self.port != TLS_PORT:
            raise ValueError("a redirect leads to port 443: set redirect to false, or leave the port out")
        return self


class VirtualHost(Part):
    """A name a load balancer answers for, on behalf of the `load_balances` edges that name it or none."""

    name: Name
    """Server name; `_` answers for every name."""
    aliases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda a: tuple(sorted(set(a))))
    ] = ()
    listen: _Ports = ()
    """Ports of this virtual host. Empty: the `listen` ports of the balancer."""
    tls: Tls | None = None
    """None: served as it is."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)


class VirtualIp(Part):
    """An address that balancers of several hosts share (VRRP): the living one of highest priority has it."""

    address: Address
    prefix_length: Annotated[int, Field(strict=True, ge=1, le=128)] | None = None
    """None: the address alone, 32 or 128."""
    interface: Annotated[str, StringConstraints(pattern=INTERFACE_PATTERN)]
    """Network interface of the host that carries it."""
    router_id: Annotated[int, Field(strict=True, ge=1, le=255)]
    """One per address in a network; equal on every balancer that shares the address."""
    priority: Annotated[int, Field(strict=True, ge=1, le=254)] = 100
    """The living balancer of the highest priority has the address."""

    @model_validator(mode="after")
    def _fits(self) -> VirtualIp:
        if (self.prefix_length or 0) > ipaddress.ip_address(self.address).max_prefixlen:
            raise ValueError("the prefix is longer than the address")
        return self

    @property
    def with_prefix(self) -> str:
        """The address as it is put on the interface."""
        return f"{self.address}/{self.prefix_length or ipaddress.ip_address(self.address).max_prefixlen}"


class LoadBalancer(RunningBase):
    """A proxy; what it stands before, and in which proportion, is said by its `load_balances` edges."""

    kind: Literal["load_balancer"] = "load_balancer"
    engine: BalancerEngine = BalancerEngine.NGINX
    version: Name | None = None
    mode: BalancerMode = BalancerMode.HTTP
    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    listen: _Ports = (HTTP_PORT,)
    virtual_hosts: Annotated[
        tuple[VirtualHost, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """Empty: one virtual host `_` on the `listen` ports. None in tcp mode."""
    max_fails: Count | None = None
    """Failures after which a target gets nothing for a while: of requests within `fail_timeout_ms` (nginx),
    of checks in a row (haproxy). None: 1 for nginx, 3 for haproxy. 0: never (nginx)."""
    fail_timeout_ms: Annotated[Milliseconds, Field(ge=1)] | None = None
    """For how long (nginx: 10 s unless said), or how often a target is checked (haproxy: 2 s)."""
    check_path: Annotated[str, Field(pattern=r"^/[^\s\x00-\x1f\x7f;{}\"'\\$]*$", max_length=1024)] | None = (
        None
    )
    """Path at which a healthy target answers with 2xx or 3xx (haproxy). None: that it takes connections."""
    connect_timeout_ms: Annotated[Milliseconds, Field(ge=1)] | None = None
    """How long a target may take to accept a connection. None: 60 s in nginx, 5 s in haproxy."""
    idle_timeout_ms: Annotated[Milliseconds, Field(ge=1)] | None = None
    """How long a connection may be silent. None: 60 s for requests, an hour in tcp mode."""
    virtual_ip: VirtualIp | None = None
    """An address shared with the balancers of other hosts that name the same."""
    settings: Settings = Field(default_factory=dict)
    """Directives under the engine's own names, each with its arguments: `{"client_max_body_size": "10m"}`."""

    @property
    def hosts(self) -> tuple[VirtualHost, ...]:
        """The virtual hosts it has, the implied one included."""
        return self.virtual_hosts or (VirtualHost(name="_"),)

    @property
    def tls_ports(self) -> tuple[int, ...]:
        """Ports on which it speaks TLS; whoever listens there has a certificate."""
        return tuple(sorted({host.tls.port for host in self.virtual_hosts if host.tls is not None}))

    def plain_ports(self, host: VirtualHost) -> tuple[int, ...]:
        """Ports on which a virtual host is served as it is; an ACME authority asks at 80."""
        ports = {port for port in host.listen or self.listen if port not in self.tls_ports}
        if host.tls is not None and host.tls.acme and HTTP_PORT not in self.tls_ports:
            ports.add(HTTP_PORT)
        return tuple(sorted(ports))

    @property
    def listened(self) -> tuple[int, ...]:
        """Every port it listens on, sorted."""
        plain = {port for host in self.hosts for port in self.plain_ports(host)}
        return tuple(sorted(plain | set(self.tls_ports)))
