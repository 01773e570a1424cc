"""BLT files as they are found in the wild, and what is said of those that cannot be read."""

from __future__ import annotations

from fractions import Fraction

import pytest

from consensus.counting import BallotFileError, Method, Ranking, Skipped, Weighted, count
from consensus.counting.formats import read_election

PLAIN = """4 1
3 1 3 4 0
2 4 1 0
1 0
0
"Adam"
"Basil"
"Charlotte"
"Donald"
"A title"
"""


def read(text: str) -> list[Weighted]:
    return list(read_election(text.encode()).ballots)


def with_ballots(*lines: str) -> str:
    return "4 1\n" + "\n".join(lines) + '\n0\n"a"\n"b"\n"c"\n"d"\n'


def test_a_plain_file_is_read() -> None:
    election = read_election(PLAIN.encode())
    assert election.options == ("Adam", "Basil", "Charlotte", "Donald")
    assert (election.title, election.seats_count, election.notes) == ("A title", 1, ())
    assert list(election.ballots) == [
        Weighted(Ranking.of(0, 2, 3), count=3),
        Weighted(Ranking.of(3, 0), count=2),
        Weighted(Ranking.of()),
    ]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        PLAIN.replace('"A title"', ""),
        "# made by hand\n\n" + PLAIN.replace("3 1 3 4 0", "  3  1\t3 4 0   # three of them\n\n"),
        PLAIN.replace("\n", " "),
        PLAIN.replace('"', ""),
        PLAIN.replace('"', "'"),
        PLAIN.replace('"Adam"', "“Adam”"),
        PLAIN.replace("3 1 3 4 0", "(id-7) 1 1 3 4 0\n(id-8) 2 1 3 4 0"),
        PLAIN.replace("3 1 3 4 0", "/* a\ncomment */ 3 1 3 4 0"),
        PLAIN.replace("3 1 3 4 0", "1 1 3 4 0\n" * 3),
        PLAIN.replace("3 1 3 4 0\n2 4 1 0\n1 0", "3 1 3 4\n2 4 1\n1"),
        PLAIN.replace("1 0\n0\n", "1 0\n"),
        PLAIN + '"source"\n"comment"\n',
    ],
)
def test_variants_of_the_format_mean_the_same(text: str) -> None:
    plain, variant = read_election(PLAIN.encode()), read_election(text.encode())
    assert variant.options == plain.options
    together: dict[Ranking, int] = {}
    for each in variant.ballots:
        assert isinstance(each.ballot, Ranking)
        together[each.ballot] = together.get(each.ballot, 0) + each.count
    assert together == {each.ballot: each.count for each in plain.ballots}


def test_other_encodings_are_read() -> None:
    text = PLAIN.replace("Adam", "Zoë")
    assert read_election(text.encode("latin-1")).options[0] == "Zoë"
    assert "no UTF-8" in read_election(text.encode("latin-1")).notes[0]
    assert read_election(text.encode("utf-16")).options[0] == "Zoë"


def test_names_may_hold_quotes_and_number_signs() -> None:
    text = '3 1\n1 1 0\n0\n"Joe "Bubba" Smith"\n"Number #2"\n"A \\"quoted\\" one" "The ""title"""\n'
    election = read_election(text.encode())
    assert election.options == ('Joe "Bubba" Smith', "Number #2", 'A "quoted" one')
    assert election.title == 'The "title"'


def test_equal_and_skipped_ranks_are_read() -> None:
    skipped: frozenset[int] = frozenset()
    ranks = (frozenset((3,)), frozenset((0, 2)), skipped, frozenset((1,)))
    for line in ("2 4 1=3 - 2 0", "2 4 1 = 3 - 2 0", "2 4 (1 3) - 2 0"):
        assert read(with_ballots(line)) == [Weighted(Ranking(ranks), count=2)]


def test_a_skipped_rank_is_closed_or_ends_the_ballot() -> None:
    election = read_election(with_ballots("3 1 - - 2 0", "2 2 0", "2 3 - 2 0").encode())
    results = {
        rule: count(Method.RANKED_CHOICE, election.options, election.ballots, skipped=rule)
        .rounds[-1]
        .exhausted
        for rule in Skipped
    }
    assert results[Skipped.CLOSE] == 0
    assert results[Skipped.EXHAUST] == 2


