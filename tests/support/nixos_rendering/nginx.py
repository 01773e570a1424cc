"""`services.nginx` -> nginx.conf.

After nixos/modules/services/web-servers/nginx/default.nix. Left out: what no generated flake sets (QUIC,
brotli, FastCGI, password files), and paths of the Nix store, for which Debian's stand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.nixos_rendering.configs import Config, option

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
"""NixOS builds it in, Debian loads it."""
_MIME_TYPES = "/etc/nginx/mime.types"
_OPTIMISATION = "sendfile on;\ntcp_nopush on;\ntcp_nodelay on;\nkeepalive_timeout 65;\n"
_GZIP = (
    "gzip on;\ngzip_static on;\ngzip_vary on;\ngzip_comp_level 5;\ngzip_min_length 256;\n"
    "gzip_proxied expired no-cache no-store private auth;\ngzip_types application/json text/css text/plain;\n"
)
_TLS = (
    "ssl_session_timeout 1d;\nssl_session_cache shared:SSL:10m;\nssl_session_tickets off;\n"
    "ssl_prefer_server_ciphers off;\n"
)
_PROXY_HEADERS = (
    "proxy_set_header Host $host;\nproxy_set_header X-Real-IP $remote_addr;\n"
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    "proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header X-Forwarded-Host $host;\n"
    "proxy_set_header X-Forwarded-Server $hostname;\n"
)
_PROXY = (
    "proxy_redirect off;\nproxy_connect_timeout 60s;\nproxy_send_timeout 60s;\nproxy_read_timeout 60s;\n"
    'proxy_http_version 1.1;\nproxy_set_header "Connection" "";\n' + _PROXY_HEADERS
)
_UPGRADE = "map $http_upgrade $connection_upgrade {\n  default upgrade;\n  '' close;\n}\n"


def nginx_conf(
    config: Config, *, run_dir: str = "/run/nginx", certificate: tuple[str, str] | None = None
) -> str | None:
    """The file that nginx reads, or None where the host has none.

    Args:
        config: options of the host.
        run_dir: for the process id and for buffered bodies.
        certificate: certificate and key that stand for every one the host names, which are not here.
    """
    service = option(config, "services", "nginx", default={})
    if not service.get("enable"):
        return None
    bodies = "".join(
        f"{kind}_temp_path {run_dir}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    stream = service.get("streamConfig") or ""
    load = f"load_module {STREAM_MODULE};\n" if stream and STREAM_MODULE.exists() else ""
    http = [
        bodies,
        f"include {_MIME_TYPES};\ntypes_hash_max_size 4096;\ndefault_type application/octet-stream;\n",
        *(_upstream(name, one) for name, one in sorted((service.get("upstreams") or {}).items())),
        *(
            text
            for name, text in (
                ("Optimisation", _OPTIMISATION),
                ("TlsSettings", _TLS),
                ("GzipSettings", _GZIP),
            )
            if service.get(f"recommended{name}")
        ),
        "ssl_protocols TLSv1.2 TLSv1.3;\n",
        _PROXY if service.get("recommendedProxySettings") else "",
        _UPGRADE,
        f"client_max_body_size {service.get('clientMaxBodySize', '10m')};\nserver_tokens off;\n",
        service.get("commonHttpConfig") or "",
        _status_page() if service.get("statusPage") else "",
        *(
            _virtual_host(name, host, service, certificate)
            for name, host in sorted((service.get("virtualHosts") or {}).items())
        ),
        service.get("appendHttpConfig") or "",
    ]
    return (
        f"{load}pid {run_dir}/nginx.pid;\nerror_log stderr;\ndaemon off;\nevents {{\n"
        f"{service.get('eventsConfig') or ''}\n}}\nhttp {{\n{''.join(http)}}}\n"
        + (f"stream {{\n{stream}\n}}\n" if stream else "")
        + (service.get("appendConfig") or "")
    )


def _upstream(name: str, upstream: dict[str, Any]) -> str:
    servers = "".join(
        f"  server {address} {' '.join(_parameters(server))};\n"
        for address, server in sorted((upstream.get("servers") or {}).items())
    )
    return f"upstream {name} {{\n{servers}{upstream.get('extraConfig') or ''}\n}}\n"


def _parameters(server: dict[str, Any]) -> list[str]:
    words = []
    for name, value in sorted(server.items()):
        if isinstance(value, bool):
            words += [name] if value else []
        else:
            words.append(f"{name}={value}")
    return words


def _status_page() -> str:
    return (
        "server {\n  listen 80;\n  listen [::]:80;\n  server_name localhost;\n"
        "  location /nginx_status {\n    stub_status on;\n    access_log off;\n    allow 127.0.0.1;\n"
        "    allow ::1;\n    deny all;\n  }\n}\n"
    )


def _virtual_host(
    name: str, host: dict[str, Any], service: dict[str, Any], certificate: tuple[str, str] | None
) -> str:
    tls = any(host.get(flag) for flag in ("onlySSL", "addSSL", "forceSSL"))
    force = bool(host.get("forceSSL"))
    listen = host.get("listen") or _default_listen(host, service, tls=tls)
    words = [host.get("serverName") or name, *(host.get("serverAliases") or ())]
    acme = ""
    if host.get("enableACME") or host.get("useACMEHost"):
        root = host.get("acmeRoot", "/var/lib/acme/acme-challenge")
        acme = f"location ^~ /.well-known/acme-challenge/ {{\n  root {root};\n  auth_basic off;\n}}\n"
    text = ""
    if force:
        plain = "".join(_listen_line(one, host) for one in listen if not one.get("ssl"))
        text = (
            f"server {{\n{plain}server_name {' '.join(words)};\n{acme}"
            "location / {\n  return 301 https://$host$request_uri;\n}\n}\n"
        )
    mine = "".join(_listen_line(one, host) for one in listen if one.get("ssl") or not force)
    text += f"server {{\n{mine}server_name {' '.join(words)};\n{acme}"
    if tls:
        text += _certificate_lines(words[0], host, certificate)
    if host.get("rejectSSL"):
        text += "ssl_reject_handshake on;\n"
    for path, location in sorted((host.get("locations") or {}).items()):
        text += _location(path, location)
    return f"{text}{host.get('extraConfig') or ''}\n}}\n"


def _default_listen(host: dict[str, Any], service: dict[str, Any], *, tls: bool) -> list[dict[str, Any]]:
    addresses = host.get("listenAddresses") or service.get("defaultListenAddresses") or ["0.0.0.0", "[::0]"]
    found = []
    for address in addresses:
        if tls or host.get("rejectSSL"):
            found.append({"addr": address, "port": service.get("defaultSSLListenPort", 443), "ssl": True})
        if not host.get("onlySSL"):
            found.append({"addr": address, "port": service.get("defaultHTTPListenPort", 80)})
    return found


def _listen_line(listen: dict[str, Any], host: dict[str, Any]) -> str:
    words = [
        f"{listen['addr']}:{listen.get('port') or (443 if listen.get('ssl') else 80)}",
        *(["http2"] if listen.get("ssl") and host.get("http2", True) else []),
        *(["ssl"] if listen.get("ssl") else []),
        *(["default_server"] if host.get("default") else []),
        *(["proxy_protocol"] if listen.get("proxyProtocol") else []),
        *(listen.get("extraParameters") or ()),
    ]
    return f"listen {' '.join(words)};\n"


def _certificate_lines(name: str, host: dict[str, Any], certificate: tuple[str, str] | None) -> str:
    if certificate is None:
        folder = f"/var/lib/acme/{host.get('useACMEHost') or name}"
        certificate = (
            host.get("sslCertificate") or f"{folder}/fullchain.pem",
            host.get("sslCertificateKey") or f"{folder}/key.pem",
        )
    return f"ssl_certificate {certificate[0]};\nssl_certificate_key {certificate[1]};\n"


def _location(path: str, location: dict[str, Any]) -> str:
    lines = [f"location {path} {{"]
    if location.get("proxyPass"):
        lines.append(f"proxy_pass {location['proxyPass']};")
    if location.get("proxyWebsockets"):
        lines += [
            "proxy_http_version 1.1;",
            "proxy_set_header Upgrade $http_upgrade;",
            "proxy_set_header Connection $connection_upgrade;",
        ]
    lines += [
        f"{word} {location[name]};"
        for name, word in (
            ("index", "index"), ("tryFiles", "try_files"), ("root", "root"), ("alias", "alias"),
            ("return", "return"),
        )
        if location.get(name)
    ]  # fmt: skip
    lines.append(location.get("extraConfig") or "")
    # The module repeats the headers: those that a location sets itself replace the server's.
    if location.get("proxyPass") and location.get("recommendedProxySettings", True):
        lines.append(_PROXY_HEADERS)
    return "\n".join([*lines, "}"]) + "\n"
