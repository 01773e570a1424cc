"""One request decided on a shard's state: what it will be answered once its batch is durable."""

from __future__ import annotations

import random
from typing import Any

from coordination.runtime.errors import RejectedError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.requests import Request
from coordination.runtime.shard import ApplyError, Batch, ShardState, as_json

_log = get_logger(__name__)


def decided(
    state: ShardState[Any], request: Request, batch: Batch, now_s: float, entropy: random.Random
) -> str | Exception:
    """The answer to `request`, whose events are in `batch` then, or its refusal.

    Args:
        state: What it is decided on; changed by a command.
        request: Command or query.
        batch: Open.
        now_s: The event loop's clock.
        entropy: Names a failure of ours, in the answer and in the log.

    Raises:
        ApplyError: A bug in the model; the state is of no use any more.
    """
    if request.deadline_s is not None and request.deadline_s <= now_s:
        return RejectedError("deadline_exceeded", "nobody waits for the answer any more; not done")
    try:
        if request.is_query:
            return as_json(request.reply_type, request.run(state.model, batch.now_ms))
        return state.decide(batch, request.run, reply_type=request.reply_type, key=request.key)
    except RejectedError as error:
        return error
    except ApplyError:
        raise
    except Exception:  # noqa: BLE001
        # A fault of ours that changed nothing: this caller gets a code and an id, the log the traceback.
        correlation_id = f"{entropy.getrandbits(128):032x}"
        log_failure(_log, "decision failed", host=state.name, correlation_id=correlation_id)
        message = "the service failed on this request"
        return RejectedError("internal", message, correlation_id=correlation_id)
