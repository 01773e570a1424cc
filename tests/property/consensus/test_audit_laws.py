"""Audits of whatever the real model does are verified, and whatever is done to them afterwards is found."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from consensus.audit import UnreadableError
from consensus.audit.form import result_of
from tests.support.audits import checked, executed, exported, forged
from tests.support.drawn_histories import histories
from tests.support.proposals import House, key_of


@settings(max_examples=150)
@given(histories())
def test_what_the_model_does_is_verified(house: House) -> None:
    record = house.record()
    report = checked(exported(record), heads=[link.hash for link in record.trail])
    assert not report.problems, [str(each) for each in report.problems]
    assert report.result == result_of(record)
    assert report.result is not None
    assert (report.result["status"], report.head) == (record.status, record.head)
    assert (report.entry_count, report.vote_count) == (len(record.trail), len(record.votes))
