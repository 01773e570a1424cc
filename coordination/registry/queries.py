"""Answers the registry's queries: from the model what lasts, from presence what does not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, ref

from pydantic import TypeAdapter

from coordination.registry import wire
from coordination.registry.changes import Change, change_body
from coordination.registry.directory import Directory, Profile
from coordination.registry.explaining import Explainer
from coordination.registry.model import MAX_AGENTS, RegistryModel
from coordination.registry.record import STATUSES, Record, record_body
from coordination.registry.rendering import Rendering
from coordination.requirements import Name, Requirement, Term
from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_PAGE_BYTES
from coordination.runtime.service import Call, Query
from coordination.runtime.wire import ReadyJson, page

_AGENT_BYTES: Final = 640
"""What an agent takes in a reply beside what it registered: ids, numbers and names of fields, at most."""
_MAX_EXPLANATION_BYTES: Final = 256 * 1024
"""In one reply, beside a page of agents."""
_MAX_EXPLAINED_PROFILES: Final = 500
"""Profiles that are looked at to explain what does not match; each costs some 30 us."""
_ALIVE: Final = STATUSES[:2]
_EXPLANATIONS: Final = TypeAdapter(tuple[wire.Explanation, ...])
_RECORD: Final = TypeAdapter(wire.AgentRecord)
_CHANGES: Final = TypeAdapter(tuple[wire.Change, ...])
_CAPABILITIES: Final = TypeAdapter(tuple[wire.AgentCapability, ...])


class Presence(Protocol):
    """What the registry has heard of agents; nothing of it lasts."""

    def load(self, agent: str) -> float:
        """What `agent` last reported; 0 if nothing was heard of it."""

    def last_heard_ms(self, agent: str) -> int:
        """When `agent` was last heard; 0 if it was not."""

    def take_changed_loads(self) -> set[str]:
        """Agents whose load may have changed since the last call."""


class Queries:
    """The registry's queries.

    Args:
        presence: What was heard of agents.
    """

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._directory: ref[Directory] | None = None
        """The one that knows the loads: another process may have led, and the model been made anew."""
        self._rendering = Rendering()
        self._known: WeakKeyDictionary[Profile, tuple[wire.AgentCapability, ...]] = WeakKeyDictionary()

    def endpoints(self) -> tuple[Query, ...]:
        """All of them."""
        return (
            Query(
                verb="get",
                description="One agent with all that it registered, and its presence.",
                request=wire.GetRequest,
                reply=wire.AgentRecord,
                answer=self._get,
            ),
            Query(
                verb="find",
                description="The agents that meet a requirement, best first; with explain, why.",
                request=wire.FindRequest,
                reply=wire.FindReply,
                answer=self._find,
            ),
            Query(
                verb="list",
                description="A page of all agents, ordered by id.",
                request=wire.ListRequest,
                reply=wire.AgentsReply,
                answer=self._list,
            ),
            Query(
                verb="watch",
                description="A page of the present state with its revision, from which changes go on.",
                request=wire.WatchRequest,
                reply=wire.WatchReply,
                answer=self._watch,
            ),
            Query(
                verb="changes",
                description="What changed after a revision, in order and without a gap.",
                request=wire.ChangesRequest,
                reply=wire.ChangesReply,
                answer=self._changes,
            ),
        )

    def _get(self, model: RegistryModel, _: Call, request: wire.GetRequest, __: int) -> wire.AgentRecord:
        record = model.state.agents.get(request.agent)
        if record is None:
            raise RejectedError("unknown_agent", f"{request.agent} is not registered")
        return _RECORD.validate_python(self._body(model, record))

    def _find(self, model: RegistryModel, _: Call, request: wire.FindRequest, __: int) -> ReadyJson:
        agents, directory = model.state.agents, model.directory
        self._take_over_loads(directory)
        requirement = request.requirement
        if request.capability is not None:
            requirement = Requirement(hard=(Term(Name(request.capability, "capability")),))
        statuses = STATUSES if request.include_offline else _ALIVE
        found = directory.find(requirement, statuses=statuses, limit=request.limit)
        shown = fitting(agents[match.agent] for match in found.best)
        best = found.best[: len(shown)]
        explanations: tuple[wire.Explanation, ...] = ()
        if request.explain and requirement is not None:
            explainer = Explainer(model, requirement, statuses=statuses)
            others = explainer.others(limit=request.limit, max_profiles=_MAX_EXPLAINED_PROFILES)
            explained = explainer.explanations((*(match.agent for match in best), *others))
            explanations = page(explained, max_bytes=_MAX_EXPLANATION_BYTES)
        found_agents = ",".join(
            self._render(model, record, score=match.score) for record, match in zip(shown, best, strict=True)
        )
        unexplained = len(agents) - len(explanations) if request.explain else 0
        return ReadyJson(
            f'{{"agents":[{found_agents}],"matched":{found.matched},'
            f'"explanations":{_EXPLANATIONS.dump_json(explanations).decode()},"unexplained":{unexplained},'
            f'"revision":{model.state.revision}}}'
        )

    def _list(self, model: RegistryModel, _: Call, request: wire.ListRequest, __: int) -> ReadyJson:
        records, following = _page(model, request.after, request.limit)
        shown = ",".join(self._render(model, record) for record in records)
        return ReadyJson(f'{{"agents":[{shown}],"next":{json.dumps(following)}}}')

    def _watch(self, model: RegistryModel, _: Call, request: wire.WatchRequest, __: int) -> wire.WatchReply:
        records, following = _page(model, request.after, request.limit)
        return wire.WatchReply(
            agents=tuple(_RECORD.validate_python(self._body(model, record)) for record in records),
            next=following,
            revision=model.state.revision,
        )

    def _changes(
        self, model: RegistryModel, _: Call, request: wire.ChangesRequest, __: int
    ) -> wire.ChangesReply:
        state = model.state
        changes: Sequence[Change] | None = None
        if request.after_revision <= state.revision:
            changes = state.history.after(
                request.after_revision, limit=request.limit, max_bytes=MAX_PAGE_BYTES
            )
        if changes is None:
            raise RejectedError(
                "revision_compacted",
                f"what followed on revision {request.after_revision} is not known any more; "
                "read the whole state anew with watch",
                details={"revision": state.revision},
            )
        bodies = tuple(
            wire.Change.model_validate(change_body(each), from_attributes=True) for each in changes
        )
        return wire.ChangesReply(changes=bodies, revision=state.revision)

    def _take_over_loads(self, directory: Directory) -> None:
        """Have `directory` know what agents have reported since the last look; at first, what all have."""
        changed = self._presence.take_changed_loads()
        if self._directory is None or self._directory() is not directory:
            self._directory = ref(directory)
            changed = set(directory.ids_after("", MAX_AGENTS))
        directory.set_loads({agent: self._presence.load(agent) for agent in changed})

    # --- agents as the world sees them

    def _render(self, model: RegistryModel, record: Record, **more: float) -> str:
        return self._rendering.agent(
            record, lambda: self._lasting(model, record), **self._volatile(record), **more
        )

    def _volatile(self, record: Record) -> dict[str, float]:
        """What is not in the model."""
        return {
            "load": self._presence.load(record.agent),
            # A registration is a sign of life as well.
            "last_heard_ms": max(self._presence.last_heard_ms(record.agent), record.registered_at_ms),
        }

    def _body(self, model: RegistryModel, record: Record) -> dict[str, Any]:
        return self._lasting(model, record) | self._volatile(record)

    def _lasting(self, model: RegistryModel, record: Record) -> dict[str, Any]:
        capabilities = self._capabilities(model.directory.profile_of(record.agent))
        return record_body(record) | {"capabilities": capabilities}

    def _capabilities(self, profile: Profile) -> tuple[wire.AgentCapability, ...]:
        """Those of a profile, made once: agents are asked for more often than profiles change."""
        known = self._known.get(profile)
        if known is None:
            known = self._known[profile] = _CAPABILITIES.validate_python(
                profile.capabilities, from_attributes=True
            )
        return known


def fitting(records: Iterable[Record], *, max_bytes: int = MAX_PAGE_BYTES) -> list[Record]:
    """As many `records` as one reply can carry, from the first; at least one if there is one."""
    taken: list[Record] = []
    for record in records:
        max_bytes -= record.size_bytes + _AGENT_BYTES
        if taken and max_bytes < 0:
            break
        taken.append(record)
    return taken


def _page(model: RegistryModel, after: str, limit: int) -> tuple[list[Record], str]:
    """Records that follow on the id `after`, and after which id the next page begins, empty at the end."""
    records = model.page(after, limit + 1)
    taken = fitting(islice(records, limit))
    return taken, taken[-1].agent if len(taken) < len(records) else ""
