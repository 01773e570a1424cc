"""Load balancers as `services.haproxy`: each with `defaults`, `frontend` and `backend` sections of its own.

Pure. The NixOS module adds its own `global` section with the statistics socket, so none is written here.
Words from the graph are either plain or in strong quotes, within which haproxy expands nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nix_gen.edges import Monitors
from nix_gen.lower.balancers import (
    DEFAULT_NAME,
    IDLE_TIMEOUT_MS,
    TCP_IDLE_TIMEOUT_MS,
    Group,
    Groups,
    Server,
    balancers_of,
    directive,
    has_safe_names,
    is_monitored,
    lower_unit,
)
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Algorithm, BalancerMode, Host, LoadBalancer, VirtualHost

UNIT = "haproxy"
METRICS_PORT = 8405
"""Where haproxy tells Prometheus of itself, under `/metrics`."""
_METRICS = "metrics.prometheus"
"""No id of a node has a dot in it."""
WEIGHT_MAX = 256
"""Of haproxy; greater weights of a group are scaled down together."""
CONNECT_TIMEOUT_MS = 5_000
TUNNEL_TIMEOUT_MS = 3_600_000
"""A websocket may be silent for longer than a request."""
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:@%+=,*~-]+")
_RULES_OF_FRONTENDS = (
    *("acl", "tcp-request", "filter", "capture", "declare", "http-request", "redirect"),
    *("http-response", "http-after-response", "monitor", "monitor-uri", "use_backend"),
)
"""Rules; haproxy refuses them in `defaults` that frontends and backends share. In the order it evaluates."""
_RULES_OF_BACKENDS = ("tcp-response", "stick-table", "stick", "use-server")
_BALANCE = {
    Algorithm.ROUND_ROBIN: "roundrobin",
    Algorithm.LEAST_CONNECTIONS: "leastconn",
    Algorithm.IP_HASH: "source",
}


def lower_haproxy(site: Site, draft: Draft, host: Host) -> None:
    """Write the haproxy of a host."""
    nodes = balancers_of(site, host, Form.HAPROXY)
    if not nodes:
        return
    option = ("services", "haproxy")
    draft.put((*option, "enable"), plain=True)
    sections: list[list[str]] = []
    secrets: set[str] = set()
    for node in nodes:
        draft.say(option, node_comment(node))
        groups = Groups(site, node)
        write = _tcp_frontends if node.mode is BalancerMode.TCP else _frontends
        frontends = write(node, groups)
        backends = [_backend(node, group) for group in groups.found]
        sections += [_defaults(node, groups), *frontends, *backends]
        secrets |= _secrets(node)
    if any(is_monitored(site, node) for node in nodes):
        sections.append(_metrics(is_asked_from_outside=_is_asked_from_outside(site, host, nodes)))
    lines = [line for section in sections for line in (*section, "")]
    draft.write((*option, "config"), lines[:-1])
    credentials = load_credentials(site, f"{UNIT}.service", secrets)
    if credentials:
        draft.put(("systemd", "services", UNIT, "serviceConfig"), credentials)
    lower_unit(site, draft, nodes, UNIT)


def _word(text: str) -> str:
    """A word of the graph's; strong quotes keep everything but a quote of their own kind."""
    if _PLAIN_WORD.fullmatch(text):
        return text
    parts = [f"'{part}'" if part else "" for part in text.split("'")]
    return '"\'"'.join(parts) or "''"


def _timeout(duration_ms: int) -> str:
    return f"{duration_ms // 1000}s" if duration_ms % 1000 == 0 else f"{duration_ms}ms"


def _defaults(node: LoadBalancer, groups: Groups) -> list[str]:
    tcp = node.mode is BalancerMode.TCP
    idle = _timeout(node.idle_timeout_ms or (TCP_IDLE_TIMEOUT_MS if tcp else IDLE_TIMEOUT_MS))
    lines = [
        f"# {node.id}",
        f"defaults {node.id}",
        f"  mode {node.mode}",
        "  log stdout format raw daemon notice",
        f"  timeout connect {_timeout(node.connect_timeout_ms or CONNECT_TIMEOUT_MS)}",
        f"  timeout client {idle}",
        f"  timeout server {idle}",
        "  option redispatch 1",
    ]
    if any(edge.websockets for edge in groups.edges):
        lines.append(f"  timeout tunnel {_timeout(TUNNEL_TIMEOUT_MS)}")
    if not tcp:
        lines.append("  option forwardfor")
    rules = {*_RULES_OF_FRONTENDS, *_RULES_OF_BACKENDS}
    return lines + _settings(node, sorted(node.settings.keys() - rules))


