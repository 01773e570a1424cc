"""Which credential an agent uses when several could be meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conclave.identity import ENVIRONMENT_VARIABLE, find_credentials
from conclave.identity.lookup import LOCAL_DIRECTORY
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a local store, and no variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def kept(path: Path) -> Credentials:
    """A new credential that lies in `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    credentials = Credentials.generate(os.urandom(32))
    credentials.write(path)
    return credentials


def test_without_any_there_is_none() -> None:
    assert find_credentials("ada") is None


def test_a_credential_is_taken_as_it_is() -> None:
    given = Credentials.generate(os.urandom(32))
    assert find_credentials("ada", given) is given


def test_a_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    expected = kept(tmp_path / "secret")
    assert find_credentials("ada", tmp_path / "secret") == expected
    assert find_credentials("ada", str(tmp_path / "secret")) == expected


def test_a_directory_holds_one_file_for_each(tmp_path: Path) -> None:
    ada, bob = kept(tmp_path / "keys" / "ada.nk"), kept(tmp_path / "keys" / "bob.nk")
    assert find_credentials("ada", tmp_path / "keys") == ada
    assert find_credentials("bob", tmp_path / "keys") == bob


def test_what_was_given_and_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    kept(LOCAL_DIRECTORY / "ada.nk")  # must not be taken instead
    (tmp_path / "keys").mkdir()
    with pytest.raises(
        UsageError, match=r"keys/ada.nk; mint one where the server runs: conclave agent add ada"
    ):
        find_credentials("ada", tmp_path / "keys")
    with pytest.raises(UsageError, match=r"it is in the store of the server: credentials/tasks.nk"):
        find_credentials("tasks", tmp_path / "keys")
    with pytest.raises(UsageError, match="cannot read the credential file"):
        find_credentials("ada", tmp_path / "absent.nk")


def test_the_environment_counts_before_the_local_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = kept(LOCAL_DIRECTORY / "ada.nk")
    assert find_credentials("ada") == local
    named = kept(tmp_path / "keys" / "ada.nk")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "keys"))
    assert find_credentials("ada") == named
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert find_credentials("ada") == local


def test_the_local_store_counts_only_for_agents_it_knows() -> None:
    kept(LOCAL_DIRECTORY / "ada.nk")
    assert find_credentials("bob") is None
