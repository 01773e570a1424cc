"""Message buses on their hosts: clusters, clients, data directories, containers, and what is said aloud."""

import json
from typing import Any

import pytest

from conclave.address import URL_VARIABLE
from conclave.identity import RESERVED_NAMES, agent_permissions
from coordination.runtime.names import Subjects
from nix_gen import validate
from nix_gen.lower import agents
from nix_gen.lower.bus_rights import conclave_subjects
from nix_gen.rules.buses import CONCLAVE_NAMES
from tests.support.bus_cases import APP, BUS, KEYS, TLS, WEB, edge
from tests.support.lowering import Node, graph_of, lowered, options

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
HOSTS: list[Node] = [
    {"kind": "host", "id": f"h{number}", "addresses": [f"10.0.0.{number}"]} for number in (1, 2, 3)
]
AGENT: Node = {"kind": "agent", "id": "reviewer", "package": "hello", "nkey": KEYS[2]}


def _members(engine: str = "nats", **more: Any) -> list[Node]:
    cluster = {"name": "c", **more.pop("cluster", {})}
    return [
        {**BUS, "id": f"b{number}", "host": f"h{number}", "engine": engine, "cluster": cluster, **more}
        for number in (1, 2, 3)
    ]


def _notes(*parts: Node) -> list[str]:
    return [str(finding) for finding in lowered(*parts).findings]


def _nats(*parts: Node, host: str = "shop") -> dict[str, Any]:
    found: dict[str, Any] = options(*parts, host=host)["services"]["nats"]
    return found


def test_an_agent_has_the_permissions_that_conclave_gives_it() -> None:
    granted = agent_permissions("reviewer", Subjects("conclave"))
    assert conclave_subjects("reviewer") == (granted.publish, granted.subscribe)
    assert not granted.may_answer
    assert CONCLAVE_NAMES == RESERVED_NAMES
    assert agents.URL_VARIABLE == URL_VARIABLE


def test_members_of_a_cluster_dial_each_other_and_let_in_nobody_else() -> None:
    host = options(*HOSTS, *_members(), host="h2")
    cluster = host["services"]["nats"]["settings"]["cluster"]
    assert cluster == {
        "name": "c",
        "listen": "0.0.0.0:6222",
        "no_advertise": True,
        "routes": ["nats://10.0.0.1:6222", "nats://10.0.0.3:6222"],
    }
    rules = host["networking"]["firewall"]["extraInputRules"].splitlines()
    assert rules == [
        'ip saddr { 10.0.0.1 } tcp dport { 6222 } accept comment "b1 -> b2 (cluster)"',
        'ip saddr { 10.0.0.3 } tcp dport { 6222 } accept comment "b3 -> b2 (cluster)"',
    ]


def test_a_replicates_edge_joins_two_servers_whatever_it_is_called() -> None:
    pair = [
        {**BUS, "id": f"b{n}", "host": f"h{n}", "cluster": {"name": "c", "port": 6000 + n}} for n in (1, 2)
    ]
    other = {**BUS, "id": "b3", "host": "h3", "cluster": {"name": "d"}}
    host = options(*HOSTS, *pair, other, edge("b2", "replicates", "b1"), host="h1")
    assert host["services"]["nats"]["settings"]["cluster"]["routes"] == ["nats://10.0.0.2:6002"]
    assert "6222" not in host["networking"]["firewall"]["extraInputRules"]


def test_members_with_certificates_read_them_when_they_start() -> None:
    host = options(*HOSTS, *_members(cluster={"tls": TLS}), host="h1")
    nats = host["services"]["nats"]
    assert nats["settings"]["cluster"]["tls"] == {
        "cert_file": "/run/credentials/nats.service/cert",
        "key_file": "/run/credentials/nats.service/key",
        "ca_file": "/run/credentials/nats.service/ca",
        "verify": True,
    }
    assert nats["settings"]["cluster"]["routes"][0] == "tls://10.0.0.2:6222"
    assert nats["validateConfig"] is False
    assert host["systemd"]["services"]["nats"]["serviceConfig"]["LoadCredential"] == [
        "ca:/run/secrets/ca", "cert:/run/secrets/cert", "key:/run/secrets/key",
    ]  # fmt: skip


