"""One agent's connection to Conclave: a typed client for every service."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

from conclave.address import find_url
from conclave.identity.lookup import find_credentials
from conclave.work import DagHandle, TaskFields, TaskHandle, WorkDesk
from consensus.client import ConsensusClient
from consensus.signing import CredentialsSigner, Signer
from coordination.artifacts.client import ArtifactsClient
from coordination.registry.client import RegistryClient
from coordination.requirements import Requirement
from coordination.runtime.bus import Bus, NatsBus
from coordination.runtime.client import PATIENCE_S, Caller
from coordination.runtime.clock import Clock, SystemClock
from coordination.runtime.credentials import SEED_BYTES, Credentials
from coordination.runtime.names import Subjects, require_id
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import SubmitRequest
from dialog.client import DialogClient
from knowledge.client import KnowledgeClient
from knowledge.replica import Replica, following
from knowledge.served import ServedChanges
from knowledge.wire import DEFAULT_SPACE


class Session:
    """What an agent can do once it is connected.

    Use `connect` to get one. Every client raises `RejectedError` for a refusal and `UnavailableError`
    when a service does not answer in time.

    Args:
        bus: The agent's own connection; whoever made it closes it.
        agent: Agent id.
        subjects: The deployment's subjects.
        patience_s: How long a call is repeated, under one command id, while a service is away.
        clock: What time it is; the machine's clock by default.
        entropy: Where ids and jitter come from; the system's randomness by default.
        credentials: The agent's own, with which it signs its votes. Without, where the server asks for no
            proof either, a key is made for this session.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        agent: str,
        subjects: Subjects | None = None,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
        entropy: random.Random | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.agent = agent
        self.bus = bus
        self.subjects: Subjects = subjects or Subjects()
        self.clock: Clock = clock or SystemClock()
        self.entropy: random.Random = entropy or random.SystemRandom()
        self.caller: Caller = Caller(
            bus,
            agent=agent,
            subjects=self.subjects,
            patience_s=patience_s,
            entropy=self.entropy,
            takes_every_form=True,
        )
        """To call services that have no client here."""
        self.signer: Signer = CredentialsSigner(
            credentials or Credentials.generate(self.entropy.randbytes(SEED_BYTES))
        )
        """Signs in the agent's name."""
        self.registry: RegistryClient = RegistryClient(self.caller)
        self.tasks: TasksClient = TasksClient(self.caller)
        self.dialog: DialogClient = DialogClient(self.caller)
        self.consensus: ConsensusClient = ConsensusClient(self.caller, self.signer, self._converse)
        self.knowledge: KnowledgeClient = KnowledgeClient(self.caller)
        self.artifacts: ArtifactsClient = ArtifactsClient(self.caller)
        self.work: WorkDesk = WorkDesk(
            tasks=self.tasks,
            artifacts=self.artifacts,
            clock=self.clock,
            entropy=self.entropy,
            patience_s=patience_s,
        )
        """Where work is handed out; the methods below are short for its own."""

    # --- work

    async def submit(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskHandle:
        """Have an agent that meets `requirement` do something; durable on return.

        Args:
            requirement: What the worker must be and should be: the name of a capability, or
                ``python>=3.11, region in [eu, us], prefer region=eu``.
            payload: A JSON object of at most 16 MiB; more than 128 KiB goes through the object store.
            fields: What else can be said of it, see `conclave.work.TaskFields`: ``priority``, ``deadline_s``,
                ``max_attempts``, ``after``, ``strategy`` and so on.

        Returns:
            A handle: ``await handle.result()``.

        Raises:
            UsageError: An argument cannot be right.
            RejectedError: The task service does not take it; the codes are in `coordination.tasks.wire`.
            UnavailableError: The task service, or for a large payload the object store, does not answer.
        """
        return await self.work.submit(requirement, payload, **fields)

    async def submit_many(self, tasks: Iterable[SubmitRequest | Mapping[str, Any]]) -> list[TaskHandle]:
        """Submit many tasks in few calls; each is taken or refused by itself.

        What is refused as overloaded is submitted again for as long as the session has patience.

        Args:
            tasks: The arguments of `submit`, ``requirement`` and ``payload`` among them. None twice, and none
                with an approval.

        Returns:
            One handle for each, in their order.

        Raises:
            TasksRefusedError: Some were refused; it has the handles of the others, which go on.
            UsageError: One cannot be right; nothing was submitted then.
            UnavailableError: No answer; those with a ``task_id`` or an ``idempotency_key`` of their own may
                all be submitted again.
        """
        return await self.work.submit_many(tasks)

    async def submit_dag(
        self, tasks: Mapping[str, Mapping[str, Any]], *, dag_id: str | None = None
    ) -> DagHandle:
        """Submit tasks that wait for one another: all of them, or none.

        When one fails and no edge absorbs that, what has not ended is canceled, and what has completed is
        undone by the ``compensation`` that it came with, last things first.

        Args:
            tasks: By name the arguments of `submit`. ``after`` names others of them, or is a list of
                ``{"name": ..., "on_failure": "fail" | "skip" | "run"}``; ``compensation`` is
                ``{"requirement": ..., "payload": ...}``.
            dag_id: Makes submitting the same DAG again harmless.

        Raises:
            UsageError: A task cannot be right.
            RejectedError: ``invalid_dag``: the message names the cycle; or as for `submit`.
            UnavailableError: No answer.
        """
        return await self.work.submit_dag(tasks, dag_id=dag_id)

    def task(self, task_id: str) -> TaskHandle:
        """A handle for a task that is known by its id; nothing is asked."""
        return self.work.task(task_id)

    def dag(self, dag_id: str) -> DagHandle:
        """A handle for a DAG that is known by its id; nothing is asked, and it knows no names."""
        return self.work.dag(dag_id)

    async def result(self, task_id: str, *, timeout_s: float | None = None) -> Any:
        """The result of a task that is known by its id; errors as of `TaskHandle.result`."""
        return await self.work.task(task_id).result(timeout_s=timeout_s)

    # --- the rest

    async def _converse(self, topic: str, participants: tuple[str, ...]) -> str:
        return (await self.dialog.open(topic, participants)).conversation_id

    @contextlib.asynccontextmanager
    async def replica(self, *, space: str = DEFAULT_SPACE) -> AsyncIterator[Replica]:
        """The agent's own copy of the shared knowledge, current for the length of the block.

        Raises:
            RejectedError: ``unknown_space``: the knowledge service does not keep `space`.
            UnavailableError: The knowledge service does not answer.
        """
        async with following(ServedChanges(self.caller, space=space), agent=self.agent) as replica:
            yield replica


@contextlib.asynccontextmanager
async def connect(
    url: str | None = None,
    *,
    agent: str,
    credentials: Credentials | Path | str | None = None,
    prefix: str = "conclave",
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[Session]:
    """Connect `agent` to the Conclave behind the nats-server at `url` for the length of the block.

    Args:
        url: ``nats://HOST:PORT``; by default what `conclave.address.find_url` finds.
        agent: Agent id: 1 to 63 of a-z, 0-9, ``_`` and ``-``, beginning with a letter or digit.
        credentials: The agent's credential: the file that ``conclave agent add`` made, a directory with
            ``<agent>.nk``, or its content. Without it the environment variable ``CONCLAVE_CREDENTIALS``
            counts, then ``.conclave/local/credentials/<agent>.nk``; a server without authentication
            needs none.
        prefix: First token of the deployment's subjects.
        patience_s: How long a call is repeated, under one command id, while a service is away.

    Raises:
        UsageError: `agent` or `prefix` is not a valid id, or the credential cannot be read.
        UnavailableError: No server answers at `url`.
        AuthorizationError: The server does not let the agent in, or the credential is another one's.
    """
    subjects = Subjects(prefix)
    found = find_credentials(require_id(agent), credentials)
    bus = await NatsBus.connect(find_url(url), agent=agent, credentials=found)
    try:
        yield Session(bus, agent=agent, subjects=subjects, patience_s=patience_s, credentials=found)
    finally:
        await bus.close()
