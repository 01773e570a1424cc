"""One agent's connection to Conclave: a typed client for every service."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

from conclave.address import find_url
from conclave.identity.lookup import find_credentials
from consensus.client import ConsensusClient
from consensus.signing import CredentialsSigner, Signer
from coordination.artifacts.client import ArtifactsClient
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import Bus, NatsBus
from coordination.runtime.client import PATIENCE_S, Caller
from coordination.runtime.clock import Clock, SystemClock
from coordination.runtime.credentials import SEED_BYTES, Credentials
from coordination.runtime.names import Subjects, require_id
from coordination.tasks.client import TasksClient
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
            bus, agent=agent, subjects=self.subjects, patience_s=patience_s, entropy=self.entropy
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