def test_every_member_knows_every_client_whichever_member_its_edge_leads_to() -> None:
    parts = [*HOSTS, *_members(), {**APP, "host": "h1"}, {**WEB, "host": "h3"}]
    parts += [edge("app", "publishes_to", "b1", subjects=["a"]), edge("web", "subscribes_to", "b3")]
    known = [_nats(*parts, host=f"h{n}")["settings"]["authorization"]["users"] for n in (1, 2, 3)]
    assert known[0] == known[1] == known[2]
    assert [user["nkey"] for user in known[0]] == [APP["nkey"], WEB["nkey"]]
    assert known[0][0]["permissions"] == {
        "publish": {"allow": ["a"]},
        "subscribe": {"allow": ["_INBOX_app.>"]},
    }
    assert known[0][1]["permissions"] == {
        "publish": {"deny": [">"]},
        "subscribe": {"allow": [">", "_INBOX_web.>"], "deny": ["$JS.>", "$SYS.>", "_INBOX.>"]},
    }


def test_a_program_that_cannot_choose_its_inbox_shares_one() -> None:
    shared = {**APP, "shared_inbox": True}
    (user,) = _nats(shared, BUS, edge("app", "publishes_to", "bus", subjects=["a"]))["settings"][
        "authorization"
    ]["users"]
    assert user["permissions"]["subscribe"] == {"allow": ["_INBOX.>"]}


def test_a_rabbitmq_with_clients_elsewhere_names_the_address_it_listens_on() -> None:
    rabbit = {**BUS, "engine": "rabbitmq", "host": "h1"}
    parts = [*HOSTS, rabbit, {**APP, "host": "h2"}, edge("app", "connects_to", "bus")]
    assert options(*parts, host="h1")["services"]["rabbitmq"]["listenAddress"] == "0.0.0.0"
    assert options({**BUS, "engine": "rabbitmq"})["services"]["rabbitmq"]["listenAddress"] == "127.0.0.1"


def test_the_monitoring_of_a_server_is_switched_on_by_its_port() -> None:
    assert _nats({**BUS, "monitor_port": 8222})["settings"]["http_port"] == 8222
    assert "http_port" not in _nats(BUS)["settings"]


def test_a_responder_may_answer_once_and_soon() -> None:
    said = edge("app", "subscribes_to", "bus", subjects=["a"], responds=True)
    (user,) = _nats(APP, BUS, said)["settings"]["authorization"]["users"]
    assert user["permissions"]["allow_responses"] == {"max": 1, "expires": "10s"}
    assert user["permissions"]["publish"] == {"deny": [">"]}


def test_the_store_of_jetstream_has_a_directory_a_limit_and_zones() -> None:
    zoned = [{**host, "zone": f"z{place}"} for place, host in enumerate(HOSTS)]
    disk = {"kind": "storage", "id": "disk", "host": "h1", "path": "/big disk", "size_bytes": 4096}
    mount = edge("b1", "mounts_volume", "disk", path="/data")
    host = options(*zoned, *_members(jetstream=True), disk, mount, host="h1")
    nats = host["services"]["nats"]
    assert nats["dataDir"] == "/big disk"
    assert nats["settings"]["jetstream"] == {"max_file_store": 4096, "unique_tag": "zone:"}
    assert nats["settings"]["server_tags"] == ["zone:z0"]
    assert host["systemd"]["tmpfiles"]["rules"] == ["d /big\\x20disk 0750 nats nats -"]


