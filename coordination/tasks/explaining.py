"""Why a task is where it is, and what speaks for and against each agent. Pure.

Asks the very functions that allocate (`coordination.tasks.placing`), so what it says is what they do; a
property test holds the two together.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from coordination.tasks import dispatching, limiting
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_EXPLAINED_AGENTS
from coordination.tasks.placing import DEFAULTS, Choice, Placing
from coordination.tasks.record import Task
from coordination.tasks.verdicts import AgentVerdict, Judge, number
from coordination.tasks.view import View

_ORDER: Final = (
    "chosen",
    "free",
    "outranked",
    "not_chosen",
    "sticky_elsewhere",
    "rate_limited",
    "queue_limit",
    "busy",
    "refused",
    "near",
    "apart",
    "in_chain",
    "needs_approval",
    "offline",
    "lacks",
)
"""Verdicts, those nearest to getting the task first."""
_WORDS: Final = {
    "chosen": ("has it", "have it"),
    "free": ("could take it", "could take it"),
    "outranked": ("goes after others", "go after others"),
    "not_chosen": ("was not chosen", "were not chosen"),
    "sticky_elsewhere": ("is not the one that it stays with", "are not the one that it stays with"),
    "rate_limited": ("is at its rate limit", "are at their rate limit"),
    "queue_limit": ("holds as much of the queue as it may", "hold as much of the queue as they may"),
    "busy": ("has no free slot", "have no free slot"),
    "refused": ("has passed on it", "have passed on it"),
    "near": ("holds no task with the mark", "hold no task with the mark"),
    "apart": ("holds a task that it must be apart from", "hold a task that it must be apart from"),
    "in_chain": ("holds a task that it was delegated from", "hold a task that it was delegated from"),
    "needs_approval": ("takes approved tasks only", "take approved tasks only"),
    "offline": ("is not online", "are not online"),
    "lacks": ("does not meet the requirement", "do not meet the requirement"),
}
"""What is said of one agent with a verdict, and of several."""
_UNFIT: Final = frozenset({"lacks", "offline", "needs_approval"})
_BARRED: Final = frozenset({"near", "apart", "in_chain"})
_MAX_NAMED: Final = 5
"""Tasks that a text names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """One thing that a task waits for."""

    code: str
    text: str
    until_ms: int | None = None
    """When that ends by itself, if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a task is where it is."""

    task_id: str
    state: str
    waiting_for: tuple[WaitingFor, ...]
    position: int | None
    """Tasks of its queue that are served before it if nothing more comes, and one; None if it waits for no
    agent."""
    agents: tuple[AgentVerdict, ...]
    """The most telling ones, at most `MAX_EXPLAINED_AGENTS`."""
    counts: dict[str, int] = field(default_factory=dict)
    """Agents by verdict, of all."""


def explain(view: View, task: Task, now_ms: int) -> Explanation:
    """Why `task` is where it is, and what speaks for and against each agent.

    Complexity: O(agents + waiting tasks); a requirement is explained once per profile.
    """
    view.lanes.age(now_ms)
    spec = task.spec
    pool = dispatching.pool_of(view, spec.queue, now_ms)
    placing = Placing(
        task,
        eligible=view.roster.eligible_for(
            spec.requirement, spec.capability, is_approved=bool(spec.approved_by)
        ),
        pool=pool,
        holdings=view.lanes.holdings,
        allocation=view.state.allocation,
        find=view.state.find,
        sticky={},
    )
    is_settled = task.is_ended or task.holder is not None or task.state is State.ANNOUNCED
    choice = Choice() if is_settled else placing.choose(view.policy, now_ms)
    verdicts = Judge(view, task, placing, pool, choice, now_ms).verdicts()
    counts = Counter(each.verdict for each in verdicts)
    position = view.lanes.position(task.task_id)
    return Explanation(
        task_id=task.task_id,
        state=task.state.value,
        waiting_for=tuple(_waiting_for(view, task, choice, position, counts, now_ms)),
        position=position,
        agents=tuple(_telling(verdicts, choice)),
        counts={verdict: counts[verdict] for verdict in _ORDER if counts[verdict]},
    )


def _telling(verdicts: list[AgentVerdict], choice: Choice) -> list[AgentVerdict]:
    """The most telling verdicts; of those that would be asked, as they would be."""
    turns = {agent: number for number, agent in enumerate(choice.agents)}
    order = {verdict: number for number, verdict in enumerate(_ORDER)}

    def rank(each: AgentVerdict) -> tuple[int, int, int, str]:
        return order[each.verdict], turns.get(each.agent, 0), len(each.reasons), each.agent

    return heapq.nsmallest(MAX_EXPLAINED_AGENTS, verdicts, key=rank)


