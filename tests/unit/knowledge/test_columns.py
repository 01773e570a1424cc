"""Columns of a change: encoded values, within their bounds."""

from __future__ import annotations

import pytest

from knowledge.columns import (
    MalformedError,
    Reader,
    read_column,
    read_delta_column,
    write_column,
    write_delta_column,
    write_signed,
    write_unsigned,
)


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (127, "7f"), (128, "8001"), (624485, "e58e26"), (2**53 - 1, "ff" * 7 + "0f")],
)
def test_unsigned_numbers_are_leb128(number: int, written: str) -> None:
    assert write_unsigned(number).hex() == written
    assert Reader(bytes.fromhex(written)).unsigned() == number


@pytest.mark.parametrize(
    ("number", "written"), [(0, "00"), (63, "3f"), (64, "c000"), (-1, "7f"), (-123456, "c0bb78")]
)
def test_signed_numbers_are_leb128(number: int, written: str) -> None:
    assert write_signed(number).hex() == written
    assert Reader(bytes.fromhex(written)).signed() == number


@pytest.mark.parametrize("written", ["", "80", "ff" * 20, "ff" * 8 + "7f", "80" * 9 + "01"])
def test_numbers_that_end_early_or_are_out_of_range_are_refused(written: str) -> None:
    with pytest.raises(MalformedError):
        Reader(bytes.fromhex(written)).unsigned()


def test_signed_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(MalformedError):
        Reader(write_signed(-(2**53))).signed()


def test_a_length_beyond_its_limit_or_the_end_is_refused() -> None:
    with pytest.raises(MalformedError):
        Reader(b"\x05hello").prefixed(4)
    with pytest.raises(MalformedError):
        Reader(b"\x05hell").prefixed(100)


@pytest.mark.parametrize(
    ("values", "written"), [([], ""), ([7], "7f07"), ([7, 7], "0207"), ([1, 2, 2, 3, 4], "7f0102027e0304")]
)
def test_a_column_is_written_in_runs_as_the_engine_does(values: list[int], written: str) -> None:
    assert write_column(values, write_unsigned).hex() == written
    assert read_column(bytes.fromhex(written), Reader.unsigned, 10) == values


def test_a_delta_column_stores_the_steps() -> None:
    assert write_delta_column([3, 4, 5, 5]) == bytes.fromhex("7f0302017f00")
    assert read_delta_column(bytes.fromhex("7f0302017f00"), 10) == [3, 4, 5, 5]


@pytest.mark.parametrize("count", [11, 2**50, -11, -(2**50)])
def test_a_run_that_declares_too_many_rows_is_refused_before_it_is_expanded(count: int) -> None:
    with pytest.raises(MalformedError, match="more than 10 rows"):
        read_column(write_signed(count) + b"\x07" * 20, Reader.unsigned, 10)


def test_many_short_runs_are_added_up() -> None:
    with pytest.raises(MalformedError, match="more than 10 rows"):
        read_column(b"\x02\x07" * 6, Reader.unsigned, 10)


def test_a_run_of_nulls_is_refused() -> None:
    with pytest.raises(MalformedError, match="nulls"):
        read_column(b"\x00\x05", Reader.unsigned, 10)