def test_settings_with_dots_lie_inside_each_other_and_none_undoes_what_the_graph_says() -> None:
    settings = {
        "jetstream.sync_interval": "always", "max_payload": 1024, "mqtt.port": 1883, "cluster.name": "x",
        "authorization": True, "a": 1, "a.b": 2,
    }  # fmt: skip
    parts = [{**BUS, "jetstream": True, "settings": settings}]
    given = _nats(*parts)["settings"]
    assert given["jetstream"] == {"sync_interval": "always"}
    assert (given["max_payload"], given["mqtt"], given["a"]) == (1024, {"port": 1883}, 1)
    assert "cluster" not in given
    assert "authorization" not in given
    assert any("a.b, authorization, cluster.name" in note for note in _notes(*parts))


def test_an_agent_is_told_its_servers_unless_it_knows_them() -> None:
    second = {**BUS, "id": "second", "host": "h2", "port": 4333}
    parts = [*HOSTS, {**AGENT, "host": "h1"}, {**BUS, "host": "h1"}, second]
    parts += [edge("reviewer", "connects_to", "bus"), edge("reviewer", "publishes_to", "second")]
    unit = options(*parts, host="h1")["systemd"]["services"]["shop-app-reviewer"]
    assert unit["environment"] == {"CONCLAVE_URL": "nats://bus:4222,nats://second:4333"}
    own = {**AGENT, "environment": {"CONCLAVE_URL": "nats://x"}}
    unit = options(own, BUS, edge("reviewer", "connects_to", "bus"))["systemd"]["services"][
        "shop-app-reviewer"
    ]
    assert unit["environment"] == {"CONCLAVE_URL": "nats://x"}
    secret = {**AGENT, "secrets": [{"name": "url", "env": "CONCLAVE_URL"}]}
    unit = options(secret, BUS, edge("reviewer", "connects_to", "bus"))["systemd"]["services"][
        "shop-app-reviewer"
    ]
    assert "environment" not in unit


def test_a_second_nats_of_a_host_runs_on_the_same_configuration_in_a_container() -> None:
    one, other = ({**BUS, "id": name, "port": port} for name, port in (("a", 4222), ("b", 4223)))
    other |= {"jetstream": True, "cluster": {"name": "c", "port": 6333}}
    far = {**BUS, "id": "far", "host": "h2", "cluster": {"name": "c"}}
    parts = [*HOSTS, {**one, "host": "h1"}, {**other, "host": "h1"}, far, {**APP, "host": "h1"}]
    parts.append(edge("app", "publishes_to", "b", subjects=["x"]))
    host = options(*parts, host="h1")
    container = host["virtualisation"]["oci-containers"]["containers"]["shop-b"]
    assert container["cmd"] == ["--config", "/etc/nats/nats-server.conf"]
    assert "shop_b.jetstream:/data" in container["volumes"]
    (file,) = (held for name, held in host["environment"]["etc"].items() if name.endswith("nats-server.conf"))
    document = json.loads(file["text"])
    assert document["cluster"] == {
        "name": "c", "listen": "0.0.0.0:6333", "advertise": "10.0.0.1:6333", "no_advertise": True,
        "routes": ["nats://10.0.0.2:6222"],
    }  # fmt: skip
    assert document["jetstream"] == {"store_dir": "/data"}
    assert [user["nkey"] for user in document["authorization"]["users"]] == [APP["nkey"]]
    peer = options(*parts, host="h2")["services"]["nats"]["settings"]["cluster"]
    assert peer["routes"] == ["nats://10.0.0.1:6333"]


def test_a_nats_with_a_configuration_of_its_own_is_said_to_be_open() -> None:
    own = {
        **BUS,
        "mounts": [{"source": "/srv/x", "target": "/etc/nats/nats-server.conf"}],
        "settings": {"a": 1},
    }
    notes = _notes(APP, own, edge("app", "publishes_to", "bus", subjects=["a"]))
    mend = "say them there, or leave the configuration to the graph"
    without = ("nkeys of its clients are not asked for", "settings and cluster are not used")
    codes = (f"warning bus-open: bus: brings its own configuration, so the {without[0]}; {mend}",
             f"warning settings-not-used: bus: brings its own configuration, so its {without[1]}; {mend}")  # fmt: skip
    assert notes == list(codes)


