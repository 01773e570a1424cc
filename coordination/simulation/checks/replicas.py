"""Are all copies of a shard's state the same, however they came about?

Unlike the other checkers this one uses the kernel's own reading of records, because that is in question:
reading the journal from the first record, from each snapshot, and having written it must lead to one state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from coordination.runtime.errors import CorruptJournalError
from coordination.runtime.host import Host
from coordination.runtime.model import Model
from coordination.runtime.shard import ShardState
from coordination.runtime.store import Entry, Pointer


def unequal_replicas(
    name: str,
    make_model: Callable[[], Model],
    archive: Sequence[Entry],
    *,
    hosts: Iterable[Host[Any]],
    pointer: Pointer,
    snapshots: dict[str, bytes],
) -> Iterator[str]:
    """Which states differ from the replay of all records.

    Args:
        name: The shard, as its hosts call it.
        make_model: Makes its model.
        archive: Every record, in order.
        hosts: Hosts that have read all of them.
        pointer: Which snapshots count.
        snapshots: Their bytes by name.
    """
    state_type = TypeAdapter[Any](type(make_model().snapshot()))
    try:
        replayed = _follow(ShardState(name, make_model), archive)
    except CorruptJournalError as error:
        yield f"the journal cannot be replayed: {error}"
        return
    expected = _content(replayed)
    model = state_type.dump_json(replayed.model.snapshot())
    for host in hosts:
        found = state_type.dump_json(host.model.snapshot())
        if found != model:
            yield f"a host's model is {found.decode()}, the journal says {model.decode()}"
    for ref in pointer.snapshots:
        payload = snapshots.get(ref.name)
        if payload is None:
            yield f"snapshot {ref.name} counts and is not there"
            continue
        restored = ShardState(name, make_model)
        restored.restore(payload)
        found_content = _content(_follow(restored, archive[restored.sequence :]))
        if found_content != expected:
            yield f"from snapshot {ref.name} the state is {found_content}, the journal says {expected}"


def _follow(state: ShardState[Any], entries: Iterable[Entry]) -> ShardState[Any]:
    for entry in entries:
        state.apply_entry(entry)
    return state


def _content(state: ShardState[Any]) -> dict[str, Any]:
    """Everything in a state but when it was last looked at, which leaves no record."""
    content: dict[str, Any] = json.loads(state.snapshot())
    del content["at_ms"]
    return content
