"""The failure detector: what silence means, and whose silence it is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from coordination.registry.presence import FailureDetector, Verdict
from coordination.registry.record import Status

INTERVAL_MS = 1_000
ECHO_MS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """As much of a record as presence reads."""

    agent: str = "ada"
    incarnation: int = 1
    status: Status = "online"


class Ears:
    """A detector with a clock, whose echo comes back at once."""

    def __init__(self, *, wall_offset_ms: int = 0) -> None:
        self.detector = FailureDetector(INTERVAL_MS)
        self.now_ms = 10_000
        self.wall_offset_ms = wall_offset_ms
        self.echo()

    def echo(self) -> bool:
        return self.detector.echo(self.now_ms, sent_ms=self.now_ms, wall_ms=self.now_ms + self.wall_offset_ms)

    def listen(self, for_ms: int) -> None:
        """Let `for_ms` pass with an echo every now and then, and one at the end."""
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.now_ms = min(self.now_ms + ECHO_MS, until_ms)
            assert self.echo()

    def hear(self, *, agent: str = "ada", incarnation: int = 1, load: float = 0.0) -> bool:
        return self.detector.hear(agent, incarnation, load, self.now_ms)

    def verdict(self, status: Status = "online", *, incarnation: int = 1) -> Status | None:
        """What is found of an agent that is recorded as `status`, if it differs."""
        found = self.detector.verdicts([Known(status=status, incarnation=incarnation)])
        assert all((each.agent, each.incarnation) == ("ada", incarnation) for each in found)
        return found[0].status if found else None


@pytest.mark.parametrize(
    ("silent_ms", "status"),
    [
        (0, None),
        (1_499, None),
        (1_500, "suspect"),
        (2_899, "suspect"),
        (2_900, "offline"),
        (9_000, "offline"),
    ],
)
def test_silence_is_suspected_before_it_is_called_offline(silent_ms: int, status: str | None) -> None:
    ears = Ears()
    ears.hear()
    ears.listen(silent_ms)
    assert ears.verdict() == status


def test_what_is_on_record_is_not_found_again() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(1_600)
    assert ears.verdict("suspect") is None
    ears.listen(1_400)
    assert ears.verdict("suspect") == "offline"
    assert ears.verdict("offline") is None


@pytest.mark.parametrize("status", ["suspect", "offline"])
def test_a_heartbeat_brings_an_agent_back_before_the_next_echo(status: Status) -> None:
    ears = Ears()
    ears.verdict(status)
    ears.listen(5_000)
    assert ears.verdict("offline") is None, "nothing was heard"
    ears.now_ms += 10
    ears.hear()
    assert ears.verdict(status) == "online"


def test_nobody_is_blamed_before_the_first_echo() -> None:
    detector = FailureDetector(INTERVAL_MS)
    detector.hear("ada", 1, 0.0, 0)
    detector.hear("bob", 1, 0.0, 60_000)
    assert detector.verdicts([Known(), Known(agent="bob")]) == []


def test_silence_is_counted_up_to_what_the_last_echo_vouches_for() -> None:
    """An echo that waited in a full queue says nothing of what was said after it."""
    ears = Ears()
    ears.hear()
    ears.listen(2_800)
    sent_ms, ears.now_ms = ears.now_ms + 10, ears.now_ms + 400
    assert ears.detector.echo(ears.now_ms, sent_ms=sent_ms, wall_ms=0)
    assert ears.verdict("suspect") is None, "2.81 s are vouched for, though 3.2 s have passed"
    assert ears.detector.echo(ears.now_ms + 1, sent_ms=sent_ms + 90, wall_ms=0)
    assert ears.verdict("suspect") == "offline"


def test_while_no_echo_comes_nobody_gets_worse() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(1_000)
    ears.now_ms += 60_000
    ears.hear(agent="bob")
    assert ears.verdict() is None


@pytest.mark.parametrize("gap_ms", [501, 3_600_000])
def test_after_a_gap_everybody_has_a_fresh_allowance(gap_ms: int) -> None:
    ears = Ears()
    ears.hear()
    ears.listen(2_800)
    ears.now_ms += gap_ms
    assert not ears.echo()
    ears.listen(2_850)
    assert ears.verdict("suspect") is None
    ears.listen(50)
    assert ears.verdict("suspect") == "offline"


def test_a_short_gap_is_no_gap() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(2_400)
    ears.now_ms += 500
    assert ears.echo()
    assert ears.verdict("suspect") == "offline"


def test_after_an_interruption_everybody_has_a_fresh_allowance_however_short_it_was() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(2_890)
    ears.detector.interrupt()
    ears.now_ms += 20
    assert not ears.echo()
    ears.listen(2_850)
    assert ears.verdict("suspect") is None
    ears.listen(50)
    assert ears.verdict("suspect") == "offline"


@pytest.mark.parametrize("status", ["suspect", "offline"])
def test_a_fresh_allowance_brings_nobody_back(status: Status) -> None:
    ears = Ears()
    ears.hear()
    ears.listen(10_000)
    ears.now_ms += 10_000
    ears.echo()
    assert ears.verdict(status) is None


def test_after_a_restart_those_who_were_known_have_a_full_allowance() -> None:
    ears = Ears()
    assert ears.verdict() is None
    ears.listen(2_850)
    assert ears.verdict() == "suspect"
    ears.listen(50)
    assert ears.verdict() == "offline"


@pytest.mark.parametrize("status", ["suspect", "offline"])
def test_a_restart_brings_nobody_back(status: Status) -> None:
    ears = Ears()
    assert ears.verdict(status) is None
    ears.listen(100)
    assert ears.verdict(status) is None
    ears.hear()
    assert ears.verdict(status) == "online"


def test_a_registration_is_a_sign_of_life_of_a_new_incarnation_only() -> None:
    ears = Ears()
    ears.hear(load=0.5)
    ears.listen(2_850)
    assert ears.verdict(incarnation=2) is None
    assert (ears.detector.load("ada"), ears.detector.last_heard_ms("ada")) == (0.0, 0)
    ears.listen(1_450)
    assert ears.verdict(incarnation=2) is None
    ears.listen(1_450)
    assert ears.verdict(incarnation=2) == "offline"


def test_an_older_incarnation_cannot_speak_for_a_newer_one() -> None:
    ears = Ears()
    assert ears.hear(incarnation=2, load=0.25)
    ears.listen(2_900)
    assert not ears.hear(incarnation=1, load=0.75)
    assert ears.detector.load("ada") == 0.25
    assert ears.verdict(incarnation=2) == "offline"


def test_the_record_decides_which_incarnation_counts() -> None:
    """A registration that was never stored can have been heard of by a leader that has lost."""
    ears = Ears()
    ears.hear(incarnation=7)
    assert ears.verdict(incarnation=3) is None
    assert ears.hear(incarnation=3)
    ears.listen(1_600)
    assert ears.verdict(incarnation=3) == "suspect"


def test_load_and_the_last_sign_of_life_are_told() -> None:
    ears = Ears(wall_offset_ms=1_000_000)
    assert (ears.detector.load("ada"), ears.detector.last_heard_ms("ada")) == (0.0, 0)
    ears.hear(load=0.5)
    assert (ears.detector.load("ada"), ears.detector.last_heard_ms("ada")) == (0.5, 1_010_000)
    ears.listen(100)
    ears.wall_offset_ms -= 400
    ears.listen(100)
    assert ears.detector.last_heard_ms("ada") == 1_009_600, "by the wall clock as it is now"


def test_whoever_is_not_registered_any_more_is_forgotten() -> None:
    ears = Ears()
    for agent in ("ada", "bob", "eve"):
        ears.hear(agent=agent, load=0.5)
    assert ears.detector.verdicts([Known(agent="bob")]) == []
    assert ears.detector.tracked == 1
    assert (ears.detector.load("bob"), ears.detector.load("ada")) == (0.5, 0.0)


def test_heartbeats_fill_no_memory() -> None:
    detector = FailureDetector(INTERVAL_MS, max_tracked=2)
    assert [detector.hear(agent, 1, 0.0, 0) for agent in ("a", "b", "c", "a")] == [True, True, False, True]
    assert detector.tracked == 2


def test_a_clock_that_is_set_back_blames_nobody_and_stops_nothing() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(2_850)
    ears.now_ms -= 3_600_000
    assert not ears.echo()
    ears.listen(2_850)
    assert ears.verdict("suspect") is None
    ears.listen(50)
    assert ears.verdict("suspect") == "offline"
    ears.hear()
    assert ears.verdict("offline") == "online"


def test_a_clock_that_is_set_back_unseen_makes_silence_look_shorter_and_never_longer() -> None:
    """What the property test once found: 270 ms pass, of which the clock shows 269."""
    ears = Ears()
    assert ears.verdict() is None
    ears.listen(1_231)
    ears.now_ms += 270 - 2
    assert ears.echo()
    assert ears.verdict() is None, "1.5 s may have passed, and 1.499 s are known"
    ears.now_ms += 1
    assert ears.echo()
    assert ears.verdict() == "suspect", "however much the clock has lost, it was no less"


def test_the_smallest_step_back_that_can_be_seen_is_a_gap() -> None:
    ears = Ears()
    ears.hear()
    ears.listen(2_890)
    ears.now_ms -= 1
    assert not ears.echo()
    ears.listen(2_899)
    assert ears.verdict("suspect") is None
    ears.listen(1)
    assert ears.verdict("suspect") == "offline"


def test_whoever_was_heard_last_of_all_is_online_until_there_is_an_echo() -> None:
    """The other thing it found: 1.5 s after a heartbeat that is the last we know, nothing is known yet."""
    ears = Ears()
    assert ears.verdict() is None
    ears.listen(1_550)
    assert ears.verdict() == "suspect"
    ears.hear()
    ears.now_ms += 1_500
    assert ears.verdict("suspect") == "online"
    assert not ears.echo()
    assert ears.verdict() is None


def test_the_load_of_another_incarnation_has_changed_though_it_is_the_same() -> None:
    """Whoever keeps loads has dropped the one before, with the registration that is gone."""
    ears = Ears()
    ears.hear(incarnation=1, load=0.5)
    assert ears.detector.take_changed_loads() == {"ada"}
    ears.hear(incarnation=1, load=0.5)
    assert ears.detector.take_changed_loads() == set()
    ears.hear(incarnation=2, load=0.5)
    assert ears.detector.take_changed_loads() == {"ada"}


def test_verdicts_name_agent_incarnation_and_status() -> None:
    ears = Ears()
    ears.hear(agent="bob", incarnation=4)
    ears.listen(3_000)
    found = ears.detector.verdicts([Known(agent="bob", incarnation=4), Known()])
    assert found == [("bob", 4, "offline")]
    assert isinstance(found[0], Verdict)