OPEN = "whoever reaches its port may use every subject and topic; the firewall alone decides who does"


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        (
            [{**APP, "nkey": None}, BUS, edge("app", "publishes_to", "bus", subjects=["a"])],
            f"warning bus-open: bus: {OPEN}; give all its clients an nkey",
        ),
        (
            [APP, {**BUS, "engine": "kafka"}, edge("app", "publishes_to", "bus")],
            f"warning bus-open: bus: {OPEN}; keep to it programs that trust each other",
        ),
        (
            [APP, {**BUS, "engine": "rabbitmq"}, edge("app", "connects_to", "bus")],
            "warning bus-without-users: bus: RabbitMQ lets its guest in from its own host only, and the node has no users; name users with their passwords",
        ),
        (
            [APP, BUS, edge("app", "subscribes_to", "bus")],
            "warning subjects-open: app: may use every subject of bus, those of other clients and their answers among them; name the subjects on its publishes_to and subscribes_to edges",
        ),
        (
            [APP, {**BUS, "engine": "kafka"}, edge("app", "publishes_to", "bus", subjects=["a"])],
            "warning subjects-not-enforced: app -publishes_to-> bus: the connection is opened; bus does not restrict it to the subjects; add permissions to the bus yourself",
        ),
    ],
)
def test_what_a_bus_leaves_open_is_said(parts: list[Node], note: str) -> None:
    assert note in _notes(*parts)


def test_a_guarded_bus_with_named_subjects_needs_no_word() -> None:
    assert _notes(APP, BUS, edge("app", "publishes_to", "bus", subjects=["a"])) == []


def test_kafka_servers_form_one_cluster_without_zookeeper() -> None:
    parts = [*HOSTS, *_members("kafka", resources={"memory_limit_bytes": 2**31})]
    kafka = [options(*parts, host=f"h{n}")["services"]["apache-kafka"] for n in (1, 2, 3)]
    assert len({one["clusterId"] for one in kafka}) == 1
    assert [one["settings"]["node.id"] for one in kafka] == [1, 2, 3]
    voters = [f"{n}@10.0.0.{n}:9093" for n in (1, 2, 3)]
    assert all(one["settings"]["controller.quorum.voters"] == voters for one in kafka)
    assert kafka[1]["settings"]["listeners"] == ["PLAINTEXT://:9092", "CONTROLLER://:9093"]
    assert kafka[1]["settings"]["advertised.listeners"] == ["PLAINTEXT://10.0.0.2:9092"]
    assert kafka[1]["settings"]["offsets.topic.replication.factor"] == 3
    assert kafka[1]["settings"]["min.insync.replicas"] == 2
    assert kafka[1]["jvmOptions"] == ["-Xms1024m", "-Xmx1024m"]


def test_a_kafka_alone_keeps_its_controller_to_itself() -> None:
    bus = {**BUS, "engine": "kafka", "settings": {"log.retention.hours": 24, "node.id": 7}}
    host = options(APP, bus, edge("app", "connects_to", "bus"))
    settings = host["services"]["apache-kafka"]["settings"]
    assert settings["listeners"] == ["PLAINTEXT://127.0.0.1:9092", "CONTROLLER://127.0.0.1:9093"]
    assert settings["controller.quorum.voters"] == ["1@127.0.0.1:9093"]
    assert settings["log.retention.hours"] == 24
    assert settings["node.id"] == 1
    assert "extraInputRules" not in host["networking"]["firewall"]


def test_a_client_of_one_kafka_reaches_every_member_that_may_keep_its_partition() -> None:
    parts = [*HOSTS, *_members("kafka"), {**APP, "host": "h1"}, edge("app", "publishes_to", "b2")]
    for number in (2, 3):
        rules = options(*parts, host=f"h{number}")["networking"]["firewall"]["extraInputRules"]
        wanted = (
            f'ip saddr {{ 10.0.0.1 }} tcp dport {{ 9092 }} accept comment "app -> b{number} (publishes_to)"'
        )
        assert wanted in rules