def _settings(node: LoadBalancer, names: Iterable[str]) -> list[str]:
    """The lines of the settings of these names, as far as there are any."""
    lines = []
    for name in names:
        given = node.settings.get(name)
        if isinstance(given, bool):
            lines.append(f"  {name}" if given else f"  no {name}")
        elif given is not None:
            lines.append(f"  {' '.join(map(_word, directive(name, given)))}")
    return lines


def _binds(ports: Iterable[int]) -> list[str]:
    return [f"  bind {address}:{port}" for port in ports for address in ("0.0.0.0", "[::]")]  # noqa: S104


def _tcp_frontends(node: LoadBalancer, groups: Groups) -> list[list[str]]:
    frontends = []
    for port in node.listened:
        name = node.id if len(node.listened) == 1 else f"{node.id}.{port}"
        frontends.append(
            [
                f"frontend {name} from {node.id}",
                *_binds([port]),
                *_settings(node, _RULES_OF_FRONTENDS),
                f"  default_backend {groups.of_port(port).name}",
            ]
        )
    return frontends


def _frontends(node: LoadBalancer, groups: Groups) -> list[list[str]]:
    """One frontend for all ports on which the same virtual hosts are served in the same way."""
    served: dict[tuple[VirtualHost, ...], list[int]] = {}
    for port in node.listened:
        hosts = tuple(host for host in node.hosts if has_safe_names(host) and _serves(node, host, port))
        served.setdefault(hosts, []).append(port)
    frontends = []
    for hosts, ports in served.items():
        name = node.id if len(served) == 1 else f"{node.id}.{ports[0]}"
        frontends.append([f"frontend {name} from {node.id}", *_frontend(node, hosts, ports, groups)])
    return frontends


def _serves(node: LoadBalancer, host: VirtualHost, port: int) -> bool:
    return port in node.plain_ports(host) or (host.tls is not None and host.tls.port == port)


def _frontend(
    node: LoadBalancer, hosts: tuple[VirtualHost, ...], ports: list[int], groups: Groups
) -> list[str]:
    tls = [port for port in ports if port in node.tls_ports]
    lines = _binds(port for port in ports if port not in tls)
    lines += [f"{bind} ssl {_certificates(hosts)} alpn h2,http/1.1" for bind in _binds(tls)]
    lines += _settings(node, _RULES_OF_FRONTENDS[:2])
    lines.append("  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]")
    rules: list[tuple[tuple[int, int], str]] = []
    for index, host in enumerate(hosts, start=1):
        known = f"host{index}"
        condition = "" if host.name == DEFAULT_NAME else known
        if condition:
            lines += _host_rules(known, host)
        if host.tls is not None and host.tls.redirect:
            lines.append(
                f"  http-request redirect scheme https code 301 if !{{ ssl_fc }} {condition}".rstrip()
            )
        if host.tls is not None and host.tls.hsts:
            lines += _hsts(known, host)
        for path, group in groups.of_paths(host).items():
            words = [condition, f"{{ path_beg {_word(path)} }}" if path != "/" else ""]
            test = " ".join(word for word in words if word)
            rule = f"use_backend {group.name} if {test}" if test else f"default_backend {group.name}"
            rules.append((_rank(host, path), f"  {rule}"))
    lines += _settings(node, _RULES_OF_FRONTENDS[2:])
    return lines + [rule for _, rule in sorted(rules, key=lambda one: one[0])]


def _rank(host: VirtualHost, path: str) -> tuple[int, int]:
    """As nginx chooses: an exact name before one with a star, that before any; then the longest path."""
    names = host.names
    by_name = 2 if DEFAULT_NAME in names else 1 if any("*" in name for name in names) else 0
    return by_name, -len(path)


