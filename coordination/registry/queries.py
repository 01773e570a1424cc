"""Answers the registry's queries: from the model what lasts, from presence what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from coordination.registry import wire
from coordination.registry.changes import Change, change_body
from coordination.registry.model import RegistryModel
from coordination.registry.record import Record, record_body
from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_PAGE_BYTES
from coordination.runtime.service import Call, Query

_AGENT_BYTES: Final = 640
"""What an agent takes in a reply beside what it registered: ids, numbers and names of fields, at most."""


class Queries:
    """The registry's queries.

    Args:
        load: What an agent last reported; 0 if it is not known.
        last_heard_ms: When it was last heard; 0 if it is not known.
    """

    def __init__(self, *, load: Callable[[Record], float], last_heard_ms: Callable[[Record], int]) -> None:
        self._load = load
        self._last_heard_ms = last_heard_ms

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
        return self._record(record)

    def _find(self, model: RegistryModel, _: Call, request: wire.FindRequest, __: int) -> wire.FindReply:
        found = [
            record
            for record in model.page("", len(model.state.agents))
            if any(each.name == request.capability for each in record.capabilities)
            and (request.include_offline or record.status != "offline")
        ]
        agents = tuple(
            wire.FoundAgent(**self._agent(record).model_dump()) for record in fitting(found[: request.limit])
        )
        return wire.FindReply(agents=agents, matched=len(found))

    def _list(self, model: RegistryModel, _: Call, request: wire.ListRequest, __: int) -> wire.AgentsReply:
        records, following = _page(model, request.after, request.limit)
        return wire.AgentsReply(agents=tuple(map(self._agent, records)), next=following)

    def _watch(self, model: RegistryModel, _: Call, request: wire.WatchRequest, __: int) -> wire.WatchReply:
        records, following = _page(model, request.after, request.limit)
        return wire.WatchReply(
            agents=tuple(map(self._record, records)), next=following, revision=model.state.revision
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

    # --- agents as the world sees them

    def _agent(self, record: Record) -> wire.Agent:
        return wire.Agent.model_validate(self._body(record), from_attributes=True)

    def _record(self, record: Record) -> wire.AgentRecord:
        return wire.AgentRecord.model_validate(self._body(record), from_attributes=True)

    def _body(self, record: Record) -> dict[str, Any]:
        return {
            **record_body(record),
            "load": self._load(record),
            "last_heard_ms": self._last_heard_ms(record),
        }


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