def _waiting_for(
    view: View, task: Task, choice: Choice, position: int | None, counts: Counter[str], now_ms: int
) -> Iterator[WaitingFor]:
    holder = task.holder
    match task.state:
        case State.SCHEDULED:
            until_ms = task.spec.run_at_ms
            yield WaitingFor(code="scheduled", text="its time has not come", until_ms=until_ms)
        case State.BLOCKED:
            yield WaitingFor(code="dependencies", text=f"waits for {_named(task.waits_for)} to end")
        case State.FAILED:
            error = task.attempts[-1].error
            text = f"attempt {len(task.attempts) - task.first_attempt} failed: {error}"
            yield WaitingFor(code="backoff", text=text, until_ms=task.retry_at_ms)
        case State.ANNOUNCED if task.call is not None:
            count, of = len(task.call.bids), number(len(task.call.agents), "agent")
            text = f"{count} of {of} {'has' if count == 1 else 'have'} answered the call"
            yield WaitingFor(code="bids", text=text, until_ms=task.call.bids_until_ms)
        case State.OFFERED if holder is not None:
            text = f"'{holder.agent}' has not answered the offer"
            yield WaitingFor(code="offer", text=text, until_ms=holder.expires_ms)
        case State.RUNNING if holder is not None:
            text = f"'{holder.agent}' works on it, and has to be heard of"
            yield WaitingFor(code="lease", text=text, until_ms=holder.expires_ms)
        case State.CANCELING if holder is not None:
            text = f"'{holder.agent}' has not confirmed that it has stopped"
            yield WaitingFor(code="canceling", text=text, until_ms=holder.expires_ms)
        case State.QUEUED:
            yield from _queued(view, task, choice, position, counts, now_ms)
        case _:
            yield WaitingFor(code="ended", text=_ended(task))


def _queued(
    view: View, task: Task, choice: Choice, position: int | None, counts: Counter[str], now_ms: int
) -> Iterator[WaitingFor]:
    """What a task waits for that is not held up by anything of its own."""
    yield from _queue_bounds(view, task, now_ms)
    if choice.until_ms is not None:
        who = "everybody who comes into question" if choice.counts_round else "everybody who has a free slot"
        text = f"{who} has passed on it; after a pause they are asked again"
        yield WaitingFor(code="round_pause", text=text, until_ms=choice.until_ms)
    elif choice.give_up:
        yield WaitingFor(code="giving_up", text=choice.give_up)
    elif choice.agents:
        ahead = (position or 1) - 1
        if ahead:
            text = (
                f"{number(ahead, 'task')} of queue '{task.spec.queue}' {'goes' if ahead == 1 else 'go'} first"
            )
            yield WaitingFor(code="behind", text=text)
    else:
        code, text = _headline(counts)
        yield WaitingFor(code=code, text=text + _counted(counts))


def _headline(counts: Counter[str]) -> tuple[str, str]:
    """Code and text of why nobody can be asked now."""
    kinds = {verdict for verdict in counts if counts[verdict]} - _UNFIT
    if not kinds:
        return "no_match", "nobody may be asked"
    if kinds <= _BARRED:
        return "barred", "nobody who could do it may have it now"
    if "sticky_elsewhere" in kinds:
        return "all_busy", "the agent that it stays with has no free slot"
    if "refused" in kinds:
        return "all_busy", "nobody who has not passed on it has a free slot"
    return "all_busy", "nobody who comes into question has a free slot"


def _queue_bounds(view: View, task: Task, now_ms: int) -> Iterator[WaitingFor]:
    """What holds up everything of its queue, or of its capability in it."""
    queue, allocation = task.spec.queue, view.state.allocation
    settings = allocation.settings.get(queue, DEFAULTS)
    if settings.is_paused:
        reason = f": {settings.pause_reason}" if settings.pause_reason else ""
        yield WaitingFor(code="paused", text=f"queue '{queue}' is paused{reason}")
    holdings, most = view.lanes.holdings, settings.max_held
    if most is not None and holdings.of_queue(queue) + holdings.calls_in(queue) >= most:
        held = number(most, "task")
        yield WaitingFor(code="queue_limit", text=f"agents hold {held} of queue '{queue}', the bound")
    limit = limiting.of_capability(settings, task.spec)
    if limit is not None:
        bucket = allocation.buckets.get(limiting.capability_key(task.spec))
        ready_ms = limiting.ready_ms(bucket, limit, now_ms)
        if ready_ms > now_ms:
            text = f"at the rate limit of {limit.count} in {limit.per_ms} ms for '{task.spec.capability}'"
            yield WaitingFor(code="rate_limited", text=text, until_ms=ready_ms)


def _ended(task: Task) -> str:
    if task.state is State.COMPLETED and task.attempts:
        count = len(task.attempts) - task.first_attempt
        return f"completed by '{task.attempts[-1].agent}' in attempt {count}"
    return task.state.value + (f": {task.reason}" if task.reason else "")


def _counted(counts: Counter[str]) -> str:
    told = [f"{counts[each]} {_WORDS[each][counts[each] > 1]}" for each in _ORDER if counts[each]]
    return f" ({', '.join(told)})" if told else ": no agent is registered"


def _named(task_ids: tuple[str, ...]) -> str:
    named = ", ".join(task_ids[:_MAX_NAMED])
    more = len(task_ids) - _MAX_NAMED
    return f"{named} and {more} others" if more > 0 else named
