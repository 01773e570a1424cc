"""Who may say and hear what: one block of NATS permissions per user (DESIGN section 3). Pure.

Allow lists only: what is not named here the server refuses. The second token of every subject is the
kind of traffic and each entry names it, so that no id, however chosen, reaches another kind. Ids are
checked where they are minted, so none of them can hold a wildcard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from coordination.runtime.errors import UsageError
from coordination.runtime.names import Subjects, inbox_prefix, require_id

SERVICE_NAMES: Final = ("registry", "tasks", "dialog", "consensus", "knowledge", "artifacts", "gateway")
"""Every service that has a user of its own."""
OPERATOR: Final = "operator"
"""The user of the people who run the deployment; it may do everything."""
WITNESS: Final = "witness"
"""The user that proves which configuration the server has read; it may do nothing else."""
RESERVED_NAMES: Final = frozenset({*SERVICE_NAMES, OPERATOR, WITNESS})
"""No agent may be called so: a service's calls to other services carry the service's name."""
MAX_SHARDS: Final = 16
"""Journals per service that its user may reach. A wildcard cannot stand for a part of a stream name."""
ANSWERS_PER_REQUEST: Final = 1
ANSWER_EXPIRY_S: Final = 10
"""How long a service may take to answer; whoever asked has given up after half of it."""
FOREIGN_AGENT: Final = "conclave"
"""The token for our agents in the subjects of the Synadia Agent Protocol."""
FOREIGN_INBOX: Final = "_INBOX.foreign"
"""Where a client of that protocol may have an inbox of its own, below ``_INBOX.`` as the gateway wants."""
_SPACE: Final = "main"
"""The one space that the knowledge service replicates."""
_DISCOVERY: Final = ("PING", "INFO", "STATS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What one user may do; everything else is refused."""

    publish: tuple[str, ...]
    """Subjects, with wildcards."""
    subscribe: tuple[str, ...]
    """Subjects, with wildcards."""
    may_answer: bool = False
    """Whether it may publish once into the reply subject of each message it received, for
    `ANSWER_EXPIRY_S`. To be given only to users whose code checks reply subjects: the server does not."""


def require_agent_id(agent: str) -> str:
    """Return `agent` if an agent may be called so.

    Raises:
        UsageError: It is no valid id, or belongs to a service or the operator.
    """
    require_id(agent)
    if agent in RESERVED_NAMES:
        reserved = ", ".join(sorted(RESERVED_NAMES))
        raise UsageError(f"agent id {agent!r} is reserved; choose another than: {reserved}")
    return agent


def witness_permissions() -> Permissions:
    """The witness connects, and that is all; nats-py cannot without its inbox."""
    own_answers = f"{inbox_prefix(WITNESS)}.>"
    return Permissions(publish=(own_answers,), subscribe=(own_answers,))


def agent_permissions(agent: str, subjects: Subjects) -> Permissions:
    """An agent speaks under its own id only, and hears its own inboxes and what is said to everybody.

    Nothing that it may publish is taken in by a stream: JetStream acknowledges what it stores into any
    reply subject, into a journal just as well (docs/adr/0005).

    Raises:
        UsageError: No agent may be called `agent`.
    """
    require_agent_id(agent)
    own_answers = f"{inbox_prefix(agent)}.>"
    return Permissions(
        publish=(
            subjects.call("*", "*", agent),
            subjects.presence(agent),
            own_answers,  # the connection asks itself whether it still hears
        ),
        subscribe=(own_answers, f"{subjects.prefix}.inbox.{agent}.>", f"{subjects.prefix}.event.>"),
    )


def foreign_permissions(name: str, subjects: Subjects) -> Permissions:
    """A client of the Synadia Agent Protocol: it finds and prompts agents, and that is all.

    Its library takes answers below ``_INBOX.agents.``, which every such client therefore hears; whoever needs
    an inbox of its own has the second one. Nobody acts on what arrives in either.

    Raises:
        UsageError: Nobody may be called `name`.
    """
    require_agent_id(name)
    inboxes = ("_INBOX.agents.>", f"{FOREIGN_INBOX}.{name}.>")
    return Permissions(
        publish=(
            f"agents.prompt.{FOREIGN_AGENT}.{subjects.prefix}.*",
            f"agents.status.{FOREIGN_AGENT}.{subjects.prefix}.*",
            f"{subjects.prefix}.query.>",
            *_foreign_discovery(),
        ),
        subscribe=(*inboxes, "agents.hb.*.*.*"),  # the library listens to the heartbeats of all there are
    )


