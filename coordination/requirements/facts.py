"""What an agent offers, prepared for being tested: every name leads to one fact. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from coordination.requirements.terms import Name
from coordination.requirements.versions import Key, loose_version_key, version_key

Attribute = bool | int | float | str
MAX_TASKS: Final = "agent.max_tasks"
"""The name under which every agent has its number of slots, whatever its capabilities are called."""


class Kind(Enum):
    """The type of a fact."""

    VERSION = "version"
    """Of a capability."""
    NUMBER = "number"
    FLAG = "true or false"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Fact:
    """What one name stands for."""

    kind: Kind
    value: Attribute
    version: Key | None = None
    """Of a capability, or of a text that is a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityFacts:
    """One capability."""

    version: str = "1.0.0"
    """Semantic version; anything else is there, but compares with nothing."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    """Numbers are finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What requirements see of an agent; the mappings must not change any more.

    Versions are parsed here, once, so that testing is only looking up and comparing.
    """

    capabilities: Mapping[str, CapabilityFacts] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    max_tasks: int = 1
    """Tasks the agent works on at a time."""
    capable: Mapping[str, Fact] = field(init=False, repr=False, compare=False)
    """By the names of capabilities, of attributes with that of their capability, and `MAX_TASKS`."""
    labelled: Mapping[str, Fact] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the facts."""
        object.__setattr__(self, "capable", self._capable())
        object.__setattr__(self, "labelled", {name: _text(value) for name, value in self.labels.items()})

    def get(self, name: Name) -> Fact | None:
        """What a name stands for; None if for nothing.

        A bare name is a capability if there is one of that name, else an attribute as
        ``capability.attribute``, where the longest capability that has the attribute goes first, else
        a label.
        """
        if name.space == "label":
            return self.labelled.get(name.text)
        found = self.capable.get(name.text)
        return found if found is not None or name.space == "capability" else self.labelled.get(name.text)

    def _capable(self) -> dict[str, Fact]:
        facts: dict[str, Fact] = {}
        # Later ones win: longer capabilities over shorter, capabilities over attributes.
        for name, capability in sorted(self.capabilities.items(), key=lambda each: len(each[0])):
            for attribute, value in capability.attributes.items():
                facts[f"{name}.{attribute}"] = _attribute(value)
        for name, capability in self.capabilities.items():
            facts[name] = Fact(Kind.VERSION, capability.version, version_key(capability.version))
        facts[MAX_TASKS] = Fact(Kind.NUMBER, self.max_tasks)
        return facts


def _attribute(value: Attribute) -> Fact:
    match value:
        case bool():
            return Fact(Kind.FLAG, value)
        case str():
            return _text(value)
        case _:
            return Fact(Kind.NUMBER, value)


@lru_cache(maxsize=4096)
def _text(value: str) -> Fact:
    """Many agents say the same: ``eu``."""
    return Fact(Kind.TEXT, value, loose_version_key(value))
