"""What people write behind `conclave propose` and `conclave vote`, and how it is read back to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conclave.commands.choicewords import ChoiceWordsError, choice_text, read_choice
from conclave.commands.durations import DurationError, duration_text, moment_text, read_duration_ms
from conclave.commands.rulewords import (
    RuleWordsError,
    electorate_sentence,
    level_text,
    read_level,
    read_threshold,
    rule_sentences,
)
from consensus.rules import ElectorateSpec, Level, Rules, Threshold


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0", 0),
        ("250ms", 250),
        ("90s", 90_000),
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
        (" 5m ", 300_000),
    ],
)
def test_a_length_of_time_is_numbers_with_units(text: str, duration_ms: int) -> None:
    assert read_duration_ms(text) == duration_ms


@pytest.mark.parametrize("text", ["", "10", "m", "1.5h", "-5m", "10 m", "5m!", "1e3s", "٣s"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DurationError, match=r"is no length of time such as 90s, 10m, 1h30m or 7d"):
        read_duration_ms(text)


def test_a_number_without_a_unit_is_told_how_to_get_one() -> None:
    with pytest.raises(DurationError, match=r"; write 10s or 10m$"):
        read_duration_ms("10")


@given(st.integers(0, 10**12))
def test_a_shown_length_is_read_back_as_not_more_than_it_was(duration_ms: int) -> None:
    shown = duration_text(duration_ms)
    assert 0 <= duration_ms - read_duration_ms(shown) <= duration_ms / 20 + 1


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(1_000_500, "now"), (1_570_000, "in 9m30s"), (1_000_000 - 10_800_000, "3h ago"), (999_001, "now")],
)
def test_a_moment_is_told_from_now(at_ms: int, text: str) -> None:
    assert moment_text(at_ms, 1_000_000) == text


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        (["for"], "for"),
        (["a"], "a"),
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b=c"], ["a", ["b", "c"]]),
        (["a > b = c"], ["a", ["b", "c"]]),
        (["a>b=c>d"], ["a", ["b", "c"], "d"]),
        (["a=b"], [["a", "b"]]),
        (["a,b"], ["a", "b"]),
        (["a:3", "b:1"], {"a": 3, "b": 1}),
        (["for:2,abstain:1"], {"for": 2, "abstain": 1}),
    ],
)
def test_a_choice_is_written_as_on_paper(words: list[str], choice: Any) -> None:
    assert read_choice(words) == choice


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "say what you choose"),
        ([" "], "say what you choose"),
        (["a>"], "a ranking is options best first"),
        (["=b"], "a ranking is options best first"),
        (["a:3", "b"], "'b': points are OPTION:NUMBER"),
        (["a:-1"], "points are OPTION:NUMBER"),
        (["a:1", "a:2"], "'a' gets points twice"),
        ([":1"], "points are OPTION:NUMBER"),
    ],
)
def test_words_that_say_no_choice_are_refused_with_the_way_to_say_it(words: list[str], reason: str) -> None:
    with pytest.raises(ChoiceWordsError, match=reason):
        read_choice(words)


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ("for", "for"),
        (["a", "b"], "a > b"),
        ([["a"], ["b", "c"]], "a > b = c"),
        ({"a": 3, "b": 1}, "a 3, b 1"),
    ],
)
def test_a_choice_is_shown_in_words(choice: Any, text: str) -> None:
    assert choice_text(choice) == text


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("5", Level(numerator=5)),
        ("1/2", Level(numerator=1, denominator=2)),
        ("50%", Level(numerator=50, denominator=100)),
        ("66.7%", Level(numerator=667, denominator=1000)),
    ],
)
def test_a_quorum_is_a_count_or_a_share(text: str, level: Level) -> None:
    assert read_level(text) == level
    assert read_level(level_text(level)) == level


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        (">2/3", Threshold(numerator=2, denominator=3, is_inclusive=False)),
        ("> 2 / 3", Threshold(numerator=2, denominator=3, is_inclusive=False)),
        (">=60%", Threshold(numerator=60, denominator=100)),
        ("2/3", Threshold(numerator=2, denominator=3)),
        (">1/2 of eligible", Threshold(numerator=1, denominator=2, is_inclusive=False, of="eligible")),
        ("3/2", Threshold(numerator=3, denominator=2)),
    ],
)
def test_a_threshold_says_whether_the_share_itself_is_enough(text: str, threshold: Threshold) -> None:
    assert read_threshold(text) == threshold


@pytest.mark.parametrize("text", ["", "half", "1.5", "<2/3", ">2", "2/3 of all", "1/2/3"])
def test_what_is_no_share_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RuleWordsError, match=r"is no share of the votes such as '>2/3'"):
        read_threshold(text)
    if text != "1/2/3":
        with pytest.raises(RuleWordsError, match=r"is neither a number of votes such as 5"):
            read_level(text or "?")


def test_every_rule_has_its_sentence() -> None:
    rules = Rules(
        protocol="qualified_majority",
        threshold=Threshold(numerator=2, denominator=3, is_inclusive=False),
        quorum=Level(numerator=3),
        super_quorum=Level(numerator=3, denominator=4),
        late_quorum_extension_ms=30_000,
        may_change_vote=True,
        is_fractional=True,
        minimum_electorate=4,
        offline_voters="release",
        veto_holders=("ada",),
        guardian="bob",
        timelock_ms=300_000,
        execution_window_ms=86_400_000,
        are_signatures_required=False,
    )
    assert list(rule_sentences(rules)) == [
        ("protocol", "qualified majority: more than 2/3 of for and against for"),
        ("quorum", "3 votes, voting for or abstain"),
        ("fractional", "a voter may split its weight, in several votes; delegations are final"),
        (
            "ends",
            (
                "as soon as the result is certain; at once with 3/4 in favour; "
                "not before 30s after the quorum is reached"
            ),
        ),
        ("changes", "the last vote of each voter counts"),
        ("electorate", "defeated with fewer than 4 electors"),
        ("offline", "electors that are offline and have not voted do not count until they are back"),
        ("veto", "ada may veto it until it is executed"),
        ("guardian", "bob may cancel it until it is executed"),
        ("timelock", "5m between success and execution"),
        ("execution", "within 1d, then it expires"),
        ("signatures", "optional"),
    ]


@pytest.mark.parametrize(
    ("electorate", "sentence"),
    [
        (ElectorateSpec(agents=("ada",)), "one named agent, one vote each"),
        (
            ElectorateSpec(agents=("ada", "bob"), weights="given", given={"ada": 3}),
            "2 named agents, weights given",
        ),
        (
            ElectorateSpec(requirement="review>=2"),
            "agents that meet 'review>=2' when voting opens, one vote each",
        ),
        (
            ElectorateSpec(role="keeper", weights="trust", trust_topic="nix"),
            "agents with the role keeper when voting opens, weighed by trust in the topic nix",
        ),
    ],
)
def test_an_electorate_is_told_in_one_sentence(electorate: ElectorateSpec, sentence: str) -> None:
    assert electorate_sentence(electorate) == sentence
