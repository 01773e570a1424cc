"""Generated RabbitMQ settings: read by the server's own parser, and users made by the script of their unit.

The parser is the program with which the server reads its configuration when it starts, with the schemas of
the server and of the plugins that the settings name. It alone starts within a second; a server takes twenty.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nix_gen import translate
from nix_gen.graph import Graph
from tests.support.bus_graphs import ADDRESSES
from tests.support.lowering import options
from tests.support.native_checks import NativeProgram
from tests.support.nix_tools import gather
from tests.support.nixos_rendering import Config, host_configs, rabbitmq_conf

INSTALLED = Path("/usr/lib/rabbitmq/lib")
SCHEMAS = ("rabbit", "rabbitmq_prometheus", "rabbitmq_peer_discovery_common")
PARSE = """\
Said = (catch cuttlefish_escript:main(["-f", "rabbitmq", "-s", Schemas, "-e", Out, "-c", Conf, "generate"])),
io:format("parsed: ~p~n", [Said]), halt()."""
Parser = Callable[[str], str]
"""(text of rabbitmq.conf) -> what the parser says of it."""
USERS = [
    {"name": "app", "password": "app-pw", "configure": "^it's ${x} `y`", "read": ""},
    {"name": "root", "password": "root-pw", "administrator": True},
]


def _member(number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "message_bus", "id": f"b{number}", "engine": "rabbitmq", "host": f"h{number}", **fields}


def _graph(**fields: Any) -> Graph:
    hosts = [{"kind": "host", "id": host, "addresses": [address]} for host, address in ADDRESSES.items()]
    cluster = {"name": "c", "cookie": "ck"}
    buses = [_member(number, cluster=cluster, **fields) for number in (1, 2, 3)]
    app = {"kind": "service", "id": "app", "host": "h1", "package": "hello"}
    edges = [{"source": "app", "target": "b2", "kind": "connects_to"}]
    return Graph.model_validate({"name": "rabbits", "nodes": [*hosts, *buses, app], "edges": edges})


@pytest.fixture
def parser(native_program: NativeProgram, tmp_path: Path) -> Parser:
    native_program("rabbitmq-server")
    erl = native_program("erl")
    (plugins,) = INSTALLED.glob("rabbitmq_server-*/plugins")
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for name in SCHEMAS:
        (found,) = plugins.glob(f"*/priv/schema/{name}.schema")
        (schemas / found.name).write_bytes(found.read_bytes())

    def parse(text: str) -> str:
        file = tmp_path / "rabbitmq.conf"
        file.write_text(text, encoding="utf-8")
        names = {"Schemas": schemas, "Out": tmp_path / "out", "Conf": file}
        bound = "".join(f'{name} = "{path}", ' for name, path in names.items())
        code = [word for folder in sorted(plugins.glob("*/ebin")) for word in ("-pa", str(folder))]
        done = subprocess.run(
            [erl, "-noinput", "-boot", "no_dot_erlang", *code, "-eval", bound + PARSE],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout

    return parse


@pytest.mark.nix
@pytest.mark.shared
def test_the_server_s_own_parser_accepts_the_settings_of_every_member(
    nix: str, shared: Path, tmp_path: Path, parser: Parser
) -> None:
    del nix
    settings = {"heartbeat": 30, "vm_memory_high_watermark.relative": "0.5"}
    gather({"r": translate(_graph(monitor_port=15692, settings=settings))}, tmp_path / "flake")
    configs: dict[str, Config] = host_configs(shared, tmp_path / "flake")
    assert len(configs) == len(ADDRESSES)
    for config in configs.values():
        text = rabbitmq_conf(config)
        assert text is not None
        assert "cluster_formation.classic_config.nodes.3=rabbit@h3" in text
        said = parser(text)
        assert "parsed: ok" in said, said
        assert "error" not in said


def test_the_parser_refuses_what_the_server_would_refuse(parser: Parser) -> None:
    assert "cannot be converted to a(n) IP" in parser("listeners.tcp.1=:5672\n")


FAKE = """\
#!/bin/sh
{
  printf '<%s>' "$@"
  case $2 in add_user) printf ' < '; cat ;; *) echo ;; esac
} >> "$SAID"
case $2 in list_users) printf 'guest\\t[administrator]\\n' ;; esac
"""


def test_the_script_makes_users_without_a_password_in_its_words(tmp_path: Path) -> None:
    nodes = [
        node.model_dump(mode="json", exclude_defaults=True) | {"kind": node.kind} for node in _graph().nodes
    ]
    parts = [{**node, "users": USERS} if node["kind"] == "message_bus" else node for node in nodes]
    script = options(*parts, host="h1")["systemd"]["services"]["shop-users-b1"]["script"]
    fake = tmp_path / "rabbitmqctl"
    fake.write_text(FAKE, encoding="utf-8")
    fake.chmod(0o755)
    for name in ("app", "root"):
        (tmp_path / f"{name}-pw").write_text(f"secret of {name}\n", encoding="utf-8")
    said = tmp_path / "said"
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "SAID": str(said),
    }
    subprocess.run(["bash", "-euc", script], check=True, env=environment, timeout=30)
    lines = [line for line in said.read_text(encoding="utf-8").splitlines() if "list_users" not in line]
    assert lines == [
        "<--quiet><add_user><app> < secret of app",
        "<--quiet><set_user_tags><app>",
        "<--quiet><set_permissions><--vhost></><app><^it's ${x} `y`><.*><>",
        "<--quiet><add_user><root> < secret of root",
        "<--quiet><set_user_tags><root><administrator>",
        "<--quiet><set_permissions><--vhost></><root><><.*><.*>",
        "<--quiet><delete_user><guest>",
    ]
