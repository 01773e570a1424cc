"""Payloads and results that are too large for a task's record: in the object store, named by their digest."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from coordination.artifacts.client import ArtifactsClient
from coordination.artifacts.limits import MAX_ARTIFACT_BYTES
from coordination.runtime.asking import NO_NUMBER, TOO_DEEP
from coordination.runtime.errors import PeerProtocolError, UsageError
from coordination.tasks.limits import MAX_PAYLOAD_BYTES
from coordination.tasks.wire import Reference, ReferenceView

_STOPPED: Final = "recursion limit exceeded"
"""In what the reader of pydantic says of what is nested too deep for it."""


async def stored(artifacts: ArtifactsClient, content: bytes) -> Reference:
    """Put `content` into the object store, and say where it is. Errors as of `ArtifactsClient.put`."""
    return Reference(sha256=await artifacts.put(content), size_bytes=len(content))


async def fetched(artifacts: ArtifactsClient, reference: Reference | ReferenceView) -> Any:
    """The JSON value that `reference` names.

    Raises:
        RejectedError: The object store has forgotten it (``unknown_artifact``).
        PeerProtocolError: What is there is no JSON.
        UnavailableError: The object store does not answer.
    """
    content = await artifacts.get(reference.sha256)
    try:
        return from_json(content)
    except ValueError:
        raise PeerProtocolError(f"artifact {reference.sha256} is not JSON") from None


async def placed(artifacts: ArtifactsClient, payload: Any) -> Reference | None:
    """Where `payload` is, if it is too large for a task's record: there after this call. None if it is not.

    Raises:
        UsageError: It is too large for the object store, too, nested too deep, or holds what JSON does not
            have.
    """
    if not payload:
        return None
    try:
        content = to_json(payload, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError):
        return None  # whoever makes the request says what is wrong with it, and where
    if len(content) <= MAX_PAYLOAD_BYTES:
        return None
    if len(content) > MAX_ARTIFACT_BYTES:
        raise UsageError(
            f"the payload has {len(content)} bytes of JSON; a task's has at most {MAX_ARTIFACT_BYTES}. Split "
            "the task, or store the parts with session.artifacts.put and send their digests"
        )
    try:
        from_json(content, allow_inf_nan=False)
    except ValueError as error:
        problem = TOO_DEEP if _STOPPED in str(error) else NO_NUMBER
        raise UsageError(f"payload: {problem}") from None
    return await stored(artifacts, content)
