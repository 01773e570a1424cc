"""What only a container has, from compose keys to options; files that are carried; networks kept apart."""

from typing import Any

import pytest

from nix_gen import GraphFileError, Loaded, loads
from nix_gen.concealment import holds_secret


def imported(keys: str, rest: str = "", files: dict[str, str] | None = None, **environment: str) -> Loaded:
    text = (
        f"services:\n  web: {{image: app, {keys}}}\n  peer: {{image: peer, container_name: the_peer}}\n{rest}"
    )
    return loads(text, file="shop.yaml", environment=environment, reader=(files or {}).get)


def web(loaded: Loaded) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == "web")


def notes(loaded: Loaded, code: str) -> list[str]:
    return [str(note) for note in loaded.notes if note.code == code]


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ("cap_add: [cap_net_admin, ALL]", {"cap_add": ["ALL", "NET_ADMIN"]}),
        (
            "devices: ['/dev/a:/dev/b:mr']",
            {"devices": [{"source": "/dev/a", "target": "/dev/b", "permissions": "rm"}]},
        ),
        ("gpus: all", {"cdi_devices": ["nvidia.com/gpu=all"]}),
        ("gpus: [{count: 2}]", {"cdi_devices": ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]}),
        (
            "deploy: {resources: {reservations: {devices: [{device_ids: ['3'], capabilities: [gpu]}]}}}",
            {"cdi_devices": ["nvidia.com/gpu=3"]},
        ),
        ("network_mode: host", {"network": "host"}),
        ("network_mode: 'service:peer'", {"network": "node:peer"}),
        ("network_mode: 'container:the_peer'", {"network": "node:peer"}),
        ("pid: 'service:peer', ipc: host", {"pid": "node:peer", "ipc": "host"}),
        (
            "ulimits: {nofile: 10, core: {soft: 1}}",
            {"ulimits": [{"hard": 1, "name": "core", "soft": 1}, {"hard": 10, "name": "nofile", "soft": 10}]},
        ),
        ("sysctls: [a.b=1]", {"sysctls": {"a.b": "1"}}),
        ("stop_grace_period: 1m30s", {"stop_grace_ms": 90_000}),
        (
            "security_opt: ['seccomp:unconfined', 'systempaths=unconfined']",
            {"security_opt": ["seccomp=unconfined", "unmask=ALL"]},
        ),
        ("mac_address: 02-42-AC-11-65-43", {"mac_address": "02:42:ac:11:65:43"}),
        ("pull_policy: if_not_present", {"pull": "missing"}),
        ("restart: 'on-failure:3'", {"restart_max_count": 3}),
        (
            "extra_hosts: ['a:10.0.0.1', 'b=[::1]']",
            {"extra_hosts": [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "::1"}]},
        ),
        ("cpu_quota: 50ms, cpu_period: 100000", {"cpu_quota_us": 50_000, "cpu_period_us": 100_000}),
        ("memswap_limit: -1", {"memory_swap_bytes": -1}),
        ("privileged: false, init: false, dns: []", None),
    ],
)
def test_a_key_becomes_the_option_of_its_meaning(keys: str, options: dict[str, object] | None) -> None:
    assert web(imported(keys)).get("container") == options


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "userns_mode: 'keep-id:uid=5'",
            "'userns_mode' of service 'web' (keep-id:uid=5) is not carried over",
        ),
        ("logging: {driver: gelf}", "'logging' of service 'web' (gelf) is not carried over"),
        (
            "security_opt: ['seccomp:./p.json']",
            "'security_opt' of service 'web' (seccomp:./p.json) is not carried over",
        ),
        (
            "network_mode: 'container:gone'",
            "'network_mode' of service 'web' (container:gone) is not carried over",
        ),
        (
            "network_mode: host, sysctls: {net.core.somaxconn: 1}",
            "'sysctls' of service 'web' is not carried over",
        ),
        ("network_mode: 'service:peer', dns: 1.1.1.1", "'dns' of service 'web' is not carried over"),
        ("pid: 'container:gone'", "'pid' of service 'web' (container:gone) is not carried over"),
        ("gpus: [{driver: other}]", "'gpus' of service 'web' (other) is not carried over"),
    ],
)
def test_what_podman_cannot_do_is_a_warning(keys: str, message: str) -> None:
    found = [note for note in imported(keys).notes if note.code == "not-carried-over"]
    assert [(note.message, note.severity.value) for note in found] == [(message, "warning")]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("ulimits: {nofile: many}", "service 'web', ulimits.nofile: 'many' is not a whole number"),
        ("shm_size: big", "service 'web', shm_size: 'big' is not a size such as 512m"),
        (
            "network_mode: 'service:pear'",
            "names the service 'pear', which does not run here; did you mean 'peer'?",
        ),
        (
            "network_mode: host, networks: [a]",
            "service 'web': has both 'network_mode' and 'networks'; keep one of",
        ),
        ("networks: [gone]", "service 'web', networks: names the network 'gone', which does not exist"),
        ("deploy: {replicas: 2}, scale: 3", "says '3' in 'scale' and '2' in 'deploy'; keep one of them"),
        ("privileged: perhaps", "is 'perhaps', where true or false is needed"),
    ],
)
def test_a_value_that_compose_refuses_is_one_clear_error(keys: str, message: str) -> None:
    with pytest.raises(GraphFileError) as caught:
        imported(keys)
    assert message in str(caught.value)


