"""What load balancers become: haproxy's own language, nginx's options, and certificates by reference."""

import pytest
from pydantic import ValidationError

from nix_gen.lower import lower
from nix_gen.nodes import Tls, VirtualIp
from tests.support.balancer_graphs import http_balancer, shared_address, tcp_balancer
from tests.support.lowering import Node, codes, lowered, options, plain

APP: Node = {"kind": "service", "id": "app", "package": "hello", "ports": [{"port": 9000}]}
DB: Node = {"kind": "database", "id": "db", "engine": "postgresql"}
LB: Node = {"kind": "load_balancer", "id": "lb"}


def _to(target: str, **more: object) -> Node:
    return {"kind": "load_balances", "source": "lb", "target": target, **more}


def test_haproxy_in_tcp_mode_gives_each_port_its_own_targets() -> None:
    balancer = {**LB, "engine": "haproxy", "mode": "tcp", "listen": [5432, 9001], "check_path": "/ignored"}
    host = options(APP, DB, balancer, _to("db", listen=5432), _to("app", listen=9001, weight=9))
    assert (
        host["services"]["haproxy"]["config"]
        == """\
# lb
defaults lb
  mode tcp
  log stdout format raw daemon notice
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  option redispatch 1

frontend lb.5432 from lb
  bind 0.0.0.0:5432
  bind [::]:5432
  default_backend lb

frontend lb.9001 from lb
  bind 0.0.0.0:9001
  bind [::]:9001
  default_backend lb.2

# lb -load_balances-> db.
backend lb from lb
  balance roundrobin
  default-server check inter 2s fall 3
  server db 127.0.0.1:5432

# lb -load_balances-> app.
backend lb.2 from lb
  balance roundrobin
  default-server check inter 2s fall 3
  server app 127.0.0.1:9000 weight 9
"""
    )
    assert host["networking"]["firewall"]["allowedTCPPorts"] == [5432, 9001]


def test_haproxy_in_http_mode_chooses_by_name_and_then_by_the_longest_path() -> None:
    balancer = {
        **LB,
        "engine": "haproxy",
        "virtual_hosts": [{"name": "a.example", "aliases": ["*.a.example"]}, {"name": "_"}],
    }
    edges = [_to("app"), _to("app", path="/x#y", virtual_host="a.example"), _to("app", path="/x")]
    text = options(APP, balancer, *edges)["services"]["haproxy"]["config"]
    frontend = text.split("frontend lb from lb\n")[1].split("\n\n")[0]
    assert frontend.splitlines()[2:] == [
        "  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        "  acl host1 req.hdr(host),host_only -i a.example",
        "  acl host1 req.hdr(host),host_only -i -m end .a.example",
        "  use_backend lb.3 if host1 { path_beg '/x#y' }",
        "  use_backend lb.2 if host1 { path_beg /x }",
        "  use_backend lb if host1",
        "  use_backend lb.2 if { path_beg /x }",
        "  default_backend lb",
    ]


def test_haproxy_scales_weights_that_are_too_great_for_it() -> None:
    other = {**APP, "id": "other", "ports": [{"port": 9002}]}
    edges = [_to("app", weight=60_000), _to("other", weight=20_000)]
    text = options(APP, other, {**LB, "engine": "haproxy"}, *edges)["services"]["haproxy"]["config"]
    assert "server app 127.0.0.1:9000 weight 256\n" in text
    assert "server other 127.0.0.1:9002 weight 85\n" in text


def test_no_value_of_the_graph_becomes_another_directive_of_haproxy_s() -> None:
    hostile = 'x\'\n  user root\n# "$HOME" \\'
    balancer = {**LB, "engine": "haproxy", "settings": {"http-reuse": hostile}}
    text = options(APP, balancer, _to("app"))["services"]["haproxy"]["config"]
    assert "  http-reuse 'x'\"'\" user root '#' '\"$HOME\"' '\\'\n" in text


