"""Who reaches whom: names, addresses, firewall rules and access rules say the same thing."""

from tests.support.lowering import Node, codes, options

WEB: Node = {"kind": "service", "id": "web", "image": "example/web", "ports": [{"port": 8000}]}
DB: Node = {
    "kind": "database",
    "id": "db",
    "engine": "postgresql",
    "databases": ["app"],
    "users": [{"name": "app", "password": "pw", "owns": ["app"]}],
}
WEB_DB: Node = {"kind": "connects_to", "source": "web", "target": "db"}
ONE: Node = {"kind": "host", "id": "one", "addresses": ["10.0.0.1"]}
TWO: Node = {"kind": "host", "id": "two", "addresses": ["10.0.0.2"]}


def _container(host: object, name: str = "shop-web") -> Node:
    found: Node = host["virtualisation"]["oci-containers"]["containers"][name]  # type: ignore[index]
    return found


def _address(container: Node) -> str:
    return next(str(o).removeprefix("--ip=") for o in container["extraOptions"] if o.startswith("--ip="))


def test_a_container_finds_a_native_database_by_its_node_id() -> None:
    host = options(WEB, DB, WEB_DB)
    container = _container(host)
    assert "--add-host=db:10.213.0.1" in container["extraOptions"]
    address = _address(container)
    rules = host["networking"]["firewall"]["extraInputRules"]
    assert f'iifname "br-conclave" ip saddr {{ {address} }} tcp dport {{ 5432 }} accept' in rules
    assert host["services"]["postgresql"]["enableTCPIP"] is True
    assert f'host "app" "app" {address}/32 scram-sha-256' in host["services"]["postgresql"]["authentication"]


def test_a_database_without_clients_listens_on_loopback_and_opens_nothing() -> None:
    host = options(WEB, DB)
    assert "enableTCPIP" not in host["services"]["postgresql"]
    assert "extraInputRules" not in host["networking"]["firewall"]
    assert "authentication" not in host["services"]["postgresql"]


def test_containers_of_a_host_find_each_other_through_podman_alone() -> None:
    api = {"kind": "service", "id": "api", "image": "example/api", "ports": [{"port": 9000}]}
    host = options(WEB, api, {"kind": "connects_to", "source": "web", "target": "api"})
    assert not any(option.startswith("--add-host") for option in _container(host)["extraOptions"])
    assert "--network-alias=api" in _container(host, "shop-api")["extraOptions"]
    assert "ports" not in _container(host, "shop-api")
    assert "extraInputRules" not in host["networking"]["firewall"]


def test_another_host_is_let_in_by_source_address_and_nobody_else_is() -> None:
    parts = [ONE, TWO, {**WEB, "host": "one"}, {**DB, "host": "two"}, WEB_DB]
    target = options(*parts, host="two")
    assert target["networking"]["firewall"]["extraInputRules"] == (
        'ip saddr { 10.0.0.1 } tcp dport { 5432 } accept comment "web -> db (connects_to)"\n'
    )
    assert "allowedTCPPorts" not in target["networking"]["firewall"]
    assert 'host "app" "app" 10.0.0.1/32' in target["services"]["postgresql"]["authentication"]
    assert "--add-host=db:10.0.0.2" in _container(options(*parts, host="one"))["extraOptions"]


def test_another_host_is_led_to_every_replica_of_a_container_and_nothing_is_published() -> None:
    client = {"kind": "service", "id": "client", "package": "hello", "host": "one"}
    web = {**WEB, "host": "two", "replicas": 2}
    edge = {"kind": "connects_to", "source": "client", "target": "web"}
    host = options(ONE, TWO, client, web, edge, host="two")
    table = host["networking"]["nftables"]["tables"]["shop-edges"]["content"]
    addresses = [_address(_container(host, f"shop-web.{index}")) for index in (1, 2)]
    assert (
        "ip saddr { 10.0.0.1 } ip daddr 10.0.0.2 tcp dport 8000 dnat ip to numgen inc mod 2 map "
        f"{{ 0 : {addresses[0]}, 1 : {addresses[1]} }} " in table
    )
    assert "ports" not in _container(host, "shop-web.1")
    assert options(ONE, TWO, client, web, edge, host="one")["networking"]["hosts"] == {
        "10.0.0.2": ["two", "web"]
    }


def test_two_containers_of_a_host_cannot_both_be_reached_on_one_port_from_elsewhere() -> None:
    client = {"kind": "service", "id": "client", "package": "hello", "host": "one"}
    twin = {**WEB, "id": "twin", "host": "two"}
    edges = [{"kind": "connects_to", "source": "client", "target": target} for target in ("web", "twin")]
    assert "port-clash" in codes(ONE, TWO, client, {**WEB, "host": "two"}, twin, *edges)


def test_a_host_without_address_cannot_be_an_end_of_an_edge_between_hosts() -> None:
    bare = {"kind": "host", "id": "two"}
    assert "host-without-address" in codes(ONE, bare, {**WEB, "host": "one"}, {**DB, "host": "two"}, WEB_DB)
    assert "host-without-address" in codes(ONE, bare, {**WEB, "host": "two"}, {**DB, "host": "one"}, WEB_DB)


def test_published_ports_keep_the_address_they_were_given() -> None:
    ports = [
        {"port": 80, "published": 8080},
        {"port": 81, "published": 81, "address": "127.0.0.1"},
        {"port": 53, "published": 53, "address": "fd00::1", "protocol": "udp"},
    ]
    assert _container(options({**WEB, "ports": ports}))["ports"] == [
        "127.0.0.1:81:81",
        "8080:80",
        "[fd00::1]:53:53/udp",
    ]


def test_a_native_service_published_under_another_number_is_redirected_and_its_own_port_stays_closed() -> (
    None
):
    host = options({**DB, "ports": [{"port": 5432, "published": 5433}]})
    assert (
        "tcp dport 5433 redirect to :5432"
        in host["networking"]["nftables"]["tables"]["shop-published"]["content"]
    )
    assert "ct original proto-dst 5433" in host["networking"]["firewall"]["extraInputRules"]
    assert "allowedTCPPorts" not in host["networking"]["firewall"]


def test_a_port_published_on_loopback_opens_nothing() -> None:
    host = options({**DB, "ports": [{"port": 5432, "published": 5432, "address": "127.0.0.1"}]})
    assert host["networking"]["firewall"] == {"enable": True}
    assert "enableTCPIP" not in host["services"]["postgresql"]


def test_the_container_network_avoids_the_addresses_of_the_graph() -> None:
    here = {"kind": "host", "id": "one", "addresses": ["10.213.7.7"]}
    assert _address(_container(options(here, WEB, host="one"))).startswith("10.214.")


def test_a_new_container_moves_no_other() -> None:
    others = [{**WEB, "id": f"other{index}"} for index in range(40)]
    assert _address(_container(options(WEB))) == _address(_container(options(WEB, *others)))