def service_permissions(service: str, subjects: Subjects) -> Permissions:
    """A service calls others under its own name, answers, pushes to agents, and keeps its own journal.

    Raises:
        UsageError: There is no service `service`.
    """
    if service not in SERVICE_NAMES:
        raise UsageError(f"no service {service!r}; there are: {', '.join(SERVICE_NAMES)}")
    own_answers = f"{inbox_prefix(service)}.>"
    own_shards = f"{subjects.prefix}.shard.{service}.>"
    own_journal = (subjects.journal(service, "*"), subjects.journal_for(service, "*", "*", "*"))
    return Permissions(
        publish=(
            subjects.call("*", "*", service),
            subjects.inbox("*", "*"),
            f"{subjects.prefix}.event.{service}.>",
            own_shards,
            *own_journal,
            # Each other's inboxes by name, because a reload makes the server forget `allow_responses`, and
            # services ask one another all the time.
            *(f"{inbox_prefix(each)}.>" for each in SERVICE_NAMES),
            *_extra_publish(service, subjects),
            *_storage(service, subjects),
        ),
        subscribe=(
            subjects.call(service, "*", "*"),
            own_shards,
            *own_journal,
            own_answers,
            *_discovery(service, subjects),
            *_extra_subscribe(service, subjects),
        ),
        may_answer=True,
    )


def _extra_publish(service: str, subjects: Subjects) -> tuple[str, ...]:
    match service:
        case "knowledge":  # it stores changes in the name of those who hand them to it
            return (subjects.change("*", "*", "*"),)
        case "registry":  # it hears, among the heartbeats, whether it still hears
            return (subjects.presence(service),)
        case "gateway":  # it streams into the inboxes of foreign clients, where no agent listens
            return (f"agents.hb.{FOREIGN_AGENT}.{subjects.prefix}.*", "_INBOX.>")
    return ()


def _extra_subscribe(service: str, subjects: Subjects) -> tuple[str, ...]:
    match service:
        case "registry":
            return (subjects.presence("*"),)
        case "tasks":  # it offers work by who is there, what they can do and how busy they say they are
            return (subjects.event("registry", "*", "*"), subjects.presence("*"))
        case "consensus":  # who is offline is left out of votes that say so
            kinds = ("registered", "deregistered", "online", "offline")
            return tuple(subjects.event("registry", kind, "*") for kind in kinds)
        case "gateway":
            return (
                *(f"agents.{verb}.{FOREIGN_AGENT}.{subjects.prefix}.*" for verb in ("prompt", "status")),
                f"{subjects.prefix}.query.>",
                subjects.event("registry", "*", "*"),
                *_foreign_discovery(),
            )
    return ()


def _discovery(service: str, subjects: Subjects) -> Iterator[str]:
    for verb in _DISCOVERY:
        name = f"{subjects.prefix}-{service}"
        yield from (f"$SRV.{verb}", f"$SRV.{verb}.{name}", f"$SRV.{verb}.{name}.*")


def _foreign_discovery() -> Iterator[str]:
    """What finds the agents of the Synadia Agent Protocol: all of them, or one instance."""
    for verb in _DISCOVERY:
        yield from (f"$SRV.{verb}.agents", f"$SRV.{verb}.agents.*")


def _storage(service: str, subjects: Subjects) -> Iterator[str]:
    """What the service's own streams and buckets need, and nothing of any other stream.

    Not among it: to delete a stream or single messages of it.
    """
    prefix = subjects.prefix
    for shard in range(MAX_SHARDS):
        yield from _stream(subjects.journal_stream(service, shard), "CREATE", "UPDATE", "PURGE")
    yield from _bucket("OBJ", "$O", f"{prefix}-snapshots-{service}")
    yield from _bucket("KV", "$KV", f"{prefix}-pointers-{service}")
    if service == "knowledge":
        yield from _stream(f"{prefix}-changes-{_SPACE}", "CREATE")
        yield from _consumers(f"{prefix}-changes-{_SPACE}")
    if service == "artifacts":
        yield from _bucket("OBJ", "$O", f"{prefix}-artifacts")
        yield from _stream(f"{prefix}-uploads", "CREATE", "PURGE")
        yield f"{prefix}.upload.>"


def _stream(stream: str, *verbs: str) -> Iterator[str]:
    """Describe and read one stream, and what else `verbs` name."""
    for verb in ("INFO", "MSG.GET", *verbs):
        yield f"$JS.API.STREAM.{verb}.{stream}"
    yield f"$JS.API.DIRECT.GET.{stream}"


def _bucket(kind: str, subject: str, bucket: str) -> Iterator[str]:
    yield from _stream(f"{kind}_{bucket}", "CREATE", "PURGE")
    yield f"{subject}.{bucket}.>"


def _consumers(stream: str) -> Iterator[str]:
    yield f"$JS.API.CONSUMER.CREATE.{stream}"
    for verb in ("CREATE", "MSG.NEXT", "INFO", "DELETE"):
        yield f"$JS.API.CONSUMER.{verb}.{stream}.>"
