"""Load balancers as `services.nginx`: upstreams and virtual hosts in http mode, a stream in tcp mode.

Pure. Certificates and keys of your own reach nginx as systemd credentials, for nginx runs as its own user;
certificates from an ACME authority come through `security.acme`, as NixOS wires them.
"""

from __future__ import annotations

from nix_gen.ir import Plain
from nix_gen.lower.balancers import (
    DEFAULT_NAME,
    TCP_IDLE_TIMEOUT_MS,
    Group,
    Groups,
    Server,
    balancers_of,
    directive,
    has_safe_names,
    lower_unit,
)
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.words import milliseconds, node_comment
from nix_gen.nodes import Algorithm, BalancerMode, Host, LoadBalancer, Tls, VirtualHost

UNIT = "nginx"
_OPTION = ("services", "nginx")
_CREDENTIALS = f"/run/credentials/{UNIT}.service"
_HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'
_HTTP_ONLY = frozenset(
    {
        "geo", "limit_conn_zone", "limit_req_zone", "log_format", "map_hash_bucket_size", "map_hash_max_size",
        "proxy_cache_path", "server_names_hash_bucket_size", "server_names_hash_max_size", "split_clients",
        "variables_hash_bucket_size", "variables_hash_max_size",
    }
)  # fmt: skip
"""Directives that nginx takes for all servers together; every other one belongs to its balancer's servers."""
_METHODS = {
    (BalancerMode.HTTP, Algorithm.LEAST_CONNECTIONS): "least_conn;",
    (BalancerMode.HTTP, Algorithm.IP_HASH): "ip_hash;",
    (BalancerMode.TCP, Algorithm.LEAST_CONNECTIONS): "least_conn;",
    (BalancerMode.TCP, Algorithm.IP_HASH): "hash $remote_addr consistent;",
}


def lower_nginx(site: Site, draft: Draft, host: Host) -> None:
    """Write the nginx of a host."""
    nodes = balancers_of(site, host, Form.NGINX)
    if not nodes:
        return
    draft.put((*_OPTION, "enable"), plain=True)
    for node in nodes:
        draft.say(_OPTION, node_comment(node))
        if node.mode is BalancerMode.TCP:
            _stream(site, draft, node)
        else:
            _virtual_hosts(site, draft, node, alone=len(nodes) == 1)
        if node.check_path is not None:
            site.warn(
                "not-used",
                node.id,
                "nginx has no checks of its own, so check_path means nothing to it",
                "use the haproxy engine, or rely on max_fails",
            )
    if any(node.mode is BalancerMode.HTTP for node in nodes):
        for name in ("recommendedGzipSettings", "recommendedOptimisation", "recommendedProxySettings"):
            draft.put((*_OPTION, name), plain=True)
    if any(node.tls_ports for node in nodes):
        draft.put((*_OPTION, "recommendedTlsSettings"), plain=True)
    _certificates(site, draft, nodes)
    lower_unit(site, draft, nodes, UNIT)


def _word(text: str) -> str:
    plain = text and all(char.isalnum() or char in "_-./:=,@+$~*%" for char in text)
    if plain and text.isascii():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _lines(node: LoadBalancer, *, for_all: bool = False) -> list[str]:
    return [
        f"{' '.join(map(_word, directive(name, node.settings[name])))};"
        for name in sorted(node.settings)
        if (name in _HTTP_ONLY) == for_all
    ]


def _timeouts(node: LoadBalancer) -> list[str]:
    lines = []
    if node.connect_timeout_ms is not None:
        lines.append(f"proxy_connect_timeout {milliseconds(node.connect_timeout_ms)};")
    if node.mode is BalancerMode.TCP:
        lines.append(f"proxy_timeout {milliseconds(node.idle_timeout_ms or TCP_IDLE_TIMEOUT_MS)};")
    elif node.idle_timeout_ms is not None:
        idle = milliseconds(node.idle_timeout_ms)
        lines += [f"proxy_read_timeout {idle};", f"proxy_send_timeout {idle};"]
    return lines


def _parameters(node: LoadBalancer, server: Server) -> dict[str, Plain]:
    options: dict[str, Plain] = {}
    if server.weight != 1:
        options["weight"] = server.weight
    if server.backup:
        options["backup"] = True
    if node.max_fails is not None:
        options["max_fails"] = node.max_fails
    if node.fail_timeout_ms is not None:
        # nginx takes whole seconds here.
        options["fail_timeout"] = f"{max(1, round(node.fail_timeout_ms / 1000))}s"
    return options


