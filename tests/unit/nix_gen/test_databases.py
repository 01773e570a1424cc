"""What databases and their replicas become: settings, units, accounts; and that no secret is among them."""

import subprocess
from typing import Any

import pytest
import yaml

from nix_gen.graph import Graph
from nix_gen.lower.site import Site
from nix_gen.nodes import Database
from nix_gen.replication import replica_name
from tests.support.lowering import Node, codes, graph_of, lowered, options

HOSTS: list[Node] = [
    {"kind": "host", "id": name, "addresses": [f"10.0.0.{number}"]}
    for number, name in enumerate(("one", "two", "three"), start=1)
]
ALL = ("postgresql", "mysql", "mariadb", "redis", "mongodb")


def _db(name: str, host: str, engine: str = "postgresql", **fields: Any) -> Node:
    return {"kind": "database", "id": name, "engine": engine, "host": host, **fields}


def _follows(source: str, target: str, **fields: Any) -> Node:
    return {"kind": "replicates", "source": source, "target": target, **fields}


def _pair(engine: str = "postgresql", **fields: Any) -> list[Node]:
    return [*HOSTS, _db("db", "one", engine, **fields), _db("copy", "two", engine), _follows("copy", "db")]


def _chain(engine: str = "postgresql", **fields: Any) -> list[Node]:
    return [*_pair(engine, **fields), _db("leaf", "three", engine), _follows("leaf", "copy")]


def test_a_primary_offers_each_replica_a_rule_a_role_and_a_slot() -> None:
    host = options(*_pair(), host="one")
    server = host["services"]["postgresql"]
    assert server["authentication"] == (
        '# copy -replicates-> db\nhost replication "replica_copy" 10.0.0.2/32 scram-sha-256\n'
    )
    assert server["settings"] == {
        "max_replication_slots": 10,
        "max_wal_senders": 10,
        "port": 5432,
        "wal_level": "replica",
    }
    unit = host["systemd"]["services"]["shop-users-db"]
    assert unit["serviceConfig"]["LoadCredential"] == ["db-replication:/run/secrets/db-replication"]
    assert "ALTER ROLE \"replica_copy\" WITH LOGIN REPLICATION PASSWORD :'password';" in unit["script"]
    assert "pg_create_physical_replication_slot('replica_copy')" in unit["script"]


def test_a_replica_follows_by_its_settings_and_makes_nothing_of_its_own() -> None:
    graph = _pair(
        databases=["app"],
        users=[{"name": "app", "password": "app-password"}],
        settings={"max_connections": 300, "work_mem": "8MB"},
        version="16",
        extensions=["postgis"],
    )
    host = options(*graph, host="two")
    server = host["services"]["postgresql"]
    assert server["settings"] == {
        "max_connections": 300,
        "max_replication_slots": 10,
        "max_wal_senders": 10,
        "port": 5432,
        "primary_conninfo": (
            "host=10.0.0.1 port=5432 user=replica_copy "
            "passfile=/run/shop-replica-copy/pgpass application_name=copy"
        ),
        "primary_slot_name": "replica_copy",
        "wal_level": "replica",
    }
    assert server["package"] == "pkgs.postgresql_16"
    assert "postgis" in server["extensions"]
    assert not {"ensureDatabases", "ensureUsers"} & set(server)
    services = host["systemd"]["services"]
    assert set(services) == {"postgresql-setup", "shop-replica-copy"}
    assert services["shop-replica-copy"]["requiredBy"] == ["postgresql.service"]
    assert services["postgresql-setup"]["unitConfig"]["ConditionPathExists"] == [
        '"!${config.services.postgresql.dataDir}/standby.signal"'
    ]


def test_a_synchronous_replica_is_named_and_set_up_does_not_wait_for_it() -> None:
    host = options(
        *HOSTS, _db("db", "one"), _db("copy", "two"), _follows("copy", "db", mode="sync"), host="one"
    )
    assert host["services"]["postgresql"]["settings"]["synchronous_standby_names"] == 'FIRST 1 ("copy")'
    for unit in ("postgresql-setup", "shop-users-db"):
        environment = host["systemd"]["services"][unit]["environment"]
        assert environment == {"PGOPTIONS": "-c synchronous_commit=local"}


def test_roles_of_the_whole_lineage_come_from_its_origin_and_slots_from_whom_they_serve() -> None:
    roles = options(*_chain(), host="one")["systemd"]["services"]["shop-users-db"]["script"]
    assert 'CREATE ROLE "replica_leaf"' in roles
    assert "slot('replica_leaf')" not in roles
    middle = options(*_chain(), host="two")
    assert "slot('replica_leaf')" in middle["systemd"]["services"]["shop-slots-copy"]["script"]
    assert '"replica_leaf" 10.0.0.3/32' in middle["services"]["postgresql"]["authentication"]


