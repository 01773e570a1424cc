"""Hypothesis strategies for polls: rules, electorates with delegations, and what may happen in a vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from consensus.ballot import Ballot, ChoiceError, normalised
from consensus.delegations import resolve
from consensus.poll import Poll
from consensus.rules import BINARY, Level, Option, Protocol, Rules, Threshold

BINARIES: tuple[Protocol, ...] = tuple(sorted(BINARY))
CHOOSING: tuple[Protocol, ...] = (
    "approval",
    "ranked_choice",
    "borda",
    "copeland",
    "quadratic",
    "weighted_split",
)
AGENTS = tuple("abcdef")
SCOPES = ("all", "own", "delegated")


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that may happen in a vote."""

    kind: str
    """``cast``, ``release`` or ``restore``."""
    agent: str
    scope: Any = "all"
    choice: Any = "abstain"


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A vote and what happens in it."""

    rules: Rules
    weights: Mapping[str, int]
    delegations: Mapping[str, str]
    acts: tuple[Act, ...]

    def poll(self) -> Poll:
        """The poll as it opens."""
        return Poll(self.rules, self.weights, self.delegations, "p")


def act_on(poll: Poll, act: Act) -> Ballot | None:
    """Let it happen if it may; the ballot, if one was cast."""
    if act.kind == "release":
        poll.release(act.agent)
    elif act.kind == "restore":
        poll.restore(act.agent)
    else:
        ballot = Ballot(voter=act.agent, choice=act.choice, scope=act.scope)
        if poll.problem(ballot) is None:
            poll.cast(ballot)
            return ballot
    return None


levels = st.one_of(
    st.builds(Level, numerator=st.integers(0, 9)),
    st.tuples(st.integers(0, 5), st.integers(1, 5))
    .filter(lambda terms: terms[0] <= terms[1])
    .map(lambda terms: Level(numerator=terms[0], denominator=terms[1])),
)
thresholds = (
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.booleans(), st.sampled_from(["cast", "eligible"]))
    .filter(lambda terms: terms[0] <= terms[1])
    .map(
        lambda terms: Threshold(
            numerator=terms[0],
            denominator=terms[1],
            is_inclusive=terms[2],
            of=terms[3],  # type: ignore[arg-type]
        )
    )
)


@st.composite
def drawn_rules(
    draw: st.DrawFn, protocols: tuple[Protocol, ...] = BINARIES + CHOOSING, *, is_final: bool = False
) -> Rules:
    """Rules; `is_final`: votes may not be changed."""
    protocol = draw(st.sampled_from(protocols))
    is_binary = protocol in BINARY
    names = "xyzw"[: draw(st.integers(2, 4))]
    return Rules(
        protocol=protocol,
        options=() if is_binary else tuple(Option(option=name) for name in names),
        threshold=draw(thresholds) if protocol == "qualified_majority" else None,
        quorum=draw(levels),
        quorum_counts=draw(st.sampled_from(["for", "for_and_abstain", "all"])),
        super_quorum=draw(st.none() | levels),
        may_change_vote=not is_final and draw(st.booleans()),
        is_fractional=is_binary and draw(st.booleans()),
        tie_rule="fails" if is_binary else draw(st.sampled_from(["fails", "first_listed", "lot"])),
        credits=draw(st.integers(1, 12)),
        minimum_electorate=draw(st.integers(1, 3)),
        offline_voters=draw(st.sampled_from(["remain", "release"])),
    )


def raw_choices(rules: Rules) -> st.SearchStrategy[Any]:
    """Choices as people write them; of few kinds, so that ties are frequent."""
    if rules.is_binary:
        nominal = st.sampled_from(["for", "against", "abstain"])
        split = st.dictionaries(nominal, st.integers(1, 3), min_size=1)
        return nominal | split if rules.is_fractional else nominal
    options = st.sampled_from(rules.option_ids)
    match rules.protocol:
        case "approval":
            chosen: st.SearchStrategy[Any] = st.lists(options, min_size=1, unique=True)
        case "quadratic" | "weighted_split":
            chosen = st.dictionaries(options, st.integers(0, 3), min_size=1)
        case _:
            chosen = st.lists(options, min_size=1, unique=True).flatmap(_grouped)
    return st.just("abstain") | chosen


def _grouped(ranked: list[str]) -> st.SearchStrategy[list[list[str]]]:
    """The same order with some neighbours as equals."""
    joins = st.lists(st.booleans(), min_size=len(ranked), max_size=len(ranked))

    def group(joined: list[bool]) -> list[list[str]]:
        groups: list[list[str]] = []
        for option, is_joined in zip(ranked, joined, strict=True):
            if is_joined and groups:
                groups[-1].append(option)
            else:
                groups.append([option])
        return groups

    return joins.map(group)


def choices(rules: Rules) -> st.SearchStrategy[Any]:
    """Choices in normal form."""

    def is_allowed(raw: Any) -> bool:
        try:
            normalised(rules, raw)
        except ChoiceError:
            return False
        return True

    return raw_choices(rules).filter(is_allowed).map(lambda raw: normalised(rules, raw))


def acts(rules: Rules, *, agents: tuple[str, ...] = AGENTS, max_size: int = 10) -> st.SearchStrategy[Any]:
    """What may happen, in some order; much of it is refused."""
    casts = st.builds(
        Act,
        kind=st.just("cast"),
        agent=st.sampled_from(agents),
        scope=st.sampled_from(("all", *SCOPES)),
        choice=choices(rules),
    )
    absences = st.builds(Act, kind=st.sampled_from(["release", "restore"]), agent=st.sampled_from(agents))
    return st.lists(casts | absences if rules.offline_voters == "release" else casts, max_size=max_size)


@st.composite
def votes(
    draw: st.DrawFn,
    protocols: tuple[Protocol, ...] = BINARIES + CHOOSING,
    *,
    is_final: bool = False,
    has_delegations: bool = True,
) -> Vote:
    """A vote with an electorate of at most six."""
    rules = draw(drawn_rules(protocols, is_final=is_final))
    weights = draw(
        st.dictionaries(st.sampled_from(AGENTS[:-1]), st.sampled_from([0, 1, 1, 2, 3]), min_size=1)
    )
    standing = draw(st.dictionaries(st.sampled_from(AGENTS), st.sampled_from(AGENTS)))
    return Vote(
        rules=rules,
        weights=weights,
        delegations=resolve(weights, standing) if has_delegations else {},
        acts=tuple(draw(acts(rules))),
    )
