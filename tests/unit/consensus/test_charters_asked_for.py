"""Charters as clients set and read them, over the in-memory bus and journal."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import pytest

from conclave.commands.chartering import charter_words
from consensus import service as consensus
from consensus.client import ConsensusClient
from coordination.runtime.errors import RejectedError
from coordination.runtime.memory_store import MemoryStream
from tests.support.serving import serving
from tests.support.voting import ARTIFACT

KIND: Final = "task_assignment"


async def test_a_charter_is_told_as_it_was_set_and_holds_after_a_restart() -> None:
    journal = MemoryStream()
    async with serving(consensus.define, consensus.NAME, journal=journal) as agents:
        operator = ConsensusClient(agents.caller("operator"))
        made = await operator.set_charter(
            KIND,
            electorate=["ada", "bob"],
            weights={"ada": 2},
            protocols=["unanimous"],
            quorum=Fraction(2, 3),
            veto_holders=["vi"],
            minimum_electorate=2,
            minimum_voting_period_ms=60_000,
            minimum_timelock_ms=1_000,
        )
        await operator.set_charter(
            "custom", electorate={"role": "judge"}, weights={"trust": "peers"}, quorum=3
        )
    async with serving(consensus.define, consensus.NAME, journal=journal) as agents:
        eve = ConsensusClient(agents.caller("eve"))
        reply = await eve.charters()
        assert reply.is_complete
        assert [each.kind for each in reply.charters] == ["custom", KIND]
        assert reply.charters[1] == made
        assert made.charter is not None
        assert "; ".join(charter_words(made.charter)) == (
            "voters ada=2, bob; protocol unanimous; quorum at least 2/3; veto holders vi; "
            "at least 2 electors; votes taken for 1m; timelock 1s; signed votes"
        )
        of_custom = (await eve.charters("custom")).charters[0].charter
        assert of_custom is not None
        assert "; ".join(charter_words(of_custom)) == (
            "voters with the role judge, weighed by trust in peers; quorum at least 3; signed votes"
        )
        with pytest.raises(RejectedError) as unmet:
            await eve.propose("Mine", artifact_sha256=ARTIFACT, electorate=["eve"], kind=KIND)
        assert (unmet.value.code, unmet.value.details["field"]) == ("charter_unmet", "electorate")


async def test_only_the_operator_sets_and_removes_a_charter() -> None:
    async with serving(consensus.define, consensus.NAME, journal=MemoryStream()) as agents:
        operator, eve = (ConsensusClient(agents.caller(name)) for name in ("operator", "eve"))
        await operator.set_charter(KIND, electorate=["ada"])
        for attempt in (eve.set_charter(KIND), eve.remove_charter(KIND)):
            with pytest.raises(RejectedError) as refused:
                await attempt
            assert refused.value.code == "not_operator"
        assert len((await eve.charters()).charters) == 1
        assert (await operator.remove_charter(KIND)).charter is None
        assert (await eve.charters()).charters == ()
        assert (
            await eve.propose("Mine", artifact_sha256=ARTIFACT, electorate=["eve"], kind=KIND)
        ).number == 1
