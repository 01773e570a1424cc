"""Whatever byte of an export is changed, checking it says so and names the line."""

from __future__ import annotations

import pytest

from consensus.audit import UnreadableError
from tests.support.audits import checked, exported
from tests.support.proposals import signed, vote, voting


@pytest.fixture(scope="module")
def audit() -> bytes:
    """The smallest audit with a signed vote, a decision and an attestation."""
    house = voting(agents=("bob",), are_signatures_required=True)
    house.accept(signed(vote("bob", rationale="\u2713"), house.record()))
    whole = exported(house.record())
    assert checked(whole).is_verified
    return whole


def lines_found(audit: bytes) -> set[int]:
    """The lines with problems; of what is no audit at all, the first."""
    try:
        return {problem.line for problem in checked(audit).problems}
    except UnreadableError:
        return {1}


def line_of(audit: bytes, position: int) -> int:
    return audit.count(b"\n", 0, position) + 1


def test_every_changed_byte_is_found_in_its_line(audit: bytes) -> None:
    missed = []
    for position in range(len(audit)):
        changed = bytearray(audit)
        # One bit of each kind in turn: another digit, another case, no ASCII; the laws draw any others.
        changed[position] ^= (0x01, 0x20, 0x80)[position % 3]
        if line_of(audit, position) not in lines_found(bytes(changed)):
            missed.append(position)
    assert not missed


def test_omitted_bytes_are_found_in_their_line(audit: bytes) -> None:
    missed = [
        position
        for position in range(0, len(audit), 5)
        if line_of(audit, position) not in lines_found(audit[:position] + audit[position + 1 :])
    ]
    assert not missed


def test_added_bytes_are_found_in_their_line_or_as_one_of_their_own(audit: bytes) -> None:
    missed = [
        position
        for position in range(0, len(audit) + 1, 5)
        if not lines_found(audit[:position] + (b" ", b"\n")[position % 2] + audit[position:])
        & {line_of(audit, position), line_of(audit, position) + 1}
    ]
    assert not missed


def test_an_end_that_is_cut_off_is_found(audit: bytes) -> None:
    assert all(lines_found(audit[:length]) for length in range(0, len(audit), 7))
