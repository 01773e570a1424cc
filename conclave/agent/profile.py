"""What an agent says about itself, checked where its author writes it and not when it registers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from conclave.identity.permissions import require_agent_id
from coordination.registry.metadata import require_metadata
from coordination.registry.wire import Capability, RegisterRequest
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.problems import problems_of


def own_id(agent_id: object) -> str:
    """`agent_id`, if an agent may be called so.

    Raises:
        UsageError: It is no text, no valid id, or a reserved one.
    """
    if not isinstance(agent_id, str):
        raise UsageError(f"agent id {agent_id!r:.80} is not valid: it is a str")
    return require_agent_id(agent_id)


def drain_time(drain_s: object) -> float:
    """`drain_s`, if one can wait so long.

    Raises:
        UsageError: It is no number, negative or NaN.
    """
    if isinstance(drain_s, bool) or not isinstance(drain_s, int | float) or not drain_s >= 0:
        raise UsageError(f"agent: drain_s is {drain_s!r:.80}; it is a number of seconds from 0")
    return drain_s


def flag(name: str, given: object) -> None:
    """Return if the argument `name` of a decorator is a truth value.

    Raises:
        UsageError: It is something else, such as ``"no"``, which would count as true.
    """
    if not isinstance(given, bool):
        raise UsageError(f"{name} is {given!r:.80}; it is True or False")


def capability(name: str, **about: Any) -> Capability:
    """A capability of this name.

    Raises:
        UsageError: The name, or something about it, is not valid.
    """
    try:
        return Capability(name=name, **about)
    except ValidationError as error:
        raise UsageError(f"capability {name!r:.80}: {_problem(error, Capability)}") from None


def declared(capabilities: object) -> tuple[Capability, ...]:
    """`capabilities`, each name once; a text is one of version 1.0.0, a mapping is as the registry takes it.

    Raises:
        UsageError: They are no collection of such, or a name comes twice.
    """
    if isinstance(capabilities, str | bytes | Mapping) or not isinstance(capabilities, Iterable):
        raise UsageError(
            f"agent: capabilities is {capabilities!r:.80}; it is a list of names, of Capability or of "
            'mappings as {"name": "review", "version": "2.0.0"}'
        )
    found: dict[str, Capability] = {}
    for each in capabilities:
        one = _declared_one(each)
        if one.name in found:
            raise UsageError(f"agent: capabilities holds {one.name!r} twice; an agent has each name once")
        found[one.name] = one
    return tuple(found.values())


def _declared_one(given: object) -> Capability:
    if isinstance(given, Capability):
        return given
    if isinstance(given, str):
        return capability(given)
    if not isinstance(given, Mapping):
        raise UsageError(
            f"agent: capabilities holds {given!r:.80}; each is a name or a Capability, "
            'or a mapping as {"name": "review", "version": "2.0.0"}'
        )
    try:
        return Capability.model_validate(dict(given))
    except ValidationError as error:
        raise UsageError(f"agent: capabilities holds {given!r:.80}: {_problem(error, Capability)}") from None


def mapping(value: object, what: str) -> dict[Any, Any]:
    """`value` as a dict of its own; None is an empty one.

    Raises:
        UsageError: It is no mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"agent: {what} is {value!r:.80}; it is a mapping")
    return dict(value)


def profile(**fields: Any) -> RegisterRequest:
    """The registration.

    Raises:
        UsageError: The registry would not take it.
    """
    try:
        request = RegisterRequest(**fields)
        require_metadata(request.metadata)
    except ValidationError as error:
        raise UsageError(f"agent: {_problem(error, RegisterRequest)}") from None
    except RejectedError as error:
        raise UsageError(f"agent: {error.message}") from None
    return request


def _problem(error: ValidationError, body: type[BaseModel]) -> str:
    """The first thing that is wrong, as the registry would tell it."""
    return str(problems_of(error, most=1, body=body)[0])
