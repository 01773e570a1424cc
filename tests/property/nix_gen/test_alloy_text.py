"""Alloy's strings hold any text, and nothing in them becomes configuration."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from nix_gen.lower.monitoring.alloy_text import Block, alloy_text, identifier, quoted


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_string_comes_back_as_it_was(text: str) -> None:
    # Go's escapes, which Alloy has, are Python's where both have them.
    assert ast.literal_eval(quoted(text)) == text


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_text_stays_in_its_line(text: str, other: str) -> None:
    written = alloy_text([Block("loki.write", "a", {"url": text, "name": other})])
    assert len(written.splitlines()) == 4


@given(st.text(min_size=1))
def test_any_name_becomes_an_identifier(name: str) -> None:
    assert identifier(name).isidentifier()
    assert identifier(name).isascii()
