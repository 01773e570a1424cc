"""Which server is used when several could be meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conclave import store
from conclave.address import DEFAULT_URL, LOCAL_STORE, URL_VARIABLE, find_url
from conclave.commands import access
from conclave.commands.options import DEFAULT_STORE
from conclave.identity import OPERATOR, RunningServer
from conclave.identity import running as running_module
from conclave.identity.identities import CREDENTIALS_DIRECTORY
from conclave.identity.lookup import LOCAL_DIRECTORY
from coordination.runtime.errors import UnavailableError


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a local store, and no variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)


def leave_record(url: str) -> None:
    """What a server of the local store has left there."""
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


def test_where_the_local_server_is_gone_nobody_else_takes_its_place() -> None:
    leave_record("nats://127.0.0.1:5000")  # this process is alive, but no nats-server
    with pytest.raises(UnavailableError) as refused:
        find_url()
    said = "the server of .conclave/local (nats://127.0.0.1:5000) is not running; start it: conclave up"
    assert str(refused.value).startswith(said)
    assert find_url(DEFAULT_URL) == DEFAULT_URL


@pytest.mark.parametrize("record", [None, "{"])
def test_a_local_store_without_a_readable_record_is_still_the_one_that_is_meant(record: str | None) -> None:
    store.prepare(LOCAL_STORE)
    if record is not None:
        (LOCAL_STORE / "server.json").write_text(record, encoding="utf-8")
    with pytest.raises(UnavailableError, match=r"^the server of \.conclave/local is not running"):
        find_url()


def test_a_directory_that_is_no_store_counts_for_nothing() -> None:
    LOCAL_STORE.mkdir(parents=True)
    assert find_url() == DEFAULT_URL


@pytest.mark.parametrize(("url", "port"), [("nats://127.0.0.1:5000", 5000), ("nats://here", 0), ("[", 0)])
def test_the_port_of_a_record_is_that_of_its_address(url: str, port: int) -> None:
    assert RunningServer(pid=2, url=url, is_secured=True).port == port


def test_everybody_means_the_same_local_store_and_operator() -> None:
    """Said in several places, so that a command's help need not load what connects."""
    assert DEFAULT_STORE == LOCAL_STORE
    assert LOCAL_STORE / CREDENTIALS_DIRECTORY == LOCAL_DIRECTORY
    assert access.OPERATOR == OPERATOR