def test_clients_of_a_replica_log_in_as_the_users_of_its_primary() -> None:
    app = {"kind": "service", "id": "app", "host": "three", "package": "hello"}
    edge = {"kind": "connects_to", "source": "app", "target": "copy"}
    users = [{"name": "app", "password": "pw", "owns": ["app"]}]
    host = options(*_pair(databases=["app"], users=users), app, edge, host="two")
    assert 'host "app" "app" 10.0.0.3/32 scram-sha-256' in host["services"]["postgresql"]["authentication"]


@pytest.mark.parametrize("engine", ALL)
def test_the_password_of_a_replica_is_a_credential_wherever_it_is_used(engine: str) -> None:
    graph = _pair(engine, password="cache-pw") if engine == "redis" else _pair(engine)
    graph[3] |= (
        {"users": [{"name": "ops", "password": "ops-pw", "superuser": True}]} if engine != "redis" else {}
    )
    secret = "cache-pw" if engine == "redis" else "db-replication"
    for host in ("one", "two"):
        services = options(*graph, host=host).get("systemd", {}).get("services", {})
        holders = [
            name
            for name, unit in services.items()
            if f"{secret}:/run/secrets/{secret}" in unit.get("serviceConfig", {}).get("LoadCredential", [])
        ]
        assert holders or (engine == "redis" and host == "one")
        assert "masterAuth" not in str(options(*graph, host=host))


def test_a_redis_replica_includes_its_primary_s_password_and_a_synchronous_one_is_waited_for() -> None:
    graph = [*HOSTS, _db("db", "one", "redis", password="pw"), _db("copy", "two", "redis")]
    edge = _follows("copy", "db", mode="sync")
    primary = options(*graph, edge, host="one")["services"]["redis"]["servers"]["db"]
    assert primary["settings"] == {"min-replicas-to-write": 1}
    host = options(*graph, edge, host="two")
    server = host["services"]["redis"]["servers"]["copy"]
    assert server["slaveOf"] == {"ip": "10.0.0.1", "port": 6379}
    assert server["settings"]["include"] == "/run/shop-auth-copy/masterauth.conf"
    unit = host["systemd"]["services"]["shop-auth-copy"]
    assert unit["requiredBy"] == ["redis-copy.service"]


@pytest.mark.parametrize(
    ("engine", "version", "package"),
    [
        ("mysql", None, "mysql84"),
        ("mysql", "8.0.36", "mysql80"),
        ("mysql", "8", "mysql84"),
        ("mysql", "lts", "mysql84"),
        ("mysql", "5.7", "mysql84"),
        ("mariadb", None, "mariadb"),
        ("mariadb", "10.11.6", "mariadb_1011"),
        ("mariadb", "11", "mariadb_118"),
        ("mariadb", "10.1", "mariadb"),
    ],
)
def test_mysql_runs_in_the_version_asked_for_or_says_that_it_does_not(
    engine: str, version: str | None, package: str
) -> None:
    node: Node = {"kind": "database", "id": "db", "engine": engine, "version": version}
    assert options(node)["services"]["mysql"]["package"] == f"pkgs.{package}"
    assert ("version-not-packaged" in codes(node)) == (version in {"5.7", "10.1"})


def test_servers_of_a_mysql_lineage_have_ids_of_their_own_and_replicas_are_read_only() -> None:
    settings = [
        options(*_chain("mysql"), host=host)["services"]["mysql"]["settings"]["mysqld"]
        for host in ("one", "two", "three")
    ]
    assert len({one["server_id"] for one in settings}) == 3
    assert all(0 < one["server_id"] < 2**32 and one["gtid_mode"] == "ON" for one in settings)
    assert [one.get("read_only") for one in settings] == [None, "ON", "ON"]


def test_no_mysql_leaves_its_root_to_whoever_reaches_the_socket_and_no_mariadb_is_asked_to() -> None:
    for host in ("one", "two"):  # a replica too, which has no users of its own
        unit = options(*_pair("mysql"), host=host)["systemd"]["services"][
            "shop-users-db" if host == "one" else "shop-users-copy"
        ]
        assert "ALTER USER 'root'@'localhost' IDENTIFIED WITH auth_socket;" in unit["script"]
        assert "SET sql_log_bin = 0;" in unit["script"]
    replica = options(*_pair("mysql"), host="two")["systemd"]["services"]["shop-replica-copy"]
    assert "shop-users-copy.service" in replica["requires"]
    assert "auth_socket" not in str(options(*_pair("mariadb"), host="one"))


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_a_grant_is_for_the_database_it_names_and_for_no_other_that_looks_like_it(engine: str) -> None:
    users = [{"name": "far", "password": "pw", "owns": ["a_b"]}, {"name": "near", "owns": ["a_b"]}]
    host = options(*HOSTS, _db("db", "one", engine, databases=["a_b"], users=users), host="one")
    assert (
        "GRANT ALL PRIVILEGES ON \\`a\\_b\\`.* TO 'far'"
        in host["systemd"]["services"]["shop-users-db"]["script"]
    )
    (near,) = host["services"]["mysql"]["ensureUsers"]
    (named,) = near["ensurePermissions"]
    # The module says it in double quotes of a shell, as the script of the accounts does.
    said = subprocess.run(["sh", "-c", f'echo "ON {named}"'], capture_output=True, text=True, check=True)
    assert said.stdout == "ON `a\\_b`.*\n"


