"""Which weight a ballot casts, and from whom it takes it: the books of one vote. Pure, exact integers.

Two kinds of books answer to one protocol:

- `OverridableBooks`: an elector's own weight follows its delegations up to the nearest agent that has
  voted with what others delegated to it, unless the elector casts it itself. A vote lower in the tree
  therefore takes weight away from a choice that counted it before (Governor's ``VoteReduced``).
- `FractionalBooks`: weight is moved to the last delegate of each chain when the vote opens, for good;
  its holder may split it and spend it in several votes.

Weight once cast never becomes uncast again; it only changes sides.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from copy import copy
from typing import Final, Literal, Protocol

from consensus.ballot import Ballot, Choice, Scope
from consensus.delegations import from_the_leaves

Problem = tuple[str, str]
"""Code and message of a refusal."""
ChoiceKey = Hashable
"""A choice by which equal ballots are counted together; see `key_of`."""
Part = Literal["own", "delegated"]
PARTS: Final[Mapping[Scope, tuple[Part, ...]]] = {
    "all": ("own", "delegated"),
    "own": ("own",),
    "delegated": ("delegated",),
}


def key_of(choice: Choice) -> ChoiceKey:
    """A choice in a form that is equal and hashable for equal choices; points as sorted pairs."""
    return tuple(sorted(choice.items())) if isinstance(choice, Mapping) else choice


def favours_key(key: ChoiceKey) -> bool:
    """Whether a choice is in favour: ``for``, or any option."""
    return key not in ("against", "abstain")


class Votes:
    """Weight by choice; only choices with weight are listed."""

    __slots__ = ("by_key", "total")

    def __init__(self) -> None:
        self.by_key: dict[ChoiceKey, int] = {}
        self.total = 0

    def copy(self) -> Votes:
        """The same votes, to go on with apart from these."""
        other = Votes()
        other.by_key = self.by_key.copy()
        other.total = self.total
        return other

    def add(self, key: ChoiceKey, weight: int) -> None:
        """More weight (or less, if negative) for a choice."""
        left = self.by_key.get(key, 0) + weight
        assert left >= 0, "less than no weight behind a choice"
        self.total += weight
        if left:
            self.by_key[key] = left
        else:
            self.by_key.pop(key, None)

    def of(self, key: ChoiceKey) -> int:
        """The weight behind a choice."""
        return self.by_key.get(key, 0)


class Books(Protocol):
    """What a poll asks about weights."""

    fixed: Votes
    """Cast by its owner, or by a delegate for good."""
    lent: Votes
    """Cast by a delegate, while its owner may still take it back by a vote of its own."""

    def copy(self) -> Books:
        """The same books, to go on with apart from these."""

    def problem(self, ballot: Ballot) -> Problem | None:
        """Why the ballot of an elector cannot be cast; None if it can."""

    def cast(self, ballot: Ballot) -> None:
        """Count a ballot that has no problem."""

    def after(self, ballot: Ballot) -> tuple[Votes, Votes]:
        """`fixed` and `lent` as `cast` would leave them; changes nothing.

        Complexity: that of `cast`, and a copy of as many references as there are different choices.
        """

    def weight_of(self, voter: str, scope: Scope) -> int:
        """What a vote of `voter` would cast now."""

    def weight_at_hand(self, agent: str) -> int:
        """What is out of reach while `agent` is away."""

    def is_uncast(self, agent: str) -> bool:
        """Whether nobody has cast the weight at hand of `agent` yet."""

    def covered_by(self, ballot: Ballot) -> Iterator[str]:
        """Whose weight at hand `ballot`, which was cast, counts now (and perhaps did before)."""

    def has_voted(self, agent: str) -> bool:
        """Whether `agent` itself has cast a ballot."""

    def favours(self, voter: str, scope: Scope) -> bool:
        """Whether something that `voter` cast in this scope counts in favour."""


class OverridableBooks:
    """Delegations that every elector may override.

    Invariants:
        `held_votes[x]` is the weight that a vote of `x` with scope ``delegated`` casts: that of all below
        `x` in the tree whose owner has not cast it and below no nearer agent that has voted with that
        scope. If `x` has voted with it, exactly that much is in `lent` for its choice.

    Complexity: a vote costs the way up to the nearest agent that has voted for those below it.
    """

    def __init__(
        self, weights: Mapping[str, int], delegations: Mapping[str, str], *, may_change_vote: bool
    ) -> None:
        self._weights = weights
        self._delegations = delegations
        self._may_change_vote = may_change_vote
        self.own_choices: dict[str, ChoiceKey] = {}
        self.delegated_choices: dict[str, ChoiceKey] = {}
        self.held_votes: dict[str, int] = {}
        self._followers: dict[str, list[str]] = {}
        self.fixed = Votes()
        self.lent = Votes()
        for agent in from_the_leaves(delegations):
            delegate = delegations[agent]
            self._followers.setdefault(delegate, []).append(agent)
            below = self.held_votes.get(agent, 0) + weights[agent]
            self.held_votes[delegate] = self.held_votes.get(delegate, 0) + below

    def copy(self) -> OverridableBooks:
        """See `Books`."""
        other = copy(self)
        other.own_choices = self.own_choices.copy()
        other.delegated_choices = self.delegated_choices.copy()
        other.held_votes = self.held_votes.copy()
        other.fixed = self.fixed.copy()
        other.lent = self.lent.copy()
        return other

    def problem(self, ballot: Ballot) -> Problem | None:
        """See `Books`."""
        voter = ballot.voter
        if not self._may_change_vote:
            done: list[Scope] = []
            if voter in self.own_choices:
                done.append("own")
            if voter in self.delegated_choices:
                done.append("delegated")
            if any(part in done for part in PARTS[ballot.scope]):
                return _already_voted(voter, done)
        if self.weight_of(voter, ballot.scope) > 0:
            return None
        return "nothing_to_cast", _nothing(voter, ballot.scope)

    def cast(self, ballot: Ballot) -> None:
        """See `Books`."""
        taken = self._move(ballot, self.fixed, self.lent)
        if taken:
            for above in self._above(ballot.voter):
                self.held_votes[above] -= taken
        key = key_of(ballot.choice)
        if ballot.scope != "delegated":
            self.own_choices[ballot.voter] = key
        if ballot.scope != "own":
            self.delegated_choices[ballot.voter] = key

    def after(self, ballot: Ballot) -> tuple[Votes, Votes]:
        """See `Books`."""
        fixed, lent = self.fixed.copy(), self.lent.copy()
        self._move(ballot, fixed, lent)
        return fixed, lent

    def _move(self, ballot: Ballot, fixed: Votes, lent: Votes) -> int:
        """Write into these votes what a ballot casts.

        Returns:
            What becomes the voter's: its delegates hold it no longer, and whoever cast it has cast less.
        """
        voter, key, taken = ballot.voter, key_of(ballot.choice), 0
        if ballot.scope != "delegated":
            weight = self._weights[voter]
            if voter in self.own_choices:
                fixed.add(self.own_choices[voter], -weight)
            else:
                taken += weight
            fixed.add(key, weight)
        if ballot.scope != "own":
            weight = self.held_votes.get(voter, 0)
            if voter in self.delegated_choices:
                lent.add(self.delegated_choices[voter], -weight)
            else:
                taken += weight
            lent.add(key, weight)
        if taken:
            for above in self._above(voter):
                if above in self.delegated_choices:
                    lent.add(self.delegated_choices[above], -taken)
        return taken

    def _above(self, agent: str) -> Iterator[str]:
        """Who holds the weight of `agent`: its delegates up to the nearest that has voted with it."""
        above = self._delegations.get(agent)
        while above is not None:
            yield above
            if above in self.delegated_choices:
                return
            above = self._delegations.get(above)

    def weight_of(self, voter: str, scope: Scope) -> int:
        """See `Books`."""
        own = self._weights[voter] if scope != "delegated" else 0
        return own + (self.held_votes.get(voter, 0) if scope != "own" else 0)

    def weight_at_hand(self, agent: str) -> int:
        """Its own weight: those that delegated to it may vote themselves."""
        return self._weights[agent]

    def is_uncast(self, agent: str) -> bool:
        """See `Books`."""
        if agent in self.own_choices:
            return False
        return not any(above in self.delegated_choices for above in self._above(agent))

    def covered_by(self, ballot: Ballot) -> Iterator[str]:
        """See `Books`. Below the voter as far as no nearer delegate has voted for those below itself."""
        if ballot.scope != "delegated":
            yield ballot.voter
        if ballot.scope != "own":
            below = list(self._followers.get(ballot.voter, ()))
            for agent in below:  # grows while it is read
                yield agent
                if agent not in self.delegated_choices:
                    below.extend(self._followers.get(agent, ()))

    def has_voted(self, agent: str) -> bool:
        """See `Books`."""
        return agent in self.own_choices or agent in self.delegated_choices

    def favours(self, voter: str, scope: Scope) -> bool:
        """See `Books`."""
        parts = PARTS[scope]
        own = "own" in parts and voter in self.own_choices and favours_key(self.own_choices[voter])
        if own and self._weights[voter] > 0:
            return True
        delegated = "delegated" in parts and voter in self.delegated_choices
        return delegated and favours_key(self.delegated_choices[voter]) and self.held_votes.get(voter, 0) > 0


class FractionalBooks:
    """Delegations that are final, and weight that may be split (GovernorCountingFractional).

    With `may_change_vote` a vote does not add to the former ones of its voter, but replaces them.
    """

    def __init__(
        self, weights: Mapping[str, int], delegations: Mapping[str, str], *, may_change_vote: bool
    ) -> None:
        self._delegations = delegations
        self._may_change_vote = may_change_vote
        self._power = dict(weights)
        self.spent_votes: dict[str, dict[str, int]] = {}
        self.fixed = Votes()
        self.lent = Votes()  # always empty
        for agent in from_the_leaves(delegations):
            self._power[delegations[agent]] += self._power[agent]
            self._power[agent] = 0

    def copy(self) -> FractionalBooks:
        """See `Books`."""
        other = copy(self)
        other.spent_votes = {voter: spent.copy() for voter, spent in self.spent_votes.items()}
        other.fixed = self.fixed.copy()
        return other

    def problem(self, ballot: Ballot) -> Problem | None:
        """See `Books`."""
        voter = ballot.voter
        if voter in self._delegations:
            delegate = self._delegations[voter]
            return "delegated_away", f"{voter} has delegated its weight to {delegate}, for good in this vote"
        if ballot.scope != "all":
            return "invalid_choice", "a fractional vote is cast from all weight at hand: its scope is all"
        if not self._power[voter]:
            return "nothing_to_cast", _nothing(voter, "all")
        left = self.weight_of(voter, "all")
        if not left:
            return _already_voted(voter, ["own", "delegated"])
        spent = sum(ballot.choice.values()) if isinstance(ballot.choice, Mapping) else left
        if spent > left:
            return "overspent", f"the vote spends {spent}, but {voter} has only {left} left"
        return None

    def cast(self, ballot: Ballot) -> None:
        """See `Books`."""
        amounts = self._amounts(ballot)
        self._move(ballot.voter, amounts, self.fixed)
        if self._may_change_vote:
            self.spent_votes.pop(ballot.voter, None)
        spent = self.spent_votes.setdefault(ballot.voter, {})
        for side, amount in amounts.items():
            spent[side] = spent.get(side, 0) + amount

    def after(self, ballot: Ballot) -> tuple[Votes, Votes]:
        """See `Books`."""
        fixed = self.fixed.copy()
        self._move(ballot.voter, self._amounts(ballot), fixed)
        return fixed, self.lent

    def _amounts(self, ballot: Ballot) -> Mapping[str, int]:
        """Weight by side that a ballot spends."""
        if isinstance(ballot.choice, Mapping):
            return ballot.choice
        assert isinstance(ballot.choice, str), "a fractional vote among options"
        return {ballot.choice: self.weight_of(ballot.voter, "all")}

    def _move(self, voter: str, amounts: Mapping[str, int], fixed: Votes) -> None:
        if self._may_change_vote:
            for side, amount in self.spent_votes.get(voter, {}).items():
                fixed.add(side, -amount)
        for side, amount in amounts.items():
            fixed.add(side, amount)

    def weight_of(self, voter: str, scope: Scope) -> int:
        """What `voter` has left to spend; nothing in other scopes than ``all``."""
        if scope != "all":
            return 0
        spent = 0 if self._may_change_vote else sum(self.spent_votes.get(voter, {}).values())
        return self._power[voter] - spent

    def weight_at_hand(self, agent: str) -> int:
        """All that it may spend, for nobody else can; nothing for those that delegated."""
        return self._power[agent]

    def is_uncast(self, agent: str) -> bool:
        """See `Books`. The weight of those that delegated is another's to cast."""
        return agent not in self._delegations and agent not in self.spent_votes

    def covered_by(self, ballot: Ballot) -> Iterator[str]:
        """See `Books`."""
        yield ballot.voter

    def has_voted(self, agent: str) -> bool:
        """See `Books`."""
        return agent in self.spent_votes

    def favours(self, voter: str, scope: Scope) -> bool:
        """See `Books`."""
        return scope == "all" and self.spent_votes.get(voter, {}).get("for", 0) > 0


def _already_voted(voter: str, done: list[Scope]) -> Problem:
    match done:
        case ["own"]:
            cast = "its own weight already; what others delegated to it may still be cast (scope delegated)"
        case ["delegated"]:
            cast = "what was delegated to it already; its own weight may still be cast (scope own)"
        case _:
            cast = "all its weight already"
    return "already_voted", f"{voter} has cast {cast}"


def _nothing(voter: str, scope: Scope) -> str:
    match scope:
        case "own":
            return f"{voter} has no weight of its own in this vote"
        case "delegated":
            return f"no weight is delegated to {voter} that its owner or a nearer delegate has not cast"
        case _:
            return f"{voter} has no weight in this vote"
