"""Ranges of versions take what `semantic_version` says they take, and SemVer orders versions as it does."""

from __future__ import annotations

import semantic_version
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.requirements.versions import npm_range, version_key

NUMBERS = st.integers(0, 3).map(str) | st.sampled_from(["10", "11"])
IDENTIFIERS = st.sampled_from(["rc", "0", "1", "2", "10", "alpha", "beta-x"])
PRERELEASES = st.lists(IDENTIFIERS, min_size=1, max_size=3).map(".".join)
RELEASES = st.lists(NUMBERS, min_size=3, max_size=3).map(".".join)
FULL = RELEASES | st.builds("{}-{}".format, RELEASES, PRERELEASES)
PARTIAL = st.lists(NUMBERS, min_size=1, max_size=2).map(".".join)
BOUNDS = RELEASES | PARTIAL | PARTIAL.map("{}.x".format)
SIMPLE = st.builds("{}{}".format, st.sampled_from(["", "=", "<", "<=", ">", ">=", "^", "~"]), BOUNDS)
ALTERNATIVES = st.lists(SIMPLE, min_size=1, max_size=3).map(" ".join) | st.builds(
    "{} - {}".format, BOUNDS, BOUNDS
)
RANGES = st.lists(ALTERNATIVES, min_size=1, max_size=3).map(" || ".join)


@settings(max_examples=200)
@given(RANGES, st.lists(RELEASES, min_size=1, max_size=8))
def test_a_range_takes_the_releases_that_the_library_says(text: str, releases: list[str]) -> None:
    """Releases only: for prereleases the library errs (its ``<3`` takes 3.0.0-rc, its ``0.0.0-rc``
    takes 0.0.0); they are in tests/unit/requirements/npm_ranges.txt, as node-semver has them.
    """
    ours, theirs = npm_range(text), semantic_version.NpmSpec(text)
    for release in releases:
        key = version_key(release)
        assert key is not None
        assert (key in ours) is theirs.match(semantic_version.Version(release))


@settings(max_examples=150)
@given(FULL, FULL)
def test_versions_are_ordered_as_the_library_orders_them(one: str, other: str) -> None:
    left, right = version_key(one), version_key(other)
    assert left is not None
    assert right is not None
    assert (left < right) is (semantic_version.Version(one) < semantic_version.Version(other))
    assert (left == right) is (one == other)


@settings(max_examples=150)
@given(st.text(alphabet="0123.-+rcx", max_size=14))
def test_what_is_a_semantic_version_is_one_for_the_library_too(text: str) -> None:
    assert (version_key(text) is not None) is semantic_version.validate(text)