def _stream(site: Site, draft: Draft, node: LoadBalancer) -> None:
    groups = Groups(site, node)
    lines: list[str] = []
    written: set[str] = set()
    for port in node.listened:
        group = groups.of_port(port)
        if not group.servers:
            lines += [f"# {node.id}: nothing stands behind port {port}."]
            continue
        if group.name not in written:
            written.add(group.name)
            lines += _stream_upstream(node, group)
        lines += [
            "server {",
            f"  listen 0.0.0.0:{port};",
            f"  listen [::]:{port};",
            *(f"  {line}" for line in _timeouts(node)),
            *(f"  {line}" for line in _lines(node)),
            f"  proxy_pass {group.name};",
            "}",
        ]
    draft.write((*_OPTION, "streamConfig"), lines)


def _stream_upstream(node: LoadBalancer, group: Group) -> list[str]:
    lines = [*(f"# {comment}" for comment in group.comments), f"upstream {group.name} {{"]
    method = _METHODS.get((node.mode, node.algorithm))
    if method is not None:
        lines.append(f"  {method}")
    for server in group.servers:
        words = [
            name if value is True else f"{name}={value}"
            for name, value in sorted(_parameters(node, server).items())
        ]
        lines.append(f"  {' '.join(['server', server.address, *words])};")
    return [*lines, "}"]


def _virtual_hosts(site: Site, draft: Draft, node: LoadBalancer, *, alone: bool) -> None:
    groups = Groups(site, node)
    for_all = _lines(node, for_all=True)
    if for_all:
        draft.write((*_OPTION, "commonHttpConfig"), [f"# {node.id}", *for_all])
    written: set[str] = set()
    for virtual in filter(has_safe_names, node.hosts):
        locations: dict[str, Plain] = {}
        for path, group in groups.of_paths(virtual).items():
            if group.servers and group.name not in written:
                written.add(group.name)
                _upstream(draft, node, group)
            locations[path] = _location(group)
        options = _options(node, virtual, explicit_name=not alone)
        key = virtual.name if alone else f"{node.id} {virtual.name}"
        draft.put((*_OPTION, "virtualHosts", key), {**options, "locations": locations})
        extra = [*_timeouts(node), *_lines(node)]
        if virtual.tls is not None and virtual.tls.hsts:
            extra.append(_HSTS)
        if extra:
            draft.write((*_OPTION, "virtualHosts", key, "extraConfig"), extra)


def _upstream(draft: Draft, node: LoadBalancer, group: Group) -> None:
    servers: dict[str, Plain] = {server.address: _parameters(node, server) for server in group.servers}
    path = (*_OPTION, "upstreams", group.name)
    draft.put(path, {"servers": servers}, *group.comments)
    method = _METHODS.get((node.mode, node.algorithm))
    if method is not None:
        draft.write((*path, "extraConfig"), [method])


def _options(node: LoadBalancer, virtual: VirtualHost, *, explicit_name: bool) -> dict[str, Plain]:
    listen: list[Plain] = [
        {"addr": address, "port": port}
        for port in node.plain_ports(virtual)
        for address in ("0.0.0.0", "[::]")  # noqa: S104
    ]
    options: dict[str, Plain] = {}
    if virtual.tls is not None:
        listen += [
            {"addr": address, "port": virtual.tls.port, "ssl": True}
            for address in ("0.0.0.0", "[::]")  # noqa: S104
        ]
        options |= _tls_options(virtual.tls)
    options["listen"] = listen
    if explicit_name:
        options["serverName"] = virtual.name
    if virtual.name == DEFAULT_NAME:
        options["default"] = True
    if virtual.aliases:
        options["serverAliases"] = list(virtual.aliases)
    return options


def _tls_options(tls: Tls) -> dict[str, Plain]:
    options: dict[str, Plain] = {"forceSSL" if tls.redirect else "addSSL": True}
    if tls.acme:
        return {**options, "enableACME": True}
    return {
        **options,
        "sslCertificate": f"{_CREDENTIALS}/{tls.certificate}",
        "sslCertificateKey": f"{_CREDENTIALS}/{tls.key}",
    }


def _certificates(site: Site, draft: Draft, nodes: list[LoadBalancer]) -> None:
    names: set[str] = set()
    for node in nodes:
        for virtual in node.virtual_hosts:
            if virtual.tls is None:
                continue
            if virtual.tls.acme:
                draft.put(
                    ("security", "acme", "acceptTerms"), True, "You accept the terms of the ACME authority."
                )
                draft.put(("security", "acme", "certs", virtual.name, "email"), virtual.tls.email)
            names |= {name for name in (virtual.tls.certificate, virtual.tls.key) if name is not None}
    credentials = load_credentials(site, f"{UNIT}.service", names)
    if credentials:
        draft.put(("systemd", "services", UNIT, "serviceConfig"), credentials)


def _location(group: Group) -> Plain:
    if not group.servers:
        return {"return": "503"}
    options: dict[str, Plain] = {"proxyPass": f"http://{group.name}"}
    if any(edge.websockets for edge in group.edges):
        options["proxyWebsockets"] = True
    return options
