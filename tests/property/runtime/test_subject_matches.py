"""Wildcard matching agrees with a twin that follows the definition token by token."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from coordination.runtime.memory import subject_matches

TOKENS = st.sampled_from(["a", "b", "ab", "$SRV", "-"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=5)
PATTERNS = st.builds(
    lambda tokens, tail: tokens + tail,
    st.lists(TOKENS | st.just("*"), min_size=1, max_size=5),
    st.sampled_from([[], [">"]]),
)


def twin(pattern: list[str], subject: list[str]) -> bool:
    if not pattern or not subject:
        return not pattern and not subject
    head, *rest = pattern
    if head == ">":
        return True
    return head in ("*", subject[0]) and twin(rest, subject[1:])


@given(PATTERNS, SUBJECTS)
@example(["a", ">"], ["a"])
@example([">"], ["a"])
@example(["*"], ["a", "b"])
def test_matching_agrees_with_the_definition(pattern: list[str], subject: list[str]) -> None:
    assert subject_matches(".".join(pattern), ".".join(subject)) == twin(pattern, subject)


@given(SUBJECTS)
def test_every_subject_matches_itself_and_the_full_wildcard(subject: list[str]) -> None:
    text = ".".join(subject)
    assert subject_matches(text, text)
    assert subject_matches(">", text)
    assert subject_matches(".".join("*" for _ in subject), text)
    assert not subject_matches(f"{text}.>", text)
