"""Whatever is registered, updated and asked, the directory finds what a look at every agent finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.registry import directory as directories
from coordination.registry.directory import Directory, Found, Match
from coordination.registry.record import STATUSES, Capability, Record, Status
from coordination.requirements import CapabilityFacts, Facts, Requirement, parse

IDS = ("ada", "bob", "cyd", "dot", "eve", "fay")
ids = st.sampled_from(IDS)
statuses = st.sampled_from(STATUSES)
names = st.sampled_from(("python", "gpu", "region", "gpu.fast"))
values = st.sampled_from((1, 1.0, True, 2, 0.5, "eu", "1.2.3"))
capabilities = st.lists(
    st.builds(
        Capability,
        name=names,
        version=st.sampled_from(("1.0.0", "1.2.0", "2.0.0-rc.1")),
        attributes=st.dictionaries(st.sampled_from(("memory_gb", "fast")), values, max_size=2),
    ),
    max_size=3,
    unique_by=lambda each: each.name,
).map(tuple)
labels = st.dictionaries(names, st.sampled_from(("eu", "us", "1.2.3")), max_size=2)
TERMS = (
    "python",
    "python>=1.2",
    "gpu.memory_gb>=1",
    "gpu.memory_gb=1",
    "gpu.fast",
    "gpu.fast=true",
    "region in [eu, us]",
    "label:python",
    "capability:gpu",
    "agent.max_tasks>=2",
)
hard = st.lists(st.sampled_from(TERMS), max_size=3)
preferred = st.lists(
    st.tuples(st.sampled_from(TERMS), st.integers(1, 3)).map(
        lambda each: f"prefer {each[0]} weight {each[1]}"
    ),
    max_size=2,
)
requirements = (
    st.tuples(hard, preferred).map(lambda each: ", ".join((*each[0], *each[1]))).filter(bool).map(parse)
)


def naive_facts(record: Record) -> Facts:
    """Of one agent, made anew."""
    return Facts(
        capabilities={
            each.name: CapabilityFacts(version=each.version, attributes=each.attributes)
            for each in record.capabilities
        },
        labels=record.labels,
        max_tasks=record.max_tasks,
    )


def naive_find(
    records: dict[str, Record],
    requirement: Requirement | None,
    wanted: set[Status],
    limit: int,
    loads: dict[str, float],
) -> Found:
    """Test every agent, and sort all that match."""
    found: list[tuple[float, int, float, str]] = []
    for record in records.values():
        verdict = None if requirement is None else requirement.evaluate(naive_facts(record))
        if record.status in wanted and (verdict is None or verdict.matches):
            score = 1.0 if verdict is None else verdict.score
            load = loads.get(record.agent, 0.0)
            found.append((-score, STATUSES.index(record.status), load, record.agent))
    best = tuple(Match(agent, -score) for score, _, _, agent in sorted(found)[:limit])
    return Found(best=best, matched=len(found))


class DirectoryMachine(RuleBasedStateMachine):
    """Random agents and questions, beside a dictionary of all records."""

    @initialize(
        remembered=st.sampled_from((1, 2, 128)),
        moved=st.sampled_from((0, 2, 500)),
        questions=st.lists(st.none() | requirements, min_size=1, max_size=3),
    )
    def begin(self, remembered: int, moved: int, questions: list[Requirement | None]) -> None:
        self.questions = questions
        """A few only, so that the same ones are asked again when agents have changed."""
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(directories, "MAX_REMEMBERED", remembered)
        self.patched.setattr(directories, "_MAX_MOVED", moved)
        self.directory = Directory()
        self.records: dict[str, Record] = {}
        self.loads: dict[str, float] = {}

    def teardown(self) -> None:
        if hasattr(self, "patched"):
            self.patched.undo()

    def put(self, record: Record) -> None:
        kept = self.directory.replace(self.records.get(record.agent), record)
        assert kept is not None
        assert repr(kept) == repr(record), "sharing changes nothing, not even 1 to True"
        self.records[record.agent] = kept

    @rule(
        agents=st.sets(ids, min_size=1),
        status=statuses,
        capabilities=capabilities,
        labels=labels,
        max_tasks=st.integers(0, 3),
    )
    def register_or_update(
        self,
        agents: set[str],
        status: Status,
        capabilities: tuple[Capability, ...],
        labels: dict[str, str],
        max_tasks: int,
    ) -> None:
        for agent in agents:
            self.put(
                Record(
                    agent=agent,
                    incarnation=1,
                    status=status,
                    capabilities=capabilities,
                    labels=labels,
                    max_tasks=max_tasks,
                    description="",
                    registered_at_ms=0,
                )
            )

    @rule(agent=ids, other=ids)
    def offer_what_another_offers(self, agent: str, other: str) -> None:
        if other in self.records:
            self.put(replace(self.records[other], agent=agent))

    @rule(agent=ids, status=statuses)
    def change_status(self, agent: str, status: Status) -> None:
        if agent in self.records:
            self.put(replace(self.records[agent], status=status))

    @rule(agent=ids)
    def deregister(self, agent: str) -> None:
        if agent in self.records:
            assert self.directory.replace(self.records.pop(agent), None) is None
            self.loads.pop(agent, None)

    @rule(loads=st.dictionaries(ids, st.sampled_from((0.0, 0.25, 1.0)), min_size=1))
    def beat(self, loads: dict[str, float]) -> None:
        self.directory.set_loads(loads)
        self.loads |= {agent: load for agent, load in loads.items() if agent in self.records}

    @rule(which=st.integers(0, 2), wanted=st.sets(statuses, min_size=1), limit=st.integers(1, 4))
    def find(self, which: int, wanted: set[Status], limit: int) -> None:
        requirement = self.questions[which % len(self.questions)]
        expected = naive_find(self.records, requirement, wanted, limit, self.loads)
        assert self.directory.find(requirement, statuses=wanted, limit=limit) == expected

    @invariant()
    def ids_are_in_order_and_profiles_those_of_the_records(self) -> None:
        if not hasattr(self, "records"):
            return
        assert self.directory.ids_after("", 100) == sorted(self.records)
        for agent, record in self.records.items():
            profile = self.directory.profile_of(agent)
            assert profile.is_of(record)
            assert agent in profile.members[record.status]

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        if hasattr(self, "records"):
            assert len(self.directory._remembered) <= directories.MAX_REMEMBERED
            for each in self.directory._remembered.values():
                assert each.by_profile.keys() <= self.directory._profiles.keys()
                assert each.by_profile.keys() == {serial for tier in each.tiers for serial in tier.profiles}
            names = {name for record in self.records.values() for name in offered(record)}
            assert self.directory._by_name.keys() == names


def offered(record: Record) -> set[str]:
    return {each.name for each in record.capabilities} | record.labels.keys()


TestDirectory = DirectoryMachine.TestCase
TestDirectory.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
