"""A serving process collects rarely, and whoever embeds it gets the old habit back."""

from __future__ import annotations

import gc

import pytest

from conclave.garbage import THRESHOLDS, collecting_rarely


def test_collection_is_rare_while_serving_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    assert before != THRESHOLDS
    with collecting_rarely():
        assert gc.get_threshold() == THRESHOLDS
    assert gc.get_threshold() == before


def test_a_failure_while_serving_restores_collection_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), collecting_rarely():
        raise KeyError
    assert gc.get_threshold() == before
