"""`manages`: a right to exactly the units of a node, and what is said where there can be none."""

import json
import shutil
import subprocess

import pytest

from tests.support.bus_cases import edge
from tests.support.lowering import Node, lowered, options

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
AGENT: Node = {"kind": "agent", "id": "keeper", "package": "hello"}
WEB: Node = {"kind": "service", "id": "web", "image": "example/web", "replicas": 2}
DB: Node = {"kind": "database", "id": "db", "engine": "postgresql"}


def _rules(*parts: Node) -> str:
    return str(options(*parts)["security"]["polkit"]["extraConfig"])


def _decides(
    rules: str, user: str, unit: str, verb: str, action: str = "org.freedesktop.systemd1.manage-units"
) -> str:
    """What the rules say, run as JavaScript in place of polkit."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no JavaScript engine on PATH")
    script = (
        "let rule; const polkit = {addRule: f => { rule = f; }, Result: {YES: 'yes'}};\n"
        f"{rules}\n"
        f"const asked = {json.dumps({'unit': unit, 'verb': verb})};\n"
        f"const answer = rule({{id: {json.dumps(action)}, lookup: k => asked[k]}}, {{user: {json.dumps(user)}}});\nconsole.log(answer === undefined ? 'no opinion' : answer);\n"
    )
    return subprocess.run(
        [node, "-e", script], check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()


def test_a_manager_has_a_user_of_its_own_name_and_a_rule_for_its_units() -> None:
    parts = [AGENT, WEB, edge("keeper", "manages", "web")]
    host = options(*parts)
    service = host["systemd"]["services"]["shop-app-keeper"]["serviceConfig"]
    assert (service["DynamicUser"], service["User"]) == (True, "agent-keeper")
    assert host["security"]["polkit"]["enable"] is True
    rules = _rules(*parts)
    assert 'subject.user == "agent-keeper"' in rules
    assert '["podman-shop-web.1.service", "podman-shop-web.2.service"]' in rules


def test_the_rule_lets_the_manager_start_and_stop_its_units_and_nothing_else() -> None:
    rules = _rules(AGENT, WEB, edge("keeper", "manages", "web"))
    unit = "podman-shop-web.1.service"
    for verb in ("start", "stop", "restart"):
        assert _decides(rules, "agent-keeper", unit, verb) == "yes"
    for user, other, verb in (
        ("agent-other", unit, "start"),
        ("agent-keeper", "sshd.service", "start"),
        ("agent-keeper", unit, "kill"),
    ):
        assert _decides(rules, user, other, verb) == "no opinion"
    assert (
        _decides(rules, "agent-keeper", unit, "start", "org.freedesktop.systemd1.manage-unit-files")
        == "no opinion"
    )


def test_a_manager_with_a_user_is_known_by_it_and_root_needs_no_rule() -> None:
    manages = edge("keeper", "manages", "db")
    assert 'subject.user == "ops"' in _rules({**AGENT, "user": "ops"}, DB, manages)
    assert "security" not in options({**AGENT, "user": "root"}, DB, manages)


def test_a_long_name_stays_a_user_name() -> None:
    keeper = {**AGENT, "id": "k" * 60}
    host = options(keeper, DB, edge("k" * 60, "manages", "db"))
    user = host["systemd"]["services"][f"shop-app-{'k' * 60}"]["serviceConfig"]["User"]
    assert len(user) <= 31
    assert json.dumps(user) in host["security"]["polkit"]["extraConfig"]
    assert '["postgresql.service", "postgresql.target"]' in host["security"]["polkit"]["extraConfig"]


H1: Node = {"kind": "host", "id": "h1", "addresses": ["10.0.0.1"]}
H2: Node = {"kind": "host", "id": "h2", "addresses": ["10.0.0.2"]}


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        (
            [H1, H2, {**AGENT, "host": "h1"}, {**DB, "host": "h2"}, edge("keeper", "manages", "db")],
            "warning manages-elsewhere: keeper -manages-> db: db stands on h2, and the right to start and stop it ends at h1; place an agent on h2, and let the two talk over their message bus",
        ),
        (
            [{**AGENT, "package": None, "image": "example/keeper"}, DB, edge("keeper", "manages", "db")],
            "warning manages-from-container: keeper -manages-> db: keeper runs as a container, from which no unit of the host can be started or stopped; let it run as a package or a command",
        ),
        (
            [H1, {**AGENT, "host": "h1"}, edge("keeper", "manages", "h1")],
            "warning nothing-to-manage: keeper -manages-> h1: a host has no unit to start or stop, so keeper gets no right; let it manage the nodes that run there",
        ),
    ],
)
def test_where_no_right_can_be_given_it_is_said(parts: list[Node], note: str) -> None:
    assert note in [str(finding) for finding in lowered(*parts).findings]
