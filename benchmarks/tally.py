"""The least that a service can be: a number that grows. What costs time here is the kernel alone.

Used like for like beside the bare loop (`benchmarks.bare_loop`), which validates the same request and
stores the same event. No notices, because the bare loop sends none; state that does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, StringConstraints

from coordination.runtime.model import NOTHING, Outcome
from coordination.runtime.service import Call, Command, Query, ServiceDefinition
from coordination.runtime.wire import Body

NAME: Final = "tally"


class AddRequest(Body):
    label: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    amount: int = Field(ge=1, le=1000)


class TallyReply(Body):
    total: int


class TotalRequest(Body):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    label: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    label: str
    amount: int


@dataclass(slots=True, kw_only=True)
class TallyState:
    total: int = 0


class TallyModel:
    event_types: ClassVar[tuple[type, ...]] = (Added,)

    def __init__(self) -> None:
        self.state = TallyState()

    def decide(self, command: Any, now_ms: int) -> Outcome:  # noqa: ARG002
        assert isinstance(command, Add)
        return Outcome(
            events=(Added(label=command.label, amount=command.amount),),
            reply=TallyReply(total=self.state.total + command.amount),
        )

    def apply(self, event: Any) -> None:
        assert isinstance(event, Added)
        self.state.total += event.amount

    def next_deadline_ms(self) -> int | None:
        return None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        return NOTHING

    def snapshot(self) -> TallyState:
        return self.state

    def restore(self, state: Any) -> None:
        assert isinstance(state, TallyState)
        self.state = state


def _add(_: Call, request: AddRequest) -> Add:
    return Add(label=request.label, amount=request.amount)


def _total(model: TallyModel, _call: Call, _request: TotalRequest, _now_ms: int) -> TallyReply:
    return TallyReply(total=model.state.total)


def define() -> ServiceDefinition:
    return ServiceDefinition(
        name=NAME,
        version="1.0.0",
        description="Adds numbers.",
        model=TallyModel,
        endpoints=(
            Command(
                verb="add", description="Add a number.", request=AddRequest, reply=TallyReply, build=_add
            ),
            Query(
                verb="total",
                description="The sum.",
                request=TotalRequest,
                reply=TallyReply,
                answer=_total,
            ),
        ),
    )