def test_haproxy_tells_its_metrics_only_to_whom_an_edge_leads() -> None:
    balancer = {**LB, "engine": "haproxy"}
    silent = options(APP, balancer, _to("app"))["services"]["haproxy"]["config"]
    assert "prometheus-exporter" not in silent
    watch = {"kind": "monitoring", "id": "watch", "engine": "prometheus"}
    edge = {"kind": "monitors", "source": "watch", "target": "lb"}
    host = options(APP, balancer, watch, _to("app"), edge)
    assert "  bind 127.0.0.1:8405\n" in host["services"]["haproxy"]["config"]
    assert ":8405\n" not in host["services"]["haproxy"]["config"].replace("127.0.0.1:8405", "")
    assert 8405 not in host["networking"]["firewall"]["allowedTCPPorts"]
    hosts = [{"kind": "host", "id": f"h{n}", "addresses": [f"10.0.0.{n}"]} for n in (1, 2)]
    placed = [{**APP, "host": "h1"}, {**balancer, "host": "h1"}, {**watch, "host": "h2"}]
    far = options(*hosts, *placed, _to("app"), edge, host="h1")["services"]["haproxy"]["config"]
    assert "  bind 0.0.0.0:8405\n  bind [::]:8405\n" in far


def test_nginx_in_tcp_mode_is_a_stream() -> None:
    balancer = {**LB, "mode": "tcp", "listen": [5432], "algorithm": "least_connections", "max_fails": 0}
    host = options(APP, DB, balancer, _to("db"), _to("app", backup=True))
    nginx = host["services"]["nginx"]
    assert (
        nginx["streamConfig"]
        == """\
# lb -load_balances-> app.
# lb -load_balances-> db.
upstream lb {
  least_conn;
  server 127.0.0.1:9000 backup max_fails=0;
  server 127.0.0.1:5432 max_fails=0;
}
server {
  listen 0.0.0.0:5432;
  listen [::]:5432;
  proxy_timeout 3600s;
  proxy_pass lb;
}
"""
    )
    assert set(nginx) == {"enable", "streamConfig"}


def test_nginx_gets_a_certificate_of_one_s_own_as_credentials() -> None:
    tls = {"certificate": "site", "key": "site.key", "hsts": True}
    balancer = {**LB, "virtual_hosts": [{"name": "a.example", "tls": tls}]}
    host = options(APP, balancer, _to("app"))
    virtual = host["services"]["nginx"]["virtualHosts"]["a.example"]
    assert virtual["forceSSL"] is True
    assert virtual["sslCertificateKey"] == "/run/credentials/nginx.service/site.key"
    assert {(one["port"], one.get("ssl", False)) for one in virtual["listen"]} == {(80, False), (443, True)}
    assert virtual["extraConfig"] == ('add_header Strict-Transport-Security "max-age=31536000" always;\n')
    assert host["systemd"]["services"]["nginx"]["serviceConfig"]["LoadCredential"] == [
        "site:/run/secrets/site",
        "site.key:/run/secrets/site.key",
    ]
    assert host["networking"]["firewall"]["allowedTCPPorts"] == [80, 443]


def test_an_acme_certificate_brings_the_port_at_which_the_authority_asks() -> None:
    tls = {"acme": True, "email": "ops@example.org"}
    balancer = {**LB, "listen": [443], "virtual_hosts": [{"name": "a.example", "tls": tls}]}
    host = options(APP, balancer, _to("app"))
    assert host["services"]["nginx"]["virtualHosts"]["a.example"]["enableACME"] is True
    assert host["security"]["acme"] == {
        "acceptTerms": True, "certs": {"a.example": {"email": "ops@example.org"}}
    }  # fmt: skip
    assert host["networking"]["firewall"]["allowedTCPPorts"] == [80, 443]


def test_settings_of_nginx_stay_with_their_balancer() -> None:
    settings = {"client_max_body_size": "1m", "gzip": False, "limit_req_zone": "$a zone=b:1m rate=1r/s"}
    other = {**LB, "id": "other", "listen": [81], "settings": {"client_max_body_size": "2m"}}
    edges = [_to("app"), {**_to("app"), "source": "other"}]
    nginx = options(APP, {**LB, "settings": settings}, other, *edges)["services"]["nginx"]
    assert nginx["commonHttpConfig"] == "# lb\nlimit_req_zone $a zone=b:1m rate=1r/s;\n"
    extras = {name: host["extraConfig"] for name, host in nginx["virtualHosts"].items()}
    assert extras == {
        "lb _": "client_max_body_size 1m;\ngzip off;\n", "other _": "client_max_body_size 2m;\n"
    }  # fmt: skip