def _host_rules(known: str, host: VirtualHost) -> list[str]:
    lines = []
    exact = [name for name in host.names if "*" not in name]
    if exact:
        lines.append(f"  acl {known} req.hdr(host),host_only -i {' '.join(exact)}")
    lines += [
        f"  acl {known} req.hdr(host),host_only -i -m end {name.removeprefix('*')}"
        for name in host.names
        if name.startswith("*")
    ]
    lines += [
        f"  acl {known} req.hdr(host),host_only -i -m beg {name.removesuffix('*')}"
        for name in host.names
        if name.endswith("*") and not name.startswith("*")
    ]
    return lines


def _hsts(known: str, host: VirtualHost) -> list[str]:
    header = '  http-response set-header Strict-Transport-Security "max-age=31536000"'
    if host.name == DEFAULT_NAME:
        return [f"{header} if {{ ssl_fc }}"]
    # The name stands in the request; a variable keeps the answer to it until the response.
    return [
        f"  http-request set-var(txn.{known}) bool(true) if {{ ssl_fc }} {known}",
        f"{header} if {{ var(txn.{known}) -m bool }}",
    ]


def _certificates(hosts: tuple[VirtualHost, ...]) -> str:
    """Certificates of the virtual hosts; haproxy finds the key of `x` in `x.key`."""
    names = sorted({host.tls.certificate for host in hosts if host.tls and host.tls.certificate})
    return " ".join(f'crt "${{CREDENTIALS_DIRECTORY}}/{name}"' for name in names)


def _secrets(node: LoadBalancer) -> set[str]:
    all_tls = [host.tls for host in node.virtual_hosts if host.tls is not None]
    return {name for tls in all_tls for name in (tls.certificate, tls.key) if name is not None}


def _backend(node: LoadBalancer, group: Group) -> list[str]:
    lines = [
        *(f"# {comment}" for comment in group.comments),
        f"backend {group.name} from {node.id}",
        f"  balance {_BALANCE[node.algorithm]}",
    ]
    lines += _settings(node, _RULES_OF_BACKENDS)
    if node.check_path is not None and node.mode is BalancerMode.HTTP:
        lines.append(f"  option httpchk GET {_word(node.check_path)}")
    if sum(server.backup for server in group.servers) > 1:
        lines.append("  option allbackups")
    rise = f"inter {_timeout(node.fail_timeout_ms or 2_000)} fall {node.max_fails or 3}"
    lines.append(f"  default-server check {rise}")
    heaviest = max((server.weight for server in group.servers), default=1)
    return lines + [_server(server, heaviest) for server in group.servers]


def _server(server: Server, heaviest: int) -> str:
    weight = server.weight
    if heaviest > WEIGHT_MAX:
        weight = max(1, weight * WEIGHT_MAX // heaviest)
    words = ["server", server.name, server.address]
    words += [f"weight {weight}"] if weight != 1 else []
    words += ["backup"] if server.backup else []
    return f"  {' '.join(words)}"


def _is_asked_from_outside(site: Site, host: Host, nodes: list[LoadBalancer]) -> bool:
    """Whether a prometheus watches from another host, or from within a container network."""
    watching = {
        edge.source for node in nodes for edge in site.graph.edges_to(node.id) if isinstance(edge, Monitors)
    }
    return any(site.graph.host_of(one) != host.id or site.networks.is_bridged(one) for one in watching)


def _metrics(*, is_asked_from_outside: bool) -> list[str]:
    addresses = ("0.0.0.0", "[::]") if is_asked_from_outside else (LOOPBACK,)  # noqa: S104
    return [
        "# For Prometheus; the firewall says who may ask.",
        f"defaults {_METRICS}",
        "  mode http",
        "  timeout client 10s",
        f"frontend {_METRICS} from {_METRICS}",
        *(f"  bind {address}:{METRICS_PORT}" for address in addresses),
        "  http-request use-service prometheus-exporter if { path /metrics }",
        "  http-request deny deny_status 404",
    ]
