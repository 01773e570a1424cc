"""Makes requests to the task service of what our caller gave; every mistake in it is a `UsageError`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from coordination.approvals.wire import presented
from coordination.requirements import Requirement, parse
from coordination.runtime.asking import items, mapping, payload_of, read, request
from coordination.runtime.errors import UsageError
from coordination.runtime.problems import problems_of
from coordination.tasks import wire

MAX_BATCH_BYTES: Final = 200 * 1024
"""Bodies of the things in one request; a service takes requests of 256 KiB."""
Given = BaseModel | Mapping[str, Any]
"""A part of a request: its type in `coordination.tasks.wire`, or a mapping with the same fields."""
B = TypeVar("B", bound=BaseModel)


class SubmitOptions(TypedDict, total=False):
    """What may be said of a task beside its requirement and payload. Times are Unix ms."""

    payload_reference: Given | None
    """``{"sha256": ..., "size_bytes": ...}`` of a payload in the object store; instead of one."""
    task_id: str | None
    """Makes submitting the same task again harmless; by default the service chooses."""
    idempotency_key: str
    """The same, for those who have a key of their own, such as the number of an order."""
    queue: str
    """Whose settings hold for it; ``default``."""
    strategy: wire.Strategy | None
    """Which of the agents that could do it is asked; by default as the queue says."""
    priority: int
    """0 to 9, higher goes first."""
    fairness_key: str
    """Within one priority, keys share dispatches by weight."""
    fairness_weight: int | None
    """1 to 1000; counts only for a key to which the queue gives no weight."""
    cost: int
    """Units that it may use; reserved out of the budgets above it."""
    run_at_ms: int | None
    """Not before then."""
    start_by_ms: int | None
    """It expires if no attempt has begun by then."""
    deadline_ms: int | None
    """It expires then."""
    timeout_ms: int | None
    """How long one attempt may take."""
    lease_ms: int | None
    """How long its worker may be silent; by default as the deployment says."""
    max_attempts: int
    """1 to 20; 3."""
    max_rounds: int
    """1 to 1000 rounds of offers in which everybody who could do it passes on it; 10."""
    backoff: Given | None
    """`wire.Backoff`: the pauses between attempts."""
    placement: Given | None
    """`wire.Placement`: marks, affinity, anti-affinity, stickiness."""
    bidding: Given | None
    """`wire.Bidding`, of ``contract_net``."""
    after: Iterable[str | Given]
    """Tasks that must end first: ids, or ``{"task_id": ..., "on_failure": "skip"}``."""
    parent: Given | None
    """``{"task_id": ..., "fencing_token": ...}`` of the task that the caller works on."""
    on_parent_end: wire.OnParentEnd
    """What becomes of it when the parent's attempt ends before it; ``cancel``."""
    budget: Given | None
    """`wire.Budget`, of the task and everything below it."""
    max_depth: int
    """0 to 32 levels of delegation below it; 8."""
    may_return: bool
    """Whether an agent that holds a task above may be asked, too."""
    approval: BaseModel | Mapping[str, Any] | None
    """Of a proposal that approved exactly this task (`task_artifact`): ``proposal.approval``. The same task
    may be submitted with it again, any other is refused."""
    conditions_met: Iterable[str]
    """Every condition of the approval; whoever submits confirms that they are met."""


def submission(
    requirement: Requirement | str,
    payload: Mapping[str, Any] | None = None,
    **options: Unpack[SubmitOptions],
) -> wire.SubmitRequest:
    """The request to submit one task.

    Raises:
        UsageError: The text is no requirement, whose place the message shows, or an argument cannot be right.
    """
    fields: dict[str, Any] = dict(options)
    for name in _PARTS:
        if name in fields:
            fields[name] = part(fields[name])
    if "after" in fields:
        fields["after"] = tuple(
            each if isinstance(each, str) else part(each)
            for each in items("after", fields["after"], of="task ids")
        )
    if "approval" in fields:
        fields["approval"] = presented(fields["approval"])
    if "conditions_met" in fields:
        fields["conditions_met"] = items("conditions_met", fields["conditions_met"], of="texts")
    needs = read("requirement", requirement, Requirement, parse)
    return request(wire.SubmitRequest, requirement=needs, payload=mapping("payload", payload), **fields)


def plain_submission(requirement: str, payload: Mapping[str, Any] | None, task_id: str) -> bytes:
    """The JSON of the request to submit a task of which nothing else is said; what most are.

    As that of `submission`, in a fifth of the time.

    Args:
        requirement: See `submission`.
        payload: Has nothing in it but texts, finite numbers, truth values and None.
        task_id: A valid id.

    Raises:
        UsageError: The text is no requirement, or one in the payload is half a surrogate pair.
    """
    fields: dict[str, Any] = {"requirement": str(read("requirement", requirement, Requirement, parse))}
    if payload:
        fields["payload"] = payload
    fields["task_id"] = task_id
    try:
        return to_json(fields)
    except ValueError:
        return payload_of(submission(requirement, payload, task_id=task_id))


_PARTS: Final = ("payload_reference", "backoff", "placement", "bidding", "parent", "budget")


def part(given: Given | None) -> Any:
    """A part of a request as data, so that what is wrong with it is told with its place in the request."""
    return given.model_dump() if isinstance(given, BaseModel) else given


def listed(name: str, given: Iterable[Any], kind: Any) -> tuple[Any, ...]:
    """The list `given` as the argument `name`, each of it of `kind`, or a mapping with its fields.

    Raises:
        UsageError: One is not; names the first place.
    """
    adapter = _adapter(kind)
    read = adapter.validator.validate_python  # as that of the adapter, without what it does before
    made: list[Any] = []
    for place, each in enumerate(items(name, given, of=name)):
        try:
            made.append(read(each))
        except ValidationError as error:
            raise UsageError(f"{name}.{place}: {problems_of(error, most=1, body=adapter)[0]}") from None
    return tuple(made)


@lru_cache(maxsize=16)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def batches(bodies: Sequence[B], *, max_count: int) -> Iterator[tuple[tuple[B, ...], bytes]]:
    """`bodies` in order, in parts that fit into one request each, and their JSON, with commas between them.

    Raises:
        UsageError: Something in one has no place in JSON.
    """
    taken: list[B] = []
    written: list[bytes] = []
    size_bytes = 0
    for body in bodies:
        text = payload_of(body)
        if taken and (len(taken) == max_count or size_bytes + len(text) + 1 > MAX_BATCH_BYTES):
            yield tuple(taken), b",".join(written)
            taken, written, size_bytes = [], [], 0
        taken.append(body)
        written.append(text)
        size_bytes += len(text) + 1
    if taken:
        yield tuple(taken), b",".join(written)