def test_balancers_that_share_a_program_share_the_sum_of_their_limits() -> None:
    limits = {"memory_limit_bytes": 1000, "cpu_limit_milli": 500}
    other = {**LB, "id": "other", "listen": [81]}
    edges = [_to("app"), {**_to("app"), "source": "other"}]
    both = options(APP, {**LB, "resources": limits}, {**other, "resources": limits}, *edges)
    assert both["systemd"]["services"]["nginx"]["serviceConfig"] == {"MemoryMax": 2000, "CPUQuota": "100%"}
    one = options(APP, {**LB, "resources": limits}, other, *edges)
    assert "nginx" not in one["systemd"]["services"]


def test_what_nginx_cannot_do_is_said() -> None:
    findings = lowered(APP, {**LB, "check_path": "/health"}, _to("app")).findings
    (said,) = map(str, findings)
    assert said == (
        "warning not-used: lb: nginx has no checks of its own, so check_path means nothing to it; "
        "use the haproxy engine, or rely on max_fails"
    )
    assert codes(APP, {**LB, "listen": [443]}, _to("app")) == {"tls-without-certificate"}


def test_every_way_to_balance_can_be_lowered_without_a_finding() -> None:
    for graph in (http_balancer("nginx"), http_balancer("haproxy"), tcp_balancer("nginx")):
        result = lower(graph)
        assert result.findings == ()
        assert all(plain(module.body.body)["networking"]["firewall"]["enable"] for module in result.modules)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, "give either acme or certificate and key"),
        ({"acme": True, "email": "a@b", "certificate": "c", "key": "k"}, "give either acme"),
        ({"acme": True}, "acme needs an email, and nothing else has one"),
        ({"certificate": "c"}, "certificate and key belong together"),
        ({"certificate": "c", "key": "k", "port": 8443}, "a redirect leads to port 443"),
    ],
)
def test_tls_has_one_source_of_its_certificate(given: Node, wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Tls.model_validate(given)


def test_balancers_of_two_hosts_share_an_address_and_hear_each_other() -> None:
    modules = {module.host.id: plain(module.body.body) for module in lower(shared_address()).modules}
    front, back = modules["front"], modules["back"]
    keepalived = front["services"]["keepalived"]
    assert keepalived["vrrpInstances"]["shared-gate-front"] == {
        "interface": "eth0",
        "priority": 150,
        "trackScripts": ["shared-gate-front"],
        "unicastPeers": ["10.0.0.2"],
        "unicastSrcIp": "10.0.0.1",
        "virtualIps": [{"addr": "10.0.0.100/24"}],
        "virtualRouterId": 51,
    }
    assert back["services"]["keepalived"]["vrrpInstances"]["shared-gate-back"]["unicastPeers"] == ["10.0.0.1"]
    assert keepalived["vrrpScripts"]["shared-gate-front"]["script"] == (
        '"${pkgs.systemd}/bin/systemctl is-active --quiet nginx.service"'
    )
    rules = front["networking"]["firewall"]["extraInputRules"]
    assert rules == (
        'ip saddr { 10.0.0.2 } meta l4proto 112 accept comment "gate-back -> gate-front (10.0.0.100)"\n'
    )


def test_a_host_without_an_address_cannot_share_one() -> None:
    virtual = {"interface": "eth0", "router_id": 51, "address": "fd00::9"}
    hosts = [{"kind": "host", "id": name, "addresses": [f"10.0.0.{i}"]} for i, name in enumerate("ab", 1)]
    nodes = [{**APP, "host": "a"}, {**LB, "host": "a", "virtual_ip": virtual}]
    other = {**LB, "id": "lc", "host": "b", "virtual_ip": {**virtual, "priority": 90}}
    edges = [_to("app"), {**_to("app"), "source": "lc"}]
    said = {str(finding) for finding in lowered(*hosts, *nodes, other, *edges).findings}
    assert said == {
        f"error host-without-address: {host}: {one} on it shares fd00::9 with {two}, and has no address "
        "to say so; give the host an address of the same family"
        for host, one, two in (("b", "lc", "lb"), ("a", "lb", "lc"))
    }


def test_the_prefix_of_a_shared_address_fits_its_family() -> None:
    given = {"address": "10.0.0.9", "interface": "eth0", "router_id": 1}
    assert VirtualIp.model_validate(given).with_prefix == "10.0.0.9/32"
    assert VirtualIp.model_validate({**given, "address": "fd00::9"}).with_prefix == "fd00::9/128"
    with pytest.raises(ValidationError, match="the prefix is longer than the address"):
        VirtualIp.model_validate({**given, "prefix_length": 64})
