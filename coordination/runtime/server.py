"""Serves the endpoints of one service on a bus: concurrent, bounded, draining.

nats-py's own micro layer answers one request at a time per endpoint and puts ``repr(error)`` on the
wire, so only its discovery protocol is kept (`coordination.runtime.discovery`).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Mapping
from typing import Any, Final

import structlog
from pydantic import TypeAdapter, ValidationError

from coordination.runtime.answers import Answers, CommandAnswered
from coordination.runtime.bus import Bus, Delivery, Subscription
from coordination.runtime.discovery import Discovery
from coordination.runtime.errors import ClosedError, RejectedError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.host import CommandKey, Host, as_json, first_answer
from coordination.runtime.limits import (
    DRAIN_TIMEOUT_S,
    MAX_COMMAND_ID_CHARS,
    MAX_IN_FLIGHT_REQUESTS,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
)
from coordination.runtime.names import Subjects, inbox_prefix, is_id
from coordination.runtime.service import Action, Call, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.wire import (
    HEADER_COMMAND_ID,
    HEADER_ERROR,
    HEADER_ERROR_CODE,
    HEADER_TRACE,
    ErrorBody,
)

_MAX_SHOWN_CHARS: Final = 200
_log = structlog.get_logger(__name__)


class Server:
    """Answers the requests to one service until it is drained.

    Args:
        definition: What is served.
        bus: Where requests come from.
        subjects: The deployment's subjects.
        host: Runs the definition's model; None for a service without a journal.
    """

    def __init__(
        self, definition: ServiceDefinition, *, bus: Bus, subjects: Subjects, host: Host[Any] | None = None
    ) -> None:
        self.definition = definition
        self._bus = bus
        self._subjects = subjects
        self._host = host
        self._endpoints = {endpoint.verb: endpoint for endpoint in definition.endpoints}
        self._replies: dict[str, TypeAdapter[Any]] = {
            endpoint.verb: TypeAdapter(endpoint.reply) for endpoint in definition.endpoints
        }
        self._answers = Answers()
        """Of actions; those of commands are in the host's journal."""
        self._discovery = Discovery(definition, bus=bus, subjects=subjects)
        self._subscription: Subscription | None = None
        self._in_flight: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to answer; returns when the server knows of the subscription."""
        self._subscription = await self._bus.subscribe(
            self._subjects.call(self.definition.name, "*", "*"),
            self._receive,
            queue=f"conclave-{self.definition.name}",
        )
        await self._discovery.start()
        await self._bus.flush()

    async def drain(self) -> None:
        """Take no more requests, finish those taken (at most `DRAIN_TIMEOUT_S`)."""
        await self._discovery.stop()
        if self._subscription is not None:
            await self._subscription.drain()
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=DRAIN_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _receive(self, delivery: Delivery) -> None:
        if len(self._in_flight) >= MAX_IN_FLIGHT_REQUESTS:
            overloaded = RejectedError("overloaded", "too many requests at once, try again", retryable=True)
            await self._refuse(delivery, overloaded)
            return
        task = asyncio.create_task(self._serve(delivery))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _serve(self, delivery: Delivery) -> None:
        started_s = asyncio.get_running_loop().time()
        verb = delivery.subject.rsplit(".", 2)[-2]
        failed = True
        try:
            body = (await self._answer(delivery)).encode()
            if len(body) > MAX_REPLY_BYTES:
                raise RejectedError(
                    "reply_too_large", "the answer does not fit into one message; ask for less"
                )
            failed = False
            await self._respond(delivery, body, {})
        except RejectedError as error:
            await self._refuse(delivery, error)
        except (UnavailableError, ClosedError) as error:
            await self._refuse(delivery, RejectedError("unavailable", str(error), retryable=True))
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets a code and the log the rest
            correlation_id = uuid.uuid4().hex
            log_failure(_log, "request failed", subject=delivery.subject, correlation_id=correlation_id)
            message = "the service failed on this request"
            await self._refuse(delivery, RejectedError("internal", message, correlation_id=correlation_id))
        finally:
            elapsed_s = asyncio.get_running_loop().time() - started_s
            self._discovery.count(verb, elapsed_s=elapsed_s, failed=failed)

    async def _answer(self, delivery: Delivery) -> str:
        """The JSON reply, or the refusal as an exception."""
        _, _, _, verb, caller = delivery.subject.rsplit(".", 4)
        self._check_envelope(delivery, caller)
        endpoint = self._endpoints.get(verb)
        if endpoint is None:
            known = ", ".join(sorted(self._endpoints))
            raise RejectedError(
                "unknown_verb", f"{self.definition.name} has no {verb[:64]!r}; it has: {known}"
            )
        request = _parse(endpoint, delivery.payload)
        call = Call(caller=caller, fresh_id=secrets.token_hex(8))
        reply_type = self._replies[verb]
        key = _command_key(delivery, verb, caller)
        if isinstance(endpoint, Action):
            return await self._act(endpoint, call, request, key if endpoint.changes else None)
        assert self._host is not None
        if isinstance(endpoint, Query):
            answer = endpoint.answer
            return await self._host.query(
                lambda model, now_ms: answer(model, call, request, now_ms), reply_type=reply_type
            )
        assert isinstance(endpoint, Command)
        command = endpoint.build(call, request)
        return await self._host.command(
            lambda model, now_ms: model.decide(command, now_ms),
            reply_type=reply_type,
            key=key,
        )

    async def _act(self, action: Action, call: Call, request: Any, key: CommandKey | None) -> str:
        known = self._answers.get(key.caller, key.command_id) if key is not None else None
        if key is not None and known is not None:
            return first_answer(known, key)
        reply = as_json(self._replies[action.verb], await action.act(call, request))
        if key is not None:
            self._answers.apply(
                CommandAnswered(
                    caller=key.caller, command_id=key.command_id, fingerprint=key.fingerprint, reply=reply
                )
            )
        return reply

    def _check_envelope(self, delivery: Delivery, caller: str) -> None:
        if not is_id(caller):
            raise RejectedError(
                "invalid_caller",
                "the last token of the subject must be your agent id: 1 to 63 of a-z, 0-9, '_' and '-'",
            )
        if delivery.reply_to and not delivery.reply_to.startswith(f"{inbox_prefix(caller)}."):
            raise RejectedError(
                "foreign_reply_subject",
                f"answers to {caller} go only below {inbox_prefix(caller)}.; connect with that inbox "
                f"prefix (nats CLI: --inbox-prefix {inbox_prefix(caller)})",
            )
        if len(delivery.payload) > MAX_REQUEST_BYTES:
            raise RejectedError("too_large", f"a request body has at most {MAX_REQUEST_BYTES} bytes")

    async def _refuse(self, delivery: Delivery, error: RejectedError) -> None:
        # A header is one line; the body carries the message in full.
        headers = {
            HEADER_ERROR: " ".join(error.message.split())[:200],
            HEADER_ERROR_CODE: error.code,
        }
        await self._respond(delivery, ErrorBody.of(error).model_dump_json().encode(), headers, refusal=True)

    async def _respond(
        self, delivery: Delivery, body: bytes, headers: Mapping[str, str], *, refusal: bool = False
    ) -> None:
        caller = delivery.subject.rpartition(".")[2]
        own = is_id(caller) and delivery.reply_to.startswith(f"{inbox_prefix(caller)}.")
        # A plain client with the default inbox gets refusals, which tell it what to change. No agent
        # may listen there and nothing acts on what arrives there, so it cannot be turned into speech.
        if not own and not (refusal and delivery.reply_to.startswith("_INBOX.")):
            return
        trace = delivery.headers.get(HEADER_TRACE)
        merged = {**headers, **({HEADER_TRACE: trace} if trace else {})}
        try:
            await self._bus.publish(delivery.reply_to, body, headers=merged)
        except (UnavailableError, ClosedError):
            _log.warning("reply not sent", subject=delivery.subject)


def _parse(endpoint: Endpoint, payload: bytes) -> Any:
    try:
        return endpoint.request.model_validate_json(payload or b"{}")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        shown = [
            {"field": _place(problem["loc"]), "problem": problem["msg"][:_MAX_SHOWN_CHARS]}
            for problem in problems[:10]
        ]
        first = shown[0]
        where = f"field {first['field']}" if first["field"] else "the body"
        raise RejectedError(
            "invalid_request", f"{where}: {first['problem']}", details={"problems": shown}
        ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the body; cut, because the names in it are the caller's and may be of any length."""
    return ".".join(str(part) for part in location)[:_MAX_SHOWN_CHARS]


def _command_key(delivery: Delivery, verb: str, caller: str) -> CommandKey | None:
    command_id = delivery.headers.get(HEADER_COMMAND_ID, "")
    if not command_id:
        return None
    if len(command_id) > MAX_COMMAND_ID_CHARS:
        raise RejectedError("invalid_request", f"a command id has at most {MAX_COMMAND_ID_CHARS} characters")
    fingerprint = hashlib.sha256(verb.encode() + b"\0" + delivery.payload).hexdigest()[:32]
    return CommandKey(caller=caller, command_id=command_id, fingerprint=fingerprint)
