"""Semantic versions are ordered and ranges of them are read as SemVer and npm say."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordination.requirements.specifiers import Specifier
from coordination.requirements.versions import (
    Key,
    VersionError,
    compare,
    loose_version_key,
    npm_range,
    partial,
    version_key,
)

GOLDEN = (Path(__file__).parent / "npm_ranges.txt").read_text(encoding="utf-8").splitlines()
VERSIONS = GOLDEN[1].removeprefix("# versions: ").split()
RANGES = [(text, taken.split()) for text, _, taken in (line.partition(" ->") for line in GOLDEN[2:])]


def key(text: str) -> Key:
    found = version_key(text)
    assert found is not None
    return found


@pytest.mark.parametrize(("text", "taken"), RANGES, ids=[text for text, _ in RANGES])
def test_a_range_takes_the_versions_that_node_semver_says(text: str, taken: list[str]) -> None:
    versions = npm_range(text)
    assert [each for each in VERSIONS if key(each) in versions] == taken


@pytest.mark.parametrize(
    ("text", "taken"),
    [(text, taken) for text, taken in RANGES if partial(text.lstrip("<>=^~")) and " " not in text],
    ids=str,
)
def test_an_operator_on_one_version_is_the_range_of_that_text(text: str, taken: list[str]) -> None:
    bare = text.lstrip("<>=^~")
    bound = partial(bare)
    assert bound is not None
    versions = compare(text.removesuffix(bare) or "=", bound)
    assert [each for each in VERSIONS if key(each) in versions] == taken


def test_precedence_is_that_of_the_specification() -> None:
    """SemVer 2.0.0, section 11."""
    ascending = [
        "0.9.9",
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"),
    ]
    assert sorted(ascending, key=key) == ascending
    assert key("1.0.0+one") == key("1.0.0+two") == key("1.0.0")


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.02.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b"),
        *("1.2.3+", "1.2.3+a..b", "1.2.3 ", "1.2.x", "-1.2.3", "\u0661.2.3", "1.2.3-ü", "1.2.3\n"),
    ],
)
def test_what_is_no_semantic_version_has_no_key(text: str) -> None:
    assert version_key(text) is None


@pytest.mark.parametrize(
    "text", ["0.0.0", "1.2.3-0", "1.2.3--", "1.2.3-0a.x-y.7", "1.2.3+001", "1.2.3-rc.1+b.-.0", "999999.0.0"]
)
def test_what_is_a_semantic_version_has_a_key(text: str) -> None:
    assert version_key(text) is not None


def test_a_loose_version_has_zeros_for_what_it_lacks() -> None:
    assert loose_version_key("12") == loose_version_key("12.0") == version_key("12.0.0")
    assert loose_version_key("12.4") == version_key("12.4.0")
    assert loose_version_key("1.2-rc") is None
    assert loose_version_key("eu") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an alternative is empty; write * for any version"),
        ("1 || ", "an alternative is empty; write * for any version"),
        ("1 - 2 - 3", "'1 - 2 - 3' has more than two ends; write 1.2 - 2.3"),
        *(
            (text, f"{wrong!r} is no version; write 1, 1.2, 1.2.3, 1.2.3-rc.1 or 1.x")
            for text, wrong in [
                ("latest", "latest"),
                ("x.1", "x.1"),
                ("1.2.3-", "1.2.3-"),
                ("1.x.3", "1.x.3"),
                ("1.2.3.x", "1.2.3.x"),
                ("1.2.3.4", "1.2.3.4"),
                ("^", "^"),
                ("~>1.2", ">1.2"),
                (">=1.2,<2", "1.2,<2"),
                (">=1 - 2", ">=1"),
            ]
        ),
    ],
)
def test_what_is_no_range_is_refused_with_the_part_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(VersionError) as caught:
        npm_range(text)
    assert str(caught.value) == message


def test_a_prerelease_that_would_fit_is_known_to_be_kept_out_for_that() -> None:
    versions = npm_range(">=1.2 <2")
    assert versions.but_for_prerelease(key("1.3.0-rc.1"))
    assert not versions.but_for_prerelease(key("2.0.0-rc.1"))
    assert not versions.but_for_prerelease(key("1.3.0"))


@pytest.mark.parametrize(
    ("text", "version", "taken"),
    [
        (">=3.11,!=3.11.4", "3.11.3", True),
        (">=3.11,!=3.11.4", "3.11.4", False),
        ("~=3.11", "3.12.0", True),
        ("~=3.11", "4.0.0", False),
        ("~=3.11.2", "3.12.0", False),
        ("==3.11.*", "3.11.9", True),
        (">=3.11", "3.12.0-rc.1", False),
        (">=3.12.0rc1", "3.12.0-rc.2", True),
        (">=3.12.0rc1", "3.12.0-alpha", False),
        (">=1", "1.2.3+build", True),
        (">=1", "1.2.3-1", None),
        (">=1", "1.2.3-alpha.beta", None),
        (">=1", "1.2.3-post1", None),
    ],
)
def test_a_semantic_version_is_asked_of_a_specifier_as_what_it_is(
    text: str, version: str, *, taken: bool | None
) -> None:
    specifier = Specifier(text)
    assert specifier.takes(version, is_semver=True) is taken
    assert specifier.takes(version, is_semver=True) is taken, "remembered"


@pytest.mark.parametrize(
    ("version", "taken"), [("2024.1.post3", True), ("1!0.1", True), ("jammy", None), ("\u0661", None)]
)
def test_a_text_is_asked_of_a_specifier_if_pep_440_can_read_it(version: str, *, taken: bool | None) -> None:
    assert Specifier(">=2000").takes(version, is_semver=False) is taken


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("===1.0", "=== compares texts and not versions; write =="),
        *(
            (text, f"{text!r} is no PEP 440 specifier; write >=3.11,!=3.11.4")
            for text in ("", ",", "3.11", ">=x", ">=3.11 <4", "~=3", ">=٣")
        ),
    ],
)
def test_what_is_no_specifier_is_refused(text: str, message: str) -> None:
    with pytest.raises(VersionError) as caught:
        Specifier(text)
    assert str(caught.value) == message
