"""What people write behind `conclave propose` and `conclave vote`, and how it is read back to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conclave.commands.choicewords import ChoiceWordsError, choice_text, read_choice
from conclave.commands.durations import DurationError, duration_text, moment_text, read_duration_ms
from conclave.commands.rulewords import electorate_sentence, protocol_name, rule_sentences
from consensus.replies import ElectorateView, LevelView, RulesView, ThresholdView


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


def test_a_word_that_is_an_option_means_it_whatever_signs_are_in_it() -> None:
    options = ["a:1", "b > c", "d"]
    assert read_choice(["b > c"], options) == "b > c"
    assert read_choice(["b > c", "a:1"], options) == ["b > c", "a:1"]
    assert read_choice(["d:2"], options) == {"d": 2}


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
    ("protocol", "choice", "text"),
    [
        ("unanimous", "for", "for"),
        ("borda", ["a", "b"], "a > b"),
        ("ranked_choice", [["a"], ["b", "c"]], "a > b = c"),
        ("quadratic", {"a": 3, "b": 1}, "a 3, b 1"),
        ("approval", ["a", "b"], "a, b"),
        ("approval", [["a", "b"]], "a, b"),
        ("approval", "abstain", "abstain"),
    ],
)
def test_a_choice_is_shown_in_words(protocol: str, choice: Any, text: str) -> None:
    assert choice_text(choice, protocol) == text


def test_every_rule_has_its_sentence() -> None:
    rules = RulesView(
        protocol="qualified_majority",
        threshold=ThresholdView(numerator=2, denominator=3, inclusive=False, of="cast"),
        quorum=LevelView(count=3),
        quorum_counts="for_and_abstain",
        super_quorum=LevelView(numerator=3, denominator=4),
        late_quorum_extension_ms=30_000,
        early_decision=True,
        vote_changes=True,
        fractional=True,
        tie_rule="fails",
        credits=100,
        minimum_electorate=4,
        offline_voters="release",
        veto_holders=("ada",),
        guardian="bob",
        executors=("ops", "tasks"),
        timelock_ms=300_000,
        execution_window_ms=86_400_000,
        signatures="optional",
    )
    assert protocol_name(rules) == "qualified majority > 2/3"
    assert list(rule_sentences(rules)) == [
        ("protocol", "qualified majority: more than 2/3 of the weight for and against is for"),
        ("quorum", "at least 3 votes for or abstaining"),
        ("fractional", "a voter may split its weight, in several votes; delegations are final"),
        (
            "ends",
            (
                "as soon as the result is certain; at once with 3/4 in favour; "
                "not before 30s after the quorum is reached"
            ),
        ),
        ("changes", "the last vote of each voter counts"),
        ("minimum", "defeated with fewer than 4 electors"),
        ("offline", "electors that are offline and have not voted do not count until they are back"),
        ("veto", "ada may veto it until it is executed"),
        ("guardian", "bob may cancel it until it is executed"),
        ("timelock", "5m between success and execution"),
        ("executors", "ops, tasks may execute it, and nobody else"),
        ("execution", "within 1d, then it expires"),
        ("signatures", "optional"),
    ]


@pytest.mark.parametrize(
    ("electorate", "sentence"),
    [
        (ElectorateView(agents=("ada",), weights="equal"), "one named agent, one vote each"),
        (
            ElectorateView(agents=("ada", "bob"), weights="given"),
            "2 named agents, weights given",
        ),
        (
            ElectorateView(requirement="review>=2", weights="equal"),
            "agents that meet 'review>=2' when voting opens, one vote each",
        ),
        (
            ElectorateView(role="keeper", weights="trust", trust_topic="nix"),
            "agents with the role keeper when voting opens, weighed by trust in the topic nix",
        ),
    ],
)
def test_an_electorate_is_told_in_one_sentence(electorate: ElectorateView, sentence: str) -> None:
    assert electorate_sentence(electorate) == sentence
