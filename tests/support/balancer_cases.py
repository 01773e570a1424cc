"""Graphs with one fault of a load balancer each, and the exact finding it deserves."""

from __future__ import annotations

from typing import Any

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
_APP: dict[str, Any] = {"id": "app", "kind": "service", "image": "app:1", "ports": [{"port": 80}]}
_DB: dict[str, Any] = {"id": "db", "kind": "database", "engine": "postgresql"}
_LB: dict[str, Any] = {"id": "lb", "kind": "load_balancer"}
_LC: dict[str, Any] = {**_LB, "id": "lc", "host": "h2"}
_VIP: dict[str, Any] = {"address": "10.0.0.9", "interface": "eth0", "router_id": 7}
_TWO_HOSTS: list[dict[str, Any]] = [{"kind": "host", "id": "h1"}, {"kind": "host", "id": "h2"}]
_ACME: dict[str, Any] = {"acme": True, "email": "ops@example.org"}


def _to(target: str, **fields: Any) -> dict[str, Any]:
    return {"source": "lb", "kind": "load_balances", "target": target, **fields}


def _tls(name: str, engine: str = "nginx", **tls: Any) -> dict[str, Any]:
    return {**_LB, "engine": engine, "virtual_hosts": [{"name": name, "tls": tls}]}


BALANCER_CASES: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = [
    (
        [_DB, _LB],
        [_to("db")],
        "error balancer-mode: lb -load_balances-> db: lb is in http mode, and db speaks no http; set `mode` of the balancer to tcp",
    ),
    (
        [_APP, _LB],
        [_to("app", listen=80)],
        "error balancer-mode: lb -load_balances-> app: lb is in http mode, where virtual hosts and paths decide; remove `listen`, or use the tcp mode",
    ),
    (
        [_APP, {**_LB, "mode": "tcp", "virtual_hosts": [{"name": "a.example"}]}],
        [_to("app")],
        "error balancer-mode: lb: in tcp mode it sees no names, so it cannot have virtual hosts; remove them and set `listen`, or use the http mode",
    ),
    (
        [_APP, {**_LB, "mode": "tcp"}],
        [_to("app", path="/api")],
        "error balancer-mode: lb -load_balances-> app: lb is in tcp mode and sees no virtual hosts, paths or websockets; remove them, or use the http mode",
    ),
    (
        [_APP, {**_LB, "mode": "tcp"}],
        [_to("app", listen=81)],
        "error unknown-listen-port: lb -load_balances-> app: lb does not listen on 81; name one of its `listen` ports",
    ),
    (
        [_APP, {**_LB, "algorithm": "ip_hash"}],
        [_to("app", backup=True)],
        "error backup-with-hash: lb -load_balances-> app: lb chooses by ip_hash, and nginx keeps no backup then; use haproxy, or another algorithm",
    ),
    (
        [_APP, _tls("a.example", "haproxy", **_ACME)],
        [_to("app")],
        "error tls-not-possible: lb: haproxy cannot answer an ACME authority for a.example; use nginx, or name certificate and key",
    ),
    (
        [_APP, _tls("*.example", **_ACME)],
        [_to("app")],
        "error tls-not-possible: lb: an ACME authority gives no certificate for *.example; write a full host name",
    ),
    (
        [_APP, _tls("a.example", "haproxy", certificate="site", key="other")],
        [_to("app")],
        "error tls-not-possible: lb: haproxy looks for the key of site under the name site.key; name the secret site.key",
    ),
    (
        [_APP, {**_LB, "virtual_ip": _VIP}],
        [_to("app")],
        "warning virtual-ip-alone: lb: no other balancer shares 10.0.0.9, so nobody takes it over; name it on a balancer of another host",
    ),
    (
        [_APP, {**_LB, "virtual_ip": _VIP}, {**_LB, "id": "lc", "listen": [81], "virtual_ip": _VIP}],
        [_to("app")],
        "error virtual-ip-clash: lb: shares 10.0.0.9 with lc of the same host; place them on different hosts",
    ),
    (
        [
            *_TWO_HOSTS,
            {**_LB, "host": "h1", "virtual_ip": _VIP},
            {**_LC, "virtual_ip": {**_VIP, "router_id": 8}},
        ],
        [],
        "error virtual-ip-clash: lb: shares 10.0.0.9 with lc, under another router_id; give both the same router_id",
    ),
    (
        [*_TWO_HOSTS, {**_LB, "host": "h1", "virtual_ip": _VIP}, {**_LC, "virtual_ip": _VIP}],
        [],
        "error virtual-ip-clash: lb: shares 10.0.0.9 with lc, and both have priority 100; give them different priorities",
    ),
]