def test_a_mongodb_whose_users_have_no_administrator_stays_a_container() -> None:
    node = _db("db", "one", "mongodb", users=[{"name": "app", "password": "pw"}])
    assert "mongodb" not in options(*HOSTS, node, host="one").get("services", {})
    node["users"] = [{"name": "ops", "password": "pw", "superuser": True}]
    assert options(*HOSTS, node, host="one")["services"]["mongodb"]["enable"] is True


def test_a_client_of_one_member_of_a_mongodb_set_reaches_all_of_them() -> None:
    app = {"kind": "service", "id": "app", "host": "three", "package": "hello"}
    outsider = {"kind": "service", "id": "outsider", "host": "three", "package": "hello"}
    edge = {"kind": "connects_to", "source": "app", "target": "db"}
    graph = graph_of(*_pair("mongodb"), app, outsider, edge)
    assert [route.target.id for route in Site(graph).routes_from("app")] == ["copy", "db"]
    assert Site(graph).routes_from("outsider") == ()
    elsewhere = graph_of(*_pair("mongodb"), app, {**edge, "port": 9999})
    assert [route.target.id for route in Site(elsewhere).routes_from("app")] == ["db"]
    rules = options(*_pair("mongodb"), app, edge, host="two")["networking"]["firewall"]["extraInputRules"]
    assert "10.0.0.3" in rules


@pytest.mark.parametrize(("address", "bound"), [("10.0.0.9", "0.0.0.0"), ("fd00::9", "::,0.0.0.0")])
def test_a_mongodb_listens_on_the_addresses_that_its_host_has(address: str, bound: str) -> None:
    hosts = [{"kind": "host", "id": "one", "addresses": [address]}, HOSTS[1]]
    app = {"kind": "service", "id": "app", "host": "two", "package": "hello"}
    edge = {"kind": "connects_to", "source": "app", "target": "db"}
    server = options(*hosts, _db("db", "one", "mongodb"), app, edge, host="one")["services"]["mongodb"]
    # The module writes both into one document.
    conf = yaml.safe_load(f"net.bindIp: {server['bind_ip']}\n{server['extraConfig']}")
    assert conf["net.bindIp"] == bound
    assert conf.get("net.ipv6", False) is (":" in address)


def test_members_of_a_mongodb_set_reach_each_other_and_share_one_key() -> None:
    users = [{"name": "ops", "password": "pw", "superuser": True}]
    graph = [*_pair("mongodb", users=users), _db("leaf", "three", "mongodb"), _follows("leaf", "db")]
    for number, host in enumerate(("one", "two", "three"), start=1):
        found = options(*graph, host=host)
        assert found["services"]["mongodb"]["replSetName"] == "db"
        rules = found["networking"]["firewall"]["extraInputRules"]
        others = {f"10.0.0.{other}" for other in (1, 2, 3)} - {f"10.0.0.{number}"}
        assert all(f"ip saddr {{ {other} }} tcp dport {{ 27017 }}" in rules for other in others)
        (key,) = [name for name in found["systemd"]["services"] if name.startswith("shop-key-")]
        credentials = found["systemd"]["services"][key]["serviceConfig"]["LoadCredential"]
        assert credentials == ["db-replication:/run/secrets/db-replication"]


def test_a_replica_whose_primary_has_no_address_is_a_finding() -> None:
    graph = [
        {"kind": "host", "id": "one"},
        HOSTS[1],
        _db("db", "one"),
        _db("copy", "two"),
        _follows("copy", "db"),
    ]
    assert "host-without-address" in {finding.code for finding in lowered(*graph).findings}


def test_names_of_replicas_at_their_primary_are_short_and_never_the_same() -> None:
    ids = ["a-b", "a_b", "a", "x" * 63, "x" * 62]
    nodes = [{"kind": "database", "id": name, "engine": "postgresql"} for name in ids]
    graph = Graph.model_validate({"nodes": nodes})
    names = [replica_name(node) for node in graph.nodes if isinstance(node, Database)]
    assert len(set(names)) == len(ids)
    assert all(len(name) <= 32 and name.isidentifier() for name in names)