def test_weights_may_be_fractions_and_whole_ones_count_papers() -> None:
    assert read(with_ballots("1.5 1 0", "3/2 2 0", "7 3 0")) == [
        Weighted(Ranking.of(0), weight=Fraction(3, 2)),
        Weighted(Ranking.of(1), weight=Fraction(3, 2)),
        Weighted(Ranking.of(2), count=7),
    ]


def test_withdrawn_candidates_neither_win_nor_hold_ballots() -> None:
    election = read_election(with_ballots("-1", "-4", "5 1 2 0", "4 3 0", "9 4 0").encode())
    assert election.withdrawn == {0, 3}
    counted = count(Method.PLURALITY, election.options, election.ballots, withdrawn=election.withdrawn)
    assert (counted.winners, counted.scores) == ((1,), (0, 5, 4, 0))
    assert counted.papers.blank_count == 9


@pytest.mark.parametrize("lines", [["-1", "-4", "5 2 0"], ["-1 -4", "5 2 0"]])
def test_several_may_withdraw_on_one_line_or_on_several(lines: list[str]) -> None:
    assert read_election(with_ballots(*lines).encode()).withdrawn == {0, 3}


def test_a_name_more_than_the_first_line_says_is_noted() -> None:
    election = read_election(b'2 1\n1 1 0\n0\n"a"\n"b"\n"c"\n"Lunch"\n')
    assert (election.options, election.title) == (("a", "b"), "c")
    (note,) = election.notes
    assert note.startswith("line 6: 'c' is taken as the title, and what follows it is ignored")
    assert "there are 2 candidates; is it a name, mend that number" in note
    assert read_election(b'2 1\n1 1 0\n0\n"a"\n"b"\n"c"\n').notes == ()


def test_a_file_without_names_calls_candidates_by_number() -> None:
    election = read_election(b"2 1\n3 1 0\n2 2 0\n0\n")
    assert election.options == ("1", "2")
    assert election.notes == ("the file names no candidates; they are called by their numbers",)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("hello", 1, "starts with two numbers"),
        ("4\n", 1, "starts with two numbers"),
        ("0 1\n0\n", 1, "0 candidates"),
        ("3 0\n0\n", 1, "0 seats"),
        ("9999999 1\n0\n", 1, "candidates"),
        (with_ballots("1 2 0", "1 5 0"), 3, "no candidate 5; the first line says there are 4"),
        (with_ballots("1 x 0"), 2, "'x' is no candidate"),
        (with_ballots("1 -2 0"), 2, "'-2' is no candidate"),
        (with_ballots("-9", "1 1 0"), 2, "no candidate 9"),
        (with_ballots("-1 2 2 0"), 2, "-1 starts the line and '2' follows; a ballot weighs more than 0"),
        (with_ballots("-5 1 2 0"), 2, "-5 starts the line and '1' follows"),
        (with_ballots("-1 -2 0"), 2, "only negative numbers, as in '-2 -3'"),
        (with_ballots("1 2 0", "-1"), 3, "withdrawn candidates stand before the first ballot"),
        (with_ballots("1 2 0", "-1 2 0"), 3, "a ballot weighs more than 0"),
        ("4 1 -2 3 1 3 4 0 0", 1, "-2 starts the line and '3' follows"),
        (with_ballots("x 1 0"), 2, "starts with its weight"),
        (with_ballots("-1.5 1 0"), 2, "weight of a ballot is -1.5"),
        (with_ballots("1e40 1 0"), 2, "weight of a ballot"),
        (with_ballots("0 1 2 0"), 2, "cannot weigh 0"),
        (with_ballots("1 1 0", "1 2", "1 3 0"), 3, "does not end with 0"),
        ('3 1\n1 1 0\n0\n"a"\n"b"\n', 5, "3 candidates, but 2 names"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BallotFileError) as caught:
        read_election(text.encode())
    assert caught.value.line == line
    assert said in str(caught.value)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(BallotFileError, match="the file is empty"):
        read_election(b" \n")
