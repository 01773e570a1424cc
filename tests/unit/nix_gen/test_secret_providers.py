"""Who brings the secrets: what each provider writes, and how a secret reaches a service."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nix_gen import translate
from nix_gen.graph import Graph, SecretProvider
from nix_gen.lower import lower
from nix_gen.pin import AGENIX, NIXPKGS, lock_text
from nix_gen.render import render
from tests.support.lowering import options, plain

WEB = {
    "kind": "service",
    "id": "web",
    "package": "hello",
    "secrets": [{"name": "tls-key", "path": "/etc/key.pem"}, {"name": "api", "env": "API"}],
}
BOX = {"kind": "service", "id": "box", "image": "nginx:1", "secrets": [{"name": "box-key"}]}


def _graph(provider: SecretProvider, *nodes: dict[str, Any]) -> Graph:
    return Graph.model_validate({"graph": {"name": "shop", "secrets": provider.value}, "nodes": nodes})


def _host(provider: SecretProvider, *nodes: dict[str, Any]) -> Any:
    (module,) = lower(_graph(provider, *nodes)).modules
    return plain(module.body.body)


def test_the_provider_is_part_of_the_graph_and_files_are_not_worth_a_word() -> None:
    assert _graph(SecretProvider.FILES, WEB).to_node_link()["graph"] == {"name": "shop"}
    graph = _graph(SecretProvider.SOPS, WEB)
    assert graph.to_node_link()["graph"] == {"name": "shop", "secrets": "sops"}
    assert Graph.model_validate(json.loads(graph.canonical_json())) == graph


def test_a_service_finds_its_secret_file_where_it_expects_it_as_a_credential_of_its_own() -> None:
    service = options(WEB)["systemd"]["services"]["shop-app-web"]["serviceConfig"]
    assert service["LoadCredential"] == ["tls-key:/run/secrets/tls-key"]
    assert service["BindReadOnlyPaths"] == ["%d/tls-key:/etc/key.pem"]


def test_sops_knows_every_secret_of_a_host_and_which_units_to_restart() -> None:
    (module,) = lower(_graph(SecretProvider.SOPS, WEB, BOX)).modules
    text = render(module.body)
    assert "sops = lib.mkIf (builtins.pathExists ./secrets.yaml) {" in text
    assert 'tls-key.restartUnits = [ "shop-app-web.service" ];' in text
    assert 'api.restartUnits = [ "shop-env-web.service" ];' in text
    assert 'box-key.restartUnits = [ "podman-shop-box.service" ];' in text


def test_agenix_secrets_lie_in_a_place_of_their_own_and_containers_see_the_usual_one() -> None:
    (module,) = lower(_graph(SecretProvider.AGENIX, BOX)).modules
    assert "secrets.box-key.file = ./secrets/box-key.age;" in render(module.body)
    container = plain(module.body.body)["virtualisation"]["oci-containers"]["containers"]["shop-box"]
    assert container["volumes"] == ["/run/agenix/box-key:/run/secrets/box-key:ro"]


def test_systemd_decrypts_for_a_unit_and_makes_a_file_only_where_a_path_is_wanted() -> None:
    services = _host(SecretProvider.CREDENTIALS, WEB, BOX)["systemd"]["services"]
    assert services["shop-app-web"]["serviceConfig"]["LoadCredentialEncrypted"] == [
        "tls-key:/etc/credstore.encrypted/tls-key"
    ]
    files = services["shop-secrets"]
    assert files["serviceConfig"]["LoadCredentialEncrypted"] == ["box-key:/etc/credstore.encrypted/box-key"]
    assert files["before"][0] == "sysinit.target"
    assert "tls-key" not in files["script"]


def test_secrets_of_one_host_are_not_brought_to_another() -> None:
    nodes: list[dict[str, Any]] = [
        {"kind": "host", "id": "a"},
        {"kind": "host", "id": "b"},
        {**WEB, "host": "a"},
        {**BOX, "host": "b"},
    ]
    texts = {
        module.host.id: render(module.body) for module in lower(_graph(SecretProvider.SOPS, *nodes)).modules
    }
    assert "tls-key" in texts["a"]
    assert "box-key" not in texts["a"]
    assert "box-key" in texts["b"]
    assert "tls-key" not in texts["b"]


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (SecretProvider.SOPS, "uid = 1000;"),
        (SecretProvider.AGENIX, 'owner = "1000";'),
        (SecretProvider.CREDENTIALS, "install --mode=0400 --owner=1000"),
    ],
)
def test_a_secret_file_belongs_to_the_user_of_the_container(provider: SecretProvider, words: str) -> None:
    (module,) = lower(_graph(provider, {**BOX, "user": "1000"})).modules
    assert words in render(module.body)


def test_a_secret_file_has_one_owner_and_that_owner_has_a_number() -> None:
    named = lower(_graph(SecretProvider.SOPS, {**BOX, "user": "www"})).findings
    assert [str(finding) for finding in named] == [
        (
            "warning secret-unreadable: box: runs as www, whose number its image alone knows, "
            "and its secret files are root's; give the user as a number"
        )
    ]
    two = lower(_graph(SecretProvider.SOPS, {**BOX, "user": "7"}, {**BOX, "id": "c", "user": "8"})).findings
    assert [str(finding) for finding in two] == [
        (
            "warning secret-unreadable: box-key: users 7 and 8 are to read the file, and it has one owner; "
            "give one of them a secret of its own"
        )
    ]


def test_every_input_of_a_flake_is_locked() -> None:
    flake = translate(_graph(SecretProvider.AGENIX, WEB))
    lock = json.loads(flake.files["flake.lock"])
    assert flake.files["flake.lock"] == lock_text((NIXPKGS, AGENIX))
    assert set(lock["nodes"]) == {"agenix", "nixpkgs", "root", "systems"}
    assert lock["nodes"]["agenix"]["inputs"] == {
        "darwin": [],
        "home-manager": [],
        "nixpkgs": ["nixpkgs"],
        "systems": "systems",
    }
    assert "agenix.nixosModules.default" in flake.files["flake.nix"]


HOSTILE = [
    "plain",
    'a"b',
    "a\\b\\",
    "$HOME `id` $(id)",
    "two\nlines",
    " spaced ",
    "'",
    "äöü ✓",
    "#no comment",
    "%h",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_secret_in_a_variable_arrives_as_it_is(value: str, tmp_path: Path) -> None:
    # Inside double quotes systemd and the shell agree: a backslash before \ " $ ` stands for that character.
    unit = options(WEB)["systemd"]["services"]["shop-env-web"]
    (tmp_path / "api").write_text(value, encoding="utf-8")
    places = {"CREDENTIALS_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    environment = {**os.environ, **places}
    subprocess.run(["bash", "-e", "-c", unit["script"]], env=environment, check=True)
    read = f'. "{tmp_path}/env"; printf %s "$API"'
    got = subprocess.run(["bash", "-c", read], capture_output=True, check=True, timeout=20)
    assert got.stdout.decode() == value


def test_a_secret_of_several_lines_is_refused_where_podman_could_not_hold_it(tmp_path: Path) -> None:
    box = {**BOX, "secrets": [{"name": "box-key", "env": "KEY"}]}
    unit = options(box)["systemd"]["services"]["shop-env-box"]
    places = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    (tmp_path / "box-key").write_text("a\nb")
    done = subprocess.run(
        ["bash", "-e", "-c", unit["script"]], env=places, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "the secret box-key has several lines, and an environment file of podman holds one line each\n"
    )
    (tmp_path / "box-key").write_text('a"$b\\')
    subprocess.run(["bash", "-e", "-c", unit["script"]], env=places, check=True)
    assert (tmp_path / "env").read_text() == 'KEY=a"$b\\\n'
