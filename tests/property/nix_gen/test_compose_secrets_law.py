"""The law of secrets: what a `*_PASSWORD` variable holds occurs in nothing that comes of the file."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nix_gen import GraphFileError, InvalidGraphError, loads, translate
from tests.support.compose_documents import document, services

SECRETS = ("R00tPw77", "Zq%7wX-9kk", "tr0ub4dor&3", "pa ss-Wd12")


def planted(value: Any, secret: str) -> Any:
    """The value with the secret in all its texts."""
    if isinstance(value, str):
        return f"{value}{secret}"
    if isinstance(value, list):
        return [planted(item, secret) for item in value]
    return {key: planted(item, secret) for key, item in value.items()} if isinstance(value, dict) else value


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A secret, and a document that spells it in a password and in some other values."""
    secret = draw(st.sampled_from(SECRETS))
    web = draw(services(without=("profiles", "provider", "environment")))
    for key in draw(st.sets(st.sampled_from(sorted(web)), max_size=2)) - {"image", "extends"}:
        web[key] = planted(web[key], secret)
    shell = f"client -p{secret} && other '{secret}' \"x {secret}\""
    spelled: dict[str, Any] = {
        "command": ["sh", "-c", shell],
        "entrypoint": ["run", f"--password={secret}", f"x{secret}"],
        "healthcheck": {"test": shell},
        "labels": {"a": f"b {secret}"},
        "x-note": secret,
    }
    for key in draw(st.sets(st.sampled_from(sorted(spelled)))):
        web[key] = spelled[key]
    web["environment"] = {
        "FOO": secret,
        "URL": f"http://u:{secret}@peer/",
        "BAR": draw(st.sampled_from(["x", f"x {secret}"])),
    }
    made = document({"web": web})
    owner = draw(st.sampled_from(["postgres:17", "mariadb:11", "app:1"]))
    names = {"postgres:17": "POSTGRES_PASSWORD", "mariadb:11": "MARIADB_ROOT_PASSWORD", "app:1": "X_PASSWORD"}
    made["services"]["keeper"] = {"image": owner, "environment": {names[owner]: secret}}
    made["configs"]["conf"]["content"] = draw(st.sampled_from(["a = b\n", f"a b {secret}\n"]))
    return secret, made


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_a_planted_secret_occurs_in_no_file_note_or_message(case: tuple[str, dict[str, Any]]) -> None:
    secret, made = case
    try:
        loaded = loads(json.dumps(made), file="shop.yaml")
    except GraphFileError as error:
        assert secret not in str(error)  # noqa: PT017 - either way it does not show
        return
    assert secret not in json.dumps(loaded.graph.to_node_link(), ensure_ascii=False)
    assert secret not in str(loaded.notes)
    try:
        flake = translate(loaded.graph)
    except InvalidGraphError as error:
        assert secret not in str(error)  # noqa: PT017 - either way it does not show
        return
    assert not [name for name, text in flake.files.items() if secret in str(text)]
