"""An agent in a few lines: handlers by decorator, presence and leases kept by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from pydantic import JsonValue

from conclave.agent.bidding import BidContext
from conclave.agent.context import (
    DecisionContext,
    MessageContext,
    ProposalContext,
    PushContext,
)
from conclave.agent.duty import Duty
from conclave.agent.environment import deployed_capabilities, deployed_max_tasks
from conclave.agent.handler import Handler, caller_namespace
from conclave.agent.messages import Messages
from conclave.agent.part import Part
from conclave.agent.profile import capability as capability_of
from conclave.agent.profile import declared, drain_time, flag, mapping, own_id, profile
from conclave.agent.prompts import MAX_PROMPTS, PromptHandler, Prompts
from conclave.agent.proposals import Decisions, Proposals, Stage
from conclave.agent.pushes import Pushes
from conclave.agent.serving import serve
from conclave.agent.taskcontext import TaskContext
from conclave.agent.tasks import REQUIRES_APPROVAL, Tasks
from conclave.agent.threads import Threads
from conclave.session import Session, connect
from coordination.registry.membership import Membership
from coordination.registry.wire import Capability, RegisterRequest, Scalar
from coordination.runtime.concurrency import one_error
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError
from coordination.runtime.logs import get_logger
from dialog.wire import Performative

DRAIN_S: Final = 10.0
"""How long an agent that stops lets its handlers finish, by default."""
MAX_THREADS: Final = 8
"""Sync handlers of messages, proposals and the like that run at a time; those of tasks and of prompts are
counted apart."""
_log = get_logger("conclave.agent")
F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", bound=Part)


class Agent:
    """A participant: give it handlers, then serve it.

    Handlers are functions, sync or async. Sync ones run in threads, so that they hold up nobody. What they
    take is decided by their parameters' annotations: docs/agents.md.

    Args:
        agent_id: 1 to 63 of a-z, 0-9, ``_`` and ``-``, beginning with a letter or digit; no service's name.
        capabilities: What it can do beside what its task handlers say, each name once; a name alone is one of
            version 1.0.0, a mapping is as ``{"name": "gpu", "version": "2.0.0"}``.
            None: those of the variable ``CONCLAVE_CAPABILITIES``, if it is set.
        labels: What describes it, such as ``{"region": "eu"}``.
        max_tasks: Tasks it works on at a time, 0 to 1000. None: the number in the variable
            ``CONCLAVE_MAX_TASKS``, else 1.
        description: One line for people.
        metadata: Any further JSON about it, at most 16 KiB and 8 levels deep.
        drain_s: How long it lets running handlers finish when it stops, before they are cancelled.

    Raises:
        UsageError: An argument, or a variable that stands in for one, is not valid.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        capabilities: Iterable[Capability | Mapping[str, Any] | str] | None = None,
        labels: Mapping[str, str] | None = None,
        max_tasks: int | None = None,
        description: str = "",
        metadata: Mapping[str, JsonValue] | None = None,
        drain_s: float = DRAIN_S,
    ) -> None:
        self.id: str = own_id(agent_id)
        self._drain_s = drain_time(drain_s)
        self._parts: dict[type[Part], Part] = {}
        self._profile = profile(
            capabilities=deployed_capabilities() if capabilities is None else declared(capabilities),
            labels=mapping(labels, "labels"),
            max_tasks=deployed_max_tasks() if max_tasks is None else max_tasks,
            description=description,
            metadata=mapping(metadata, "metadata"),
        )

    def __repr__(self) -> str:
        """Id, capabilities with their versions, and places: what it would register with, as of now."""
        able = {each.name: each.version for each in self._profile.capabilities}
        for part in self._parts.values():
            able.update({each.name: each.version for each in part.capabilities})
        known = ", ".join(f"{name} {version}" for name, version in able.items())
        return f"<Agent {self.id}: {known or 'no capabilities'}; max_tasks={self._profile.max_tasks}>"

    # --- handlers

    @overload
    def task(self, handler: F, /) -> F: ...

    @overload
    def task(
        self,
        capability: str | None = None,
        /,
        *,
        version: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        description: str | None = None,
        requires_approval: bool = False,
        eager: bool = False,
    ) -> Callable[[F], F]: ...

    def task(
        self,
        capability: Any = None,
        /,
        *,
        version: str | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        description: str | None = None,
        requires_approval: bool = False,
        eager: bool = False,
    ) -> Any:
        """Decorator: work on tasks. What the handler returns is the task's result.

        The payload goes whole to a single parameter annotated with a pydantic model, a dataclass, a TypedDict
        or ``dict``; otherwise key by key to parameters of the same names. A parameter annotated with
        `TaskContext` gets the context. A payload that does not fit fails the task for good, with a reason
        that names the field.

        A model, dataclass or mapping is the result, None an empty one, anything else its ``result``. An
        exception fails the attempt; others get to know its reason if it is a `TaskFailed`, else its class.

        Args:
            capability: What tasks ask for; the agent is registered with it. Without a name the handler takes
                every task that no other handler takes.
            version: Semantic version of the capability, ``1.0.0`` by default.
            attributes: Of the capability, for requirements such as ``gpu.memory_gb>=24``.
            description: Of the capability; the first line of the docstring by default.
            requires_approval: Refuse every task that no vote has approved (docs/enforcement.md); the
                capability says so by its attribute ``requires_approval``.
            eager: Call the handler as soon as the task is offered, before the lease is confirmed: one answer
                less for each task. For work that may begin twice: an offer may be over by the time it is
                heard, and what begins then is done by somebody else as well.

        Raises:
            UsageError: The signature is impossible, the capability not valid or taken already, or a flag is
                no truth value.
        """
        flag("requires_approval", requires_approval)
        flag("eager", eager)
        if callable(capability):
            return self._add_task(capability, None, caller_namespace(1))

        def decorate(handler: F) -> F:
            told = {**(attributes or {}), REQUIRES_APPROVAL: True} if requires_approval else attributes
            about = {"version": version, "attributes": told, "description": description}
            given = {key: value for key, value in about.items() if value is not None}
            if capability is None and given:
                raise UsageError(f'{", ".join(given)}: of which capability? Name it: @agent.task("name")')
            return self._add_task(handler, capability, caller_namespace(1), eager=eager, **given)

        return decorate

    def _add_task(
        self,
        function: F,
        name: str | None,
        namespace: Mapping[str, Any],
        *,
        eager: bool = False,
        **about: Any,
    ) -> F:
        handler = Handler(function, context=TaskContext, namespace=namespace)
        capability = None
        if name is not None:
            known = next((each for each in self._profile.capabilities if each.name == name), None)
            if known is None or about:
                about.setdefault("description", handler.summary[:_MAX_DESCRIPTION_CHARS])
                capability = capability_of(name, **about)
            else:
                capability = known
        self.part(Tasks).add(handler, capability, is_eager=eager)
        return function

    @overload
    def bid(self, handler: F, /) -> F: ...

    @overload
    def bid(self, capability: str | None = None, /) -> Callable[[F], F]: ...

    def bid(self, capability: Any = None, /) -> Any:
        """Decorator: bid for tasks that are put out to tender (strategy ``contract_net``).

        The payload goes to parameters as for `task`, but keys that it has no parameter for are left out; one
        annotated with `BidContext` gets the context. It returns a `Bid`, or None to decline. Without such a
        handler an agent bids its load: the cost is the share of its places that is in use, so the one with
        the most room gets the task.

        Args:
            capability: What tasks ask for; there must be a task handler for it. Without a name the handler
                bids for every task that no other handler bids for.

        Raises:
            UsageError: The signature is impossible, or there is such a handler already.
        """
        if callable(capability):
            return self._add_bid(capability, None, caller_namespace(1))
        return lambda handler: self._add_bid(handler, capability, caller_namespace(1))

    def _add_bid(self, function: F, name: str | None, namespace: Mapping[str, Any]) -> F:
        self.part(Tasks).add_bidder(Handler(function, context=BidContext, namespace=namespace), name)
        return function

    @overload
    def message(self, handler: F, /) -> F: ...

    @overload
    def message(self, performative: Performative | None = None, /) -> Callable[[F], F]: ...

    def message(self, performative: Any = None, /) -> Any:
        """Decorator: hear the messages of the agent's dialogs, each once and in order, gaps filled.

        One parameter gets the content: as text if it is annotated ``str`` or not at all, else as what
        pydantic makes of it as JSON. A parameter annotated with `MessageContext` gets the context.

        If the performative asks for an answer (`performatives.ASKS_FOR_ANSWER`), what the handler returns is
        said as ``inform``; a `Reply` is said with its own performative, always. In such a case an exception
        answers ``failure``, and content that does not fit ``not-understood``.

        Args:
            performative: Only messages with this one; without it all that no other handler hears.

        Raises:
            UsageError: The signature is impossible, or there is such a handler already.
        """
        if callable(performative):
            return self._add_message(performative, None, caller_namespace(1))
        return lambda handler: self._add_message(handler, performative, caller_namespace(1))

    def _add_message(self, function: F, performative: Performative | None, namespace: Mapping[str, Any]) -> F:
        handler = Handler(function, context=MessageContext, namespace=namespace)
        self.part(Messages).add(handler, performative)
        return function

    @overload
    def proposal(self, handler: F, /) -> F: ...

    @overload
    def proposal(self, stage: Stage = "active", /) -> Callable[[F], F]: ...

    def proposal(self, stage: Any = "active", /) -> Any:
        """Decorator: be told of proposals on which the agent may vote.

        One parameter gets the `ProposalAnnounced`; one annotated with it gets the `ProposalContext`. What the
        handler returns is the agent's vote: ``for``, ``against``, ``abstain``; of options ``["a", "b"]`` or
        ``{"a": 3}``; a `Ballot` with a rationale and conditions; or None for no vote. An amendment of the
        proposal calls it again, with the new artifact.

        Args:
            stage: ``active``: when voting opens. ``pending``: when discussion begins, where there is one.

        Raises:
            UsageError: The signature is impossible, or there is such a handler already.
        """
        if callable(stage):
            return self._add_proposal(stage, "active", caller_namespace(1))
        return lambda handler: self._add_proposal(handler, stage, caller_namespace(1))

    def _add_proposal(self, function: F, stage: Stage, namespace: Mapping[str, Any]) -> F:
        self.part(Proposals).add(Handler(function, context=ProposalContext, namespace=namespace), stage)
        return function

    def decision(self, handler: F, /) -> F:
        """Decorator: be told how proposals ended that the agent made or could vote on, whichever way.

        One parameter gets the `Decision`; one annotated with it gets the `DecisionContext`.

        Raises:
            UsageError: The signature is impossible, or there is such a handler already.
        """
        namespace = caller_namespace(1)
        self.part(Decisions).add(Handler(handler, context=DecisionContext, namespace=namespace))
        return handler

    @overload
    def prompt(self, handler: F, /) -> F: ...

    @overload
    def prompt(self, /, *, files: bool = True, max_at_once: int = MAX_PROMPTS) -> Callable[[F], F]: ...

    def prompt(self, handler: Any = None, /, *, files: bool = True, max_at_once: int = MAX_PROMPTS) -> Any:
        """Decorator: be found and prompted by clients of the Synadia Agent Protocol (docs/synadia.md).

        One parameter gets the text; one annotated with `PromptContext` gets the context. What the handler
        returns is the answer; one that yields, async or not, sends it piece by piece. Text goes as it is, a
        `Piece` may have files, anything else goes as JSON. An exception ends the answer with an error;
        clients get to know its reason if it is a `TaskFailed`, else its class.

        Args:
            handler: The function, where the decorator is used without arguments.
            files: Whether prompts may come with files.
            max_at_once: Prompts worked on at a time, at most 16; one more is refused as too many.

        Raises:
            UsageError: The signature is impossible, or there is such a handler already.
        """
        namespace = caller_namespace(1)

        def decorate(function: F) -> F:
            prompted = PromptHandler(function, namespace=namespace)
            self.part(Prompts).set_handler(prompted, files=files, max_at_once=max_at_once)
            return function

        return decorate if handler is None else decorate(handler)

    def on(self, kind: str, /) -> Callable[[F], F]:
        """Decorator: handle pushes of any other `kind`, such as ``result``, in order.

        One parameter gets the JSON body, validated by its annotation; one annotated with it gets the
        `PushContext`.

        Raises:
            UsageError: The signature is impossible, the kind not valid, or there is such a handler already.
        """

        def decorate(handler: F) -> F:
            namespace = caller_namespace(1)
            self.part(Pushes).add(Handler(handler, context=PushContext, namespace=namespace), kind)
            return handler

        return decorate

    def part(self, kind: type[P]) -> P:
        """The agent's part of this kind, made if it has none: the seam for kinds of handlers to come."""
        found = self._parts.get(kind)
        if not isinstance(found, kind):
            self._parts[kind] = found = kind()
        return found

    # --- taking part

    async def run(
        self,
        url: str | None = None,
        *,
        credentials: Credentials | Path | str | None = None,
        prefix: str = "conclave",
    ) -> None:
        """Take part until cancelled.

        Args:
            url: ``nats://HOST:PORT``; by default what `conclave.address.find_url` finds.
            credentials: As for `connect`.
            prefix: First token of the deployment's subjects.

        Raises:
            UsageError: The credential cannot be read.
            UnavailableError: No server answers at `url`, or no registry on it.
            AuthorizationError: The server does not let the agent in, or only as another one.
            RejectedError: The registry refuses the registration.
            SupersededError: Another process registered under the same id.
        """
        async with self.running(url, credentials=credentials, prefix=prefix):
            await asyncio.Event().wait()

    def serve(
        self,
        url: str | None = None,
        *,
        credentials: Credentials | Path | str | None = None,
        prefix: str = "conclave",
    ) -> None:
        """Take part until SIGINT (Ctrl-C) or SIGTERM; for programs that do nothing else. Blocks.

        Logs to standard error, unless the program has configured structlog, and looks for cyclic garbage less
        often (`conclave.garbage`). Arguments are those of `run`.

        Raises:
            SystemExit: With one line that says why, for each error that `run` raises.
        """
        serve(lambda: self.run(url, credentials=credentials, prefix=prefix), agent=self.id)

    @contextlib.asynccontextmanager
    async def running(
        self,
        url: str | None = None,
        *,
        credentials: Credentials | Path | str | None = None,
        prefix: str = "conclave",
    ) -> AsyncIterator[Session]:
        """Take part for the length of the block: registered before it, deregistered after it.

        Arguments and errors are those of `run`.
        """
        async with (
            connect(url, agent=self.id, credentials=credentials, prefix=prefix) as session,
            self.joined(session),
        ):
            yield session

    @contextlib.asynccontextmanager
    async def joined(self, session: Session) -> AsyncIterator[None]:
        """Take part over a session that is open already, for the length of the block.

        At its end nothing new is begun, running handlers have `drain_s` to finish and are cancelled then, and
        tasks that were not done are handed back at once.

        Raises:
            UnavailableError: The registry does not answer.
            RejectedError: The registry refuses the registration.
            SupersededError: Another process registered under the same id.
        """
        request = self._registration()
        limit = max(request.max_tasks, 1)
        duty = Duty(
            session,
            max_tasks=request.max_tasks,
            run_task=Threads(limit, name=f"{self.id} task").run,
            run_sync=Threads(MAX_THREADS, name=f"{self.id} handler").run,
        )
        membership = Membership(
            session.caller,
            request,
            load=lambda: duty.load,
            clock=session.clock,
            entropy=session.entropy,
        )
        with one_error():
            async with asyncio.TaskGroup() as group:
                staying: asyncio.Task[None] | None = None
                try:
                    for part in self._parts.values():
                        await part.begin(duty)
                    await session.bus.flush()  # reachable before anybody can find us
                    ready = asyncio.Event()
                    staying = group.create_task(membership.run(ready))
                    await ready.wait()
                    yield
                finally:
                    # Whoever has been superseded hands back what it works on at once.
                    is_member = staying is not None and not staying.done()
                    await duty.finish(self._drain_s if is_member else 0.0)
                    if is_member and await membership.leave():
                        _log.info("left", agent=self.id, handed_back=duty.handed_back)

    def _registration(self) -> RegisterRequest:
        """What the agent registers: its profile, and what its parts add to it."""
        capabilities = {each.name: each for each in self._profile.capabilities}
        protocols = dict.fromkeys(self._profile.protocols)
        for part in self._parts.values():
            capabilities.update({each.name: each for each in part.capabilities})
            protocols.update(dict.fromkeys(part.protocols))
        return profile(
            **{
                **{name: getattr(self._profile, name) for name in RegisterRequest.model_fields},
                "capabilities": tuple(capabilities.values()),
                "protocols": tuple(protocols),
            }
        )


_MAX_DESCRIPTION_CHARS: Final = 256
"""Of a capability; a longer first line of a docstring is cut."""