def test_a_kafka_on_a_disk_of_its_own_keeps_clear_of_lost_and_found() -> None:
    disk = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/vdb"}
    bus = {**BUS, "engine": "kafka"}
    host = options(bus, disk, edge("bus", "mounts_volume", "disk", path="/data"))
    assert host["services"]["apache-kafka"]["settings"]["log.dirs"] == ["/var/lib/shop/disk/data"]


def test_rabbitmq_members_share_a_cookie_that_is_nowhere_in_the_text() -> None:
    users = [{"name": "app", "password": "pw", "configure": "^app'", "administrator": True}]
    parts = [*HOSTS, *_members("rabbitmq", cluster={"cookie": "ck"}, users=users, monitor_port=15692)]
    host = options(*parts, host="h1")
    rabbit = host["services"]["rabbitmq"]
    assert rabbit["plugins"] == ["rabbitmq_prometheus"]
    assert rabbit["configItems"] == {
        "cluster_formation.peer_discovery_backend": "classic_config",
        **{f"cluster_formation.classic_config.nodes.{n}": f"rabbit@h{n}" for n in (1, 2, 3)},
        "prometheus.tcp.port": "15692",
    }
    unit = host["systemd"]["services"]["rabbitmq"]
    assert unit["environment"] == {"RABBITMQ_NODENAME": "rabbit@h1", "RABBITMQ_DIST_PORT": "25672"}
    assert unit["serviceConfig"]["LoadCredential"] == ["ck:/run/secrets/ck"]
    assert '"$CREDENTIALS_DIRECTORY/ck" /var/lib/rabbitmq/.erlang.cookie' in unit["preStart"]
    assert "h2" in host["networking"]["hosts"]["10.0.0.2"]
    script = host["systemd"]["services"]["shop-users-b1"]["script"]
    assert 'rabbitmqctl --quiet "$verb" app < "$CREDENTIALS_DIRECTORY/pw"' in script
    assert """set_permissions --vhost / app '^app'"'"'' '.*' '.*'""" in script
    assert "delete_user guest" in script
    assert "shop-users-b2" not in options(*parts, host="h2")["systemd"]["services"]


def test_a_rabbitmq_setting_cannot_become_a_second_line() -> None:
    bus = {**BUS, "engine": "rabbitmq", "settings": {"heartbeat": "10\nloopback_users = none", "a": True}}
    assert options(bus)["services"]["rabbitmq"]["configItems"] == {"a": "true"}
    assert any(note.startswith("warning not-used: bus: the settings heartbeat") for note in _notes(bus))


def _standby(host: str, subjects: list[str]) -> list[Node]:
    node = {"kind": "service", "id": f"keep-{host}", "host": host, "package": "hello", "nkey": KEYS[0]}
    machine = {"kind": "host", "id": host, "addresses": [f"10.0.0.{ord(host) % 8}"]}
    return [machine, node, edge(str(node["id"]), "publishes_to", "bus", subjects=subjects)]


def test_one_program_on_two_hosts_is_one_user_with_an_inbox_for_each() -> None:
    parts = [*_standby("a", ["k.>"]), *_standby("b", ["k.>"]), {**BUS, "host": "a"}]
    (user,) = _nats(*parts, host="a")["settings"]["authorization"]["users"]
    assert user["permissions"]["publish"] == {"allow": ["k.>"]}
    assert user["permissions"]["subscribe"] == {"allow": ["_INBOX_keep-a.>", "_INBOX_keep-b.>"]}
    assert not [note for note in _notes(*parts) if note.startswith("error")]


def test_two_programs_with_one_key_are_refused_even_on_two_hosts() -> None:
    parts = [*_standby("a", ["k.>"]), *_standby("b", [">"]), {**BUS, "host": "a"}]
    graph = graph_of(*parts)
    assert "identity-twice" in {finding.code for finding in validate(graph)}