def test_a_small_file_beside_is_carried_and_a_secret_one_is_not() -> None:
    files = {
        "./a.conf": "listen 80;\n",
        "./run.sh": "#!/bin/sh\ntrue\n",
        "./b.conf": "password = hunter2hunter2\n",
        "./server.key": "text",
        "./big.txt": "x" * 70_000,
        "./state.db": "text",
        "./empty.json": "",
    }
    targets = ", ".join(f"'{name}:/f/{name[2:]}'" for name in files)
    loaded = imported(f"volumes: [{targets}]", files=files)
    assert web(loaded)["files"] == [
        {"path": "/f/a.conf", "text": "listen 80;\n"},
        {"mode": "0555", "path": "/f/run.sh", "text": "#!/bin/sh\ntrue\n"},
    ]
    assert notes(loaded, "file-carried")[0] == (
        "info file-carried: web: the text of './a.conf' is part of the graph, as /f/a.conf of the node; "
        "change it in the graph from now on, or import again"
    )
    assert notes(loaded, "file-kept-out") == [
        f"info file-kept-out: web: the text of '{name}' is not taken into the graph: {reason}; "
        "bring it to the host like a secret"
        for name, reason in (
            ("./b.conf", "something in it looks like a secret"),
            ("./big.txt", "it is longer than 65,536 characters"),
            ("./server.key", "its name says that it holds secrets"),
        )
    ]
    assert len(web(loaded)["mounts"]) == 5
    assert "hunter2" not in str(loaded.graph.to_node_link())


def test_configs_become_files_and_secret_ones_references() -> None:
    rest = (
        "configs:\n  plain: {content: 'a = ${X}'}\n  hidden: {content: 'token: abcdefgh'}\n"
        "  given: {environment: GIVEN}\n  owed: {environment: OWED}\n  file: {file: ./c.conf}\n"
        "  outside: {external: true}\n"
    )
    keys = (
        "configs: [{source: plain, target: /etc/p, mode: 0440, uid: '5'}, hidden, given, owed, file, outside]"
    )
    loaded = imported(keys, rest, files={"./c.conf": "c\n"}, X="1", GIVEN="g")
    assert web(loaded)["files"] == [
        {"mode": "0440", "path": "/etc/p", "text": "a = 1", "uid": 5},
        {"path": "/file", "text": "c\n"},
        {"path": "/given", "text": "g"},
    ]
    assert web(loaded)["secrets"] == [
        {"name": "web.config-hidden", "path": "/hidden"},
        {"name": "web.config-owed", "path": "/owed"},
    ]
    assert [note.message for note in loaded.notes if note.code == "not-carried-over"] == [
        "the config 'outside' is not carried over"
    ]


def test_networks_are_carried_only_where_they_keep_something_apart() -> None:
    text = """
        services:
          a: {image: a, networks: [front], environment: {B: 'http://b:80', C: 'http://c:80'}}
          b: {image: b, networks: {front: , back: {aliases: [bb]}}}
          c: {image: c, networks: [back]}
        networks: {front: , back: }
    """
    loaded = loads(text, file="shop.yaml")
    found = {one["id"]: one for one in loaded.graph.to_node_link()["nodes"]}
    assert found["a"]["container"] == {"networks": [{"name": "front"}]}
    assert found["b"]["container"] == {"networks": [{"aliases": ["bb"], "name": "back"}, {"name": "front"}]}
    assert [(edge.source, edge.target) for edge in loaded.graph.edges] == [("a", "b")]
    together = loads(
        "services: {a: {image: a, networks: [n]}, b: {image: b, networks: [n]}}\nnetworks: {n: }"
    )
    assert all("container" not in one for one in together.graph.to_node_link()["nodes"])


def test_a_network_of_another_project_is_told() -> None:
    loaded = imported("networks: [proxy]", "networks: {proxy: {external: true}}")
    assert notes(loaded, "network-outside") == [
        (
            "warning network-outside: shop: the network 'proxy' is another "
            "project's, whose containers it does not "
            "lead to; bring both projects into one graph, or reach the other by a published port"
        )
    ]


