"""Laws of the compose importer: it fails as it says, loses nothing, and what it makes can be translated."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from nix_gen import GraphFileError, InvalidGraphError, Loaded, loads, translate
from nix_gen.compose.keys import SERVICE_KEYS
from tests.support.compose_documents import MEANINGFUL, document, odd_documents, services

FILES = {"there.env": "FROM_FILE=1\n", "small.conf": "x = 1\n", "./small.conf": "x = 1\n"}


def imported(services_of: dict[str, Any]) -> Loaded:
    return loads(json.dumps(document(services_of)), file="shop.yaml", reader=FILES.get)


def seen(loaded: Loaded) -> object:
    """All an import says: the graph, and the notes without their lines."""
    notes = sorted((note.code, note.place, note.message) for note in loaded.notes)
    return loaded.graph.to_node_link(), notes


def test_every_key_of_the_specification_has_values_to_try() -> None:
    assert set(MEANINGFUL) == set(SERVICE_KEYS)


@pytest.mark.parametrize("image", ["app:1", "postgres:17", "grafana/grafana"])
@pytest.mark.parametrize("key", sorted(MEANINGFUL))
def test_no_key_is_lost_whatever_the_service_becomes(key: str, image: str) -> None:
    without = seen(imported({"web": {"image": image}}))
    for value in MEANINGFUL[key]:
        assert seen(imported({"web": {"image": image, key: value}})) != without, value


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(services(without=("extends", "gpus", "links", "profiles", "provider")))
def test_no_key_is_lost_among_others(service: dict[str, Any]) -> None:
    """A service that does not run at all (`profiles`, `provider`) is named in one note, not key by key; one
    that extends another may say what that one says, and two keys may ask
    for the same GPU or service (`links` and `depends_on`).
    """
    try:
        whole = seen(imported({"web": service}))
    except GraphFileError:
        return
    for key in service.keys() - {"image"}:
        rest = {name: value for name, value in service.items() if name != key}
        try:
            assert seen(imported({"web": rest})) != whole, key
        except GraphFileError:
            continue


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(services())
def test_what_is_imported_is_translated_or_refused_by_the_validator(service: dict[str, Any]) -> None:
    try:
        loaded = imported({"web": service})
    except GraphFileError:
        return
    try:
        flake = translate(loaded.graph)
    except InvalidGraphError:
        return
    assert flake.hosts == ("shop",)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(odd_documents())
@example({"services": {"web": {"image": "a", "ulimits": {"nofile": [1]}}}})
@example({"services": {"web": None}})
def test_the_importer_raises_nothing_but_its_own_error(wrong: Any) -> None:
    try:
        said: str = loads(json.dumps(wrong), file="shop.yaml").origin
    except GraphFileError as error:
        said = str(error)
    assert "\n" not in said
