"""The room that uncommitted artifacts hold: bounded per caller, in all, and in age."""

from __future__ import annotations

import pytest

from coordination.artifacts.limits import (
    CHUNK_BYTES,
    MAX_ARTIFACT_BYTES,
    MAX_CALLER_UPLOAD_BYTES,
    MAX_CHUNKS,
    MAX_UPLOAD_BYTES,
    UPLOAD_AGE_S,
    chunk_count,
    chunk_size_bytes,
)
from coordination.artifacts.uploads import Upload, Uploads
from coordination.runtime.errors import RejectedError

ONE = MAX_ARTIFACT_BYTES
PER_CALLER = MAX_CALLER_UPLOAD_BYTES // ONE
IN_ALL = MAX_UPLOAD_BYTES // ONE


def upload(caller: str, number: int) -> Upload:
    return Upload(caller, f"{number:064x}")


def refused(uploads: Uploads, asked: Upload, size_bytes: int, now_s: float) -> str:
    with pytest.raises(RejectedError) as error:
        uploads.admit(asked, size_bytes, now_s)
    assert (error.value.code, error.value.retryable) == ("overloaded", True)
    return error.value.message


def test_one_caller_holds_no_more_than_its_share() -> None:
    uploads = Uploads()
    for number in range(PER_CALLER):
        uploads.admit(upload("ada", number), ONE, 0.0)
    assert "ada" in refused(uploads, upload("ada", PER_CALLER), 1, 0.0)
    uploads.admit(upload("bob", 0), ONE, 0.0)
    uploads.release(upload("ada", 0))
    uploads.admit(upload("ada", PER_CALLER), ONE, 0.0)


def test_all_callers_together_hold_no_more_than_the_room() -> None:
    uploads = Uploads()
    for number in range(IN_ALL):
        uploads.admit(upload(f"agent{number}", 0), ONE, 0.0)
    assert "at once" in refused(uploads, upload("late", 0), 1, 0.0)
    uploads.release(upload("agent0", 0))
    uploads.release(upload("agent0", 0))
    uploads.admit(upload("late", 0), ONE, 0.0)
    refused(uploads, upload("later", 0), 1, 0.0)


def test_an_upload_counts_once_however_many_chunks_it_has() -> None:
    uploads = Uploads()
    for _ in range(MAX_CHUNKS):
        uploads.admit(upload("ada", 0), ONE, 0.0)
    uploads.admit(upload("ada", 1), (PER_CALLER - 1) * ONE, 0.0)
    refused(uploads, upload("ada", 2), 1, 0.0)


def test_an_upload_that_nobody_goes_on_with_gives_its_room_back() -> None:
    uploads = Uploads()
    for number in range(IN_ALL):
        uploads.admit(upload(f"agent{number}", 0), ONE, float(number))
    uploads.admit(upload("agent0", 0), ONE, 10.0)
    refused(uploads, upload("late", 0), 1, UPLOAD_AGE_S + 0.5)
    uploads.admit(upload("late", 0), ONE, UPLOAD_AGE_S + 1.5)
    refused(uploads, upload("later", 0), 1, UPLOAD_AGE_S + 1.5)


@pytest.mark.parametrize(
    ("size_bytes", "sizes"),
    [
        (0, [0]),
        (1, [1]),
        (CHUNK_BYTES, [CHUNK_BYTES]),
        (CHUNK_BYTES + 1, [CHUNK_BYTES, 1]),
        (3 * CHUNK_BYTES, [CHUNK_BYTES] * 3),
    ],
)
def test_every_chunk_but_the_last_is_full(size_bytes: int, sizes: list[int]) -> None:
    count = chunk_count(size_bytes)
    assert [chunk_size_bytes(size_bytes, index) for index in range(count)] == sizes
    assert chunk_size_bytes(size_bytes, count) == 0