def test_a_container_in_the_network_of_its_host_publishes_its_own_ports() -> None:
    loaded = imported("network_mode: host, ports: ['8080:80']")
    assert web(loaded)["ports"] == [{"port": 80, "published": 80}]
    assert notes(loaded, "port-decided") == [
        (
            "warning port-decided: web: service 'web' is in the network of its "
            "host, so port 80 is published as it "
            "is; reach it there, or take 'network_mode: host' away"
        )
    ]
    assert notes(imported("network_mode: host"), "host-ports") == [
        (
            "warning host-ports: web: service 'web' is in the network of its host "
            "and names no port, so the firewall "
            "opens none; name its ports under 'ports:'"
        )
    ]


def test_reaching_the_host_is_told() -> None:
    assert notes(imported("extra_hosts: ['host.docker.internal:host-gateway']"), "host-reached") == [
        (
            "warning host-reached: web: service 'web' reaches its host as "
            "'host.docker.internal', whose firewall lets "
            "nothing through; open the port in the host's configuration, or make "
            "the program a node with an edge"
        )
    ]


def test_volumes_of_another_service_are_taken_over() -> None:
    text = (
        "services:\n  a: {image: a, volumes: ['data:/data', './x:/x']}\n"
        "  b: {image: b, volumes: ['own:/x'], volumes_from: ['a:ro']}\nvolumes: {data: , own: }\n"
    )
    loaded = loads(text, file="shop.yaml")
    mounts = {(edge.source, edge.target, getattr(edge, "read_only", None)) for edge in loaded.graph.edges}
    assert mounts == {("a", "data", False), ("b", "data", True), ("b", "own", False)}


def test_labels_and_variables_come_from_files_of_either_format() -> None:
    files = {"l.env": "a=1\n", "raw.env": "PATTERN=$x 'y' # z\n"}
    keys = "label_file: l.env, env_file: [{path: raw.env, format: raw}, {path: gone, required: false}]"
    loaded = imported(keys, files=files)
    assert web(loaded)["labels"] == {"a": "1"}
    assert web(loaded)["environment"] == {"PATTERN": "$x 'y' # z"}
    assert loaded.notes == ()


def test_a_name_in_one_network_is_a_name_of_the_node_where_nothing_is_kept_apart() -> None:
    text = """
        services:
          db: {image: 'postgres:17', networks: {back: {aliases: [database]}}}
          app: {image: a, networks: [back], environment: {DB_HOST: database}}
        networks: {back: }
    """
    loaded = loads(text, file="shop.yaml")
    found = {one["id"]: one for one in loaded.graph.to_node_link()["nodes"]}
    assert found["db"]["aliases"] == ["database"]
    assert [(edge.source, edge.target) for edge in loaded.graph.edges] == [("app", "db")]


def test_who_is_named_in_a_carried_file_is_connected_to() -> None:
    files = {"./app.yml": "database: postgres://peer/app\nmetrics: peer:9187\npeer: {}\n"}
    loaded = imported("volumes: ['./app.yml:/app.yml']", files=files)
    (edge,) = loaded.graph.edges
    assert (edge.source, edge.target, getattr(edge, "port", None)) == ("web", "peer", 9187)


@pytest.mark.parametrize(
    "text",
    [
        "requirepass hunter22\n",
        "<smtp><password>hunter22</password></smtp>",
        "CREATE USER u IDENTIFIED BY 'hunter22';",
        "ALTER ROLE u PASSWORD 'hunter22';",
        'proxy_set_header Authorization "Basic aHVudGVyMjI=";',
        '{"apiToken": "hunter22"}',
        "db: postgres://u:hunter22@db/x\n",
        "-----BEGIN PRIVATE KEY-----\nx\n",
    ],
)
def test_a_secret_in_a_file_is_seen_however_it_is_written(text: str) -> None:
    loaded = imported("volumes: ['./settings:/settings']", files={"./settings": text})
    assert "files" not in web(loaded)
    assert "hunter22" not in str(loaded.graph.to_node_link())


@pytest.mark.parametrize(
    "text",
    [
        "password = ${DB_PASSWORD}\n",
        "password_file: /run/secrets/pw\n",
        "password: <secret>\n",
        "password required pam_unix.so\n# token: see the wiki\nkey: value\n".replace("password", "auth"),
        "ssl_certificate_key /etc/ssl/key.pem;\n",
    ],
)
def test_a_file_that_names_where_its_secret_is_holds_none(text: str) -> None:
    loaded = imported("volumes: ['./settings:/settings']", files={"./settings": text})
    assert [file["text"] for file in web(loaded)["files"]] == [text]


@pytest.mark.parametrize("text", ["\n", "a", "-eyJ", "a://", "<a>", "a: ", "IDENTIFIED ", "Authorization: "])
def test_looking_for_secrets_takes_time_in_proportion_to_the_text(text: str) -> None:
    whole = (text * 65_536)[:65_536]
    assert not holds_secret(whole)  # with one step too many per letter this would take minutes
