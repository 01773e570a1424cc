"""What a deployment says of an agent in variables, where its program says nothing."""

from __future__ import annotations

import os
from typing import Final

from pydantic import TypeAdapter, ValidationError

from conclave.agent.profile import declared
from coordination.registry.wire import MAX_TASKS, Capabilities, Capability
from coordination.runtime.errors import UsageError
from coordination.runtime.problems import problems_of

CAPABILITIES_VARIABLE: Final = "CONCLAVE_CAPABILITIES"
MAX_TASKS_VARIABLE: Final = "CONCLAVE_MAX_TASKS"
DEFAULT_MAX_TASKS: Final = 1
_CAPABILITIES: Final = TypeAdapter(Capabilities)


def deployed_capabilities() -> tuple[Capability, ...]:
    """The capabilities in ``CONCLAVE_CAPABILITIES``: JSON as the registry takes it, ``[{"name": "review"}]``.

    Raises:
        UsageError: It is no such list.
    """
    text = os.environ.get(CAPABILITIES_VARIABLE)
    if not text:
        return ()
    try:
        return declared(_CAPABILITIES.validate_json(text))
    except UsageError as error:
        raise UsageError(f"{CAPABILITIES_VARIABLE}: {error}") from None
    except ValidationError as error:
        problem = problems_of(error, most=1, body=_CAPABILITIES)[0]
        raise UsageError(
            f'{CAPABILITIES_VARIABLE}: {problem}; write JSON such as [{{"name": "review"}}]'
        ) from None


def deployed_max_tasks() -> int:
    """The number in ``CONCLAVE_MAX_TASKS``, or 1.

    Raises:
        UsageError: It is no whole number from 0 to 1000.
    """
    text = os.environ.get(MAX_TASKS_VARIABLE)
    if not text:
        return DEFAULT_MAX_TASKS
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_TASKS)) and int(text) <= MAX_TASKS
    ):
        raise UsageError(f"{MAX_TASKS_VARIABLE} is {text!r:.80}; it is a whole number from 0 to {MAX_TASKS}")
    return int(text)
