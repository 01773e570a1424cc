"""The secret of an agent is checked where it is read, and shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import nkeys  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError

ADA = Credentials.generate(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32))
def test_every_generated_seed_is_accepted_and_has_a_user_key(random_bytes: bytes) -> None:
    credentials = Credentials.generate(random_bytes)
    assert Credentials(credentials.seed) == credentials
    assert credentials.public_key.startswith("U")
    assert len(credentials.public_key) == 56


@given(st.integers(min_value=2, max_value=57), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_mistyped_character_is_noticed(place: int, wrong: str) -> None:
    mistyped = ADA.seed[:place] + wrong + ADA.seed[place + 1 :]
    if mistyped == ADA.seed:
        return
    with pytest.raises(UsageError, match="not an nkey user seed") as caught:
        Credentials(mistyped)
    assert mistyped not in str(caught.value)


@given(st.text(max_size=70))
def test_any_other_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="not an nkey user seed"):
        Credentials(f"SU{text}")


def test_the_seed_of_an_account_is_refused() -> None:
    account = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_ACCOUNT).decode()
    with pytest.raises(UsageError, match="does not begin with 'SU'"):
        Credentials(account)


def test_the_seed_does_not_show() -> None:
    assert ADA.seed not in repr(ADA)
    assert ADA.seed not in str(ADA)
    assert ADA.seed not in f"{[ADA]}"


def test_what_is_written_is_read_again_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    ADA.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Credentials.read(path) == ADA


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    ADA.write(path)
    with pytest.raises(UsageError, match="cannot create the credential file"):
        Credentials.generate(bytes(32)).write(path)
    assert Credentials.read(path) == ADA


def test_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    path.touch(0o600)
    path.write_text(f"# ada, minted today\n\n  {ADA.seed}  \r\n")
    assert Credentials.read(path) == ADA


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_open_to_every_user_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ada.nk"
    ADA.write(path)
    path.chmod(mode)
    with pytest.raises(UsageError, match=f"mode {mode:04o}.*chmod 600"):
        Credentials.read(path)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o640])
def test_a_secret_mount_readable_by_a_group_is_accepted(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ada.nk"
    ADA.write(path)
    path.chmod(mode)
    assert Credentials.read(path) == ADA


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not 0 lines"),
        (f"{ADA.seed}\n{ADA.seed}\n", "not 2 lines"),
        ("SUsecret\n", "it has 8 characters"),
        (ADA.public_key, "does not begin with 'SU'"),
        ("\udcff" * 10, "does not begin with 'SU'"),
        (ADA.seed * 1000, "instead of 58"),
    ],
)
def test_a_file_with_anything_else_is_named(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "ada.nk"
    path.touch(0o600)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=problem) as caught:
        Credentials.read(path)
    assert str(path) in str(caught.value)
    assert not content.strip() or content.strip() not in str(caught.value)


def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nobody.nk", tmp_path):
        with pytest.raises(UsageError, match="cannot read the credential file"):
            Credentials.read(path)


def test_random_bytes_make_different_credentials() -> None:
    first, second = (Credentials.generate(os.urandom(32)) for _ in range(2))
    assert first.public_key != second.public_key


def test_what_is_signed_is_verified_by_nkeys() -> None:
    signature = ADA.sign(b"vote")
    assert len(signature) == 64
    pair = nkeys.from_seed(bytearray(ADA.seed.encode()))
    assert pair.verify(b"vote", signature)
    with pytest.raises(nkeys.ErrInvalidSignature):
        pair.verify(b"veto", signature)
