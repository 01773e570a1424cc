"""Compose files that name other compose files: `include` and `extends` with a `file`."""

import textwrap
from typing import Any

import pytest

from nix_gen import GraphFileError, Loaded, loads

COMMON = """
    services:
      base: {image: app:1, environment: {A: "1"}, volumes: ['./html:/html', 'data:/data'], build: .}
      web: {image: other, command: run}
      again: {extends: base}
      loop: {extends: {file: deep/common.yaml, service: loop}}
    volumes: {data: }
"""


def imported(text: str, **files: str) -> Loaded:
    found = {name.replace("__", "/") + ".yaml": textwrap.dedent(body) for name, body in files.items()}
    return loads(textwrap.dedent(text), file="shop.yaml", reader=found.get)


def node(loaded: Loaded, name: str) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == name)


def test_a_service_extends_one_of_another_file() -> None:
    loaded = imported(
        """
        services:
          web: {extends: {file: common.yaml, service: web}, ports: ['80:80']}
          two: {extends: {file: deep/common.yaml, service: again}, environment: [B=2]}
        volumes: {data: }
        """,
        common=COMMON,
        deep__common=COMMON,
    )
    assert (node(loaded, "web")["image"], node(loaded, "web")["command"]) == ("other", ["run"])
    assert node(loaded, "two")["environment"] == {"A": "1", "B": "2"}
    assert node(loaded, "two")["mounts"] == [
        {"source": "/srv/shop/deep/html", "target": "/html", "directory": True}
    ]
    assert node(loaded, "two")["build"]["context"] == "./deep"


def test_included_files_bring_their_services_and_volumes() -> None:
    loaded = imported(
        """
        include:
          - common.yaml
          - {path: [more.yaml], env_file: vars.yaml}
        services: {web: {image: mine, depends_on: [base, more]}}
        """,
        common=COMMON.replace("loop:", "x-loop:").replace(
            "{extends: {file: deep/common.yaml, service: loop}}", "{image: x}"
        ),
        more="services: {more: {image: 'more:$TAG'}}",
        vars="TAG=7",
    )
    assert node(loaded, "web")["image"] == "mine"
    assert node(loaded, "more")["image"] == "more:7"
    assert node(loaded, "data")["kind"] == "storage"


def test_a_file_that_is_not_there_leaves_the_rest() -> None:
    loaded = imported(
        """
        include: [../infra/compose.yaml]
        services:
          web: {image: app, depends_on: [db], volumes: ['data:/data']}
          own: {image: app, extends: {file: gone.yaml, service: x}}
        """
    )
    assert {one.id for one in loaded.graph.nodes} == {"web", "own", "data"}
    assert [note.code for note in loaded.notes].count("file-not-read") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "services: {web: {extends: {file: gone.yaml, service: x}}}",
            "service 'web': extends 'x' of 'gone.yaml'",
        ),
        ("services: {web: {extends: {file: common.yaml, service: nobody}}}", "names the service 'nobody'"),
        ("services: {web: {extends: {file: deep/common.yaml, service: loop}}}", "service 'loop'"),
        ("include: [bad.yaml]\nservices: {web: {image: x}}", "bad.yaml:2"),
    ],
)
def test_what_cannot_be_followed_is_told(text: str, message: str) -> None:
    with pytest.raises(GraphFileError, match=message):
        imported(text, common=COMMON, deep__common=COMMON, bad="a: [")


def test_files_that_include_each_other_for_ever_are_refused() -> None:
    circle = "include: [x.yaml, x.yaml, x.yaml, x.yaml]"
    with pytest.raises(GraphFileError, match="includes more than 256 files, or more than 8 in one another"):
        imported("include: [x.yaml]\nservices: {web: {image: app}}", x=circle)


def test_a_service_of_a_provider_is_left_out() -> None:
    loaded = imported("services: {db: {provider: {type: cloud}}, web: {image: app, depends_on: [db]}}")
    assert [one.id for one in loaded.graph.nodes] == ["web"]
    assert "service 'db', which a provider runs, is not carried over" in [
        note.message for note in loaded.notes
    ]
