"""Which server is used when several could be meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conclave.address import DEFAULT_URL, LOCAL_STORE, URL_VARIABLE, find_url
from conclave.commands import access
from conclave.commands.options import DEFAULT_STORE
from conclave.identity import OPERATOR, RunningServer
from conclave.identity import running as running_module
from conclave.identity.identities import CREDENTIALS_DIRECTORY
from conclave.identity.lookup import LOCAL_DIRECTORY


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a local store, and no variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)


def leave_record(url: str) -> None:
    """What a server of the local store that runs has left there."""
    LOCAL_STORE.mkdir(parents=True)
    RunningServer(pid=os.getpid(), url=url, is_secured=True).write(LOCAL_STORE)


def test_without_anything_it_is_where_every_nats_server_listens() -> None:
    assert find_url() == DEFAULT_URL == "nats://127.0.0.1:4222"


def test_what_is_given_counts_before_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "nats://elsewhere:4222")
    assert find_url("nats://here:1") == "nats://here:1"


def test_the_environment_counts_before_the_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_record("nats://127.0.0.1:5000")
    monkeypatch.setattr(running_module, "_serves", lambda *_: True)
    assert find_url() == "nats://127.0.0.1:5000"
    monkeypatch.setenv(URL_VARIABLE, "nats://elsewhere:4222")
    assert find_url() == "nats://elsewhere:4222"
    monkeypatch.setenv(URL_VARIABLE, "")
    assert find_url() == "nats://127.0.0.1:5000"


def test_the_record_of_a_server_that_is_gone_is_ignored() -> None:
    leave_record("nats://127.0.0.1:5000")  # this process is alive, but no nats-server
    assert find_url() == DEFAULT_URL


def test_a_damaged_record_is_ignored() -> None:
    LOCAL_STORE.mkdir(parents=True)
    (LOCAL_STORE / "server.json").write_text("{", encoding="utf-8")
    assert find_url() == DEFAULT_URL


def test_everybody_means_the_same_local_store_and_operator() -> None:
    """Said in several places, so that a command's help need not load what connects."""
    assert DEFAULT_STORE == LOCAL_STORE
    assert LOCAL_STORE / CREDENTIALS_DIRECTORY == LOCAL_DIRECTORY
    assert access.OPERATOR == OPERATOR
