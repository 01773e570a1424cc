"""Says of each agent why it meets a requirement or not."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from coordination.registry import wire
from coordination.registry.model import RegistryModel
from coordination.registry.record import Record, Status
from coordination.requirements import Requirement, TermResult


class Explainer:
    """Explains one requirement; a profile is explained once for all agents that have it.

    Args:
        model: Where the agents are.
        requirement: What is asked for.
        statuses: Agents of any other status are left out of what is found.
    """

    def __init__(self, model: RegistryModel, requirement: Requirement, *, statuses: Iterable[Status]) -> None:
        self._model = model
        self._requirement = requirement
        self._statuses = frozenset(statuses)
        self._results: dict[int, tuple[TermResult, ...]] = {}

    def others(self, *, limit: int, max_profiles: int) -> list[str]:
        """Up to `limit` agents that are not found, those that miss fewest terms first, then by id.

        Looks at the first `max_profiles` profiles only, by the ids of their agents.
        """
        agents = self._model.state.agents
        missing: list[tuple[int, str]] = []
        for agent in self._model.directory.ids_after("", len(agents)):
            serial = self._model.directory.profile_of(agent).serial
            if serial not in self._results and len(self._results) >= max_profiles:
                continue
            results = self._explain(agent)
            missed = sum(not each.met and not each.preferred for each in results)
            if missed or agents[agent].status not in self._statuses:
                missing.append((missed, agent))
        return [agent for _, agent in heapq.nsmallest(limit, missing)]

    def explanations(self, agents: Iterable[str]) -> Iterator[wire.Explanation]:
        """Of each of `agents`."""
        for agent in agents:
            yield self._explanation(self._model.state.agents[agent])

    def _explain(self, agent: str) -> tuple[TermResult, ...]:
        profile = self._model.directory.profile_of(agent)
        results = self._results.get(profile.serial)
        if results is None:
            results = self._results[profile.serial] = self._requirement.explain(profile.facts)
        return results

    def _explanation(self, record: Record) -> wire.Explanation:
        terms = tuple(
            wire.TermExplanation(
                term=each.term, met=each.met, preferred=each.preferred, weight=each.weight, reason=each.reason
            )
            for each in self._explain(record.agent)
        )
        is_left_out = record.status not in self._statuses
        if is_left_out:
            reason = f"is {record.status}; include_offline asks for such agents, too"
            terms = (*terms, wire.TermExplanation(term="status!=offline", met=False, reason=reason))
        facts = self._model.directory.profile_of(record.agent).facts
        verdict = self._requirement.evaluate(facts)
        return wire.Explanation(
            agent=record.agent,
            status=record.status,
            matches=verdict.matches and not is_left_out,
            score=0.0 if is_left_out else verdict.score,
            terms=terms,
        )
