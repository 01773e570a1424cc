"""What names a proposal on the command line: its number, its id, the beginning of its id."""

from __future__ import annotations

from typing import Any

import pytest

from conclave.commands.booth import find
from consensus.client import ConsensusClient
from coordination.runtime.errors import RejectedError, UsageError


class Summary:
    """As much of a proposal as has to do with its name."""

    def __init__(self, number: int, proposal_id: str) -> None:
        self.number, self.proposal_id = number, proposal_id


class Page:
    """A page of a list."""

    def __init__(self, proposals: list[Summary], following: int) -> None:
        self.proposals, self.next = proposals, following


class Known(ConsensusClient):
    """A client that knows these proposals, and hands out two in a page."""

    def __init__(self, *proposals: Summary) -> None:
        self.proposals = proposals

    async def get(self, proposal_id: str) -> Any:
        found = [each for each in self.proposals if each.proposal_id == proposal_id]
        if not found:
            raise RejectedError("unknown_proposal", "there is none")
        return found[0]

    async def page(self, *, after_number: int = 0, limit: int = 100, **_: Any) -> Any:
        later = [each for each in self.proposals if each.number > after_number]
        page = later[: min(limit, 2)]
        return Page(page, page[-1].number if len(later) > len(page) else 0)


CLIENT = Known(Summary(1, "1234abcd"), Summary(2, "99086511"), Summary(12, "1234abff"), Summary(13, "d00d"))


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("1", 1),
        ("#12", 12),
        ("012", 12),
        ("99086511", 2),
        ("99086", 2),
        ("1234abf", 12),
        ("d00d", 13),
    ],
)
async def test_a_number_an_id_or_its_beginning_names_a_proposal(reference: str, number: int) -> None:
    assert (await find(CLIENT, reference)).number == number


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("3", "#3; see: conclave proposals"),
        ("0", "#0; "),
        ("#99086", "#99086; "),
        ("d00", "'d00'; give its number, its id, or 4 or more characters of its id"),
        ("dead", "'dead'; "),
        ("55555", "'55555'; "),
    ],
)
async def test_what_names_none_is_unknown(reference: str, reason: str) -> None:
    with pytest.raises(RejectedError, match=f"^unknown_proposal: there is no proposal {reason}"):
        await find(CLIENT, reference)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("1234", "'1234' begins the ids of 2 proposals: #1 1234abcd, #12 1234abff$"),
        ("a b", "'a b' is neither the number of a proposal nor its id"),
        ("", "'' is neither the number of a proposal nor its id"),
    ],
)
async def test_what_names_several_or_can_name_none_is_refused(reference: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        await find(CLIENT, reference)
