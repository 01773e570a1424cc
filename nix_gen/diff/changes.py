"""What changes between two deployments, as data: `compare` makes it, `describe` words it.

Pure. Values that look like secrets are hidden here already, so that nothing made from this can show one.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final


class Action(StrEnum):
    """What happens to a host, node, edge or unit."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Destroyed and made anew: another kind, engine, form, major version or host."""
    DESTROY = "destroy"


class Missing(Enum):
    """Stands for a value that is not there; None is a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
HIDDEN: Final = "(hidden)"
"""Stands for a value that looks like a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field that differs."""

    path: str
    """From the node, edge or graph: `ports[8080/tcp].published`, `environment.DB_HOST`."""
    old: Any
    """JSON data, `HIDDEN`, or `MISSING`."""
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """One node that is created, updated, replaced or destroyed."""

    id: str
    kind: str
    """As it will be; of a destroyed node, as it was."""
    action: Action
    reasons: tuple[str, ...] = ()
    """Of a replacement: what cannot be changed in place."""
    fields: tuple[FieldChange, ...] = ()
    moved_from: str | None = None
    """The host it stood on, if that is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeChange:
    """One edge that is added, changed or removed."""

    id: str
    kind: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    meaning: tuple[str, ...] = ()
    """What the edge means on the machines, as it will be; of a removed edge, what ends."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """One thing a host's firewall lets in."""

    ports: str
    """`5432/tcp`, `80, 443/tcp`; the rule itself where it is of another form."""
    source: str
    """`everyone`, addresses, or `containers` of the host itself."""
    via: str = ""
    """What else the rule asks or does: `to 10.0.0.2`, `redirect to :8080`."""
    edges: str = ""
    """Which edges the rule comes from. Two rules that differ in this alone let in the same."""

    @property
    def allows(self) -> tuple[str, str, str]:
        """What the rule lets in, without the reason."""
        return (self.ports, self.source, self.via)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """One systemd unit; `update` means that its definition differs, so that it restarts."""

    unit: str
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """What changes on one host."""

    id: str
    """Empty for nodes that stand nowhere."""
    action: Action | None = None
    """None: the machine stays as it is, whatever changes on it."""
    fields: tuple[FieldChange, ...] = ()
    nodes: tuple[NodeChange, ...] = ()
    departures: tuple[tuple[str, str], ...] = ()
    """Nodes that move away, and the hosts they move to."""
    opened: tuple[Rule, ...] = ()
    closed: tuple[Rule, ...] = ()
    units: tuple[UnitChange, ...] = ()
    secrets_needed: tuple[str, ...] = ()
    """Names of secrets the host needs from now on."""
    secrets_released: tuple[str, ...] = ()
    """Names of secrets it needs no more."""
    configuration: tuple[str, ...] = ()
    """Other options of a host that stays, and files beside its module, that differ; by path, sorted."""
    rewritten: bool = False
    """Whether the text of a host that stays differs at all, be it in comments alone."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing happens on this host."""
        return self == HostChange(id=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Data that may be lost or left behind."""

    node: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that differs between two deployments. Sorted by id throughout."""

    old_name: str | None
    """None: there was nothing."""
    new_name: str | None
    """None: nothing is left."""
    old_digest: str | None
    new_digest: str | None
    graph: tuple[FieldChange, ...] = ()
    """What differs of the graph as a whole."""
    hosts: tuple[HostChange, ...] = ()
    """Hosts on which something happens."""
    edges: tuple[EdgeChange, ...] = ()
    risks: tuple[Risk, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.graph or self.hosts or self.edges)

    def count(self) -> Counter[Action]:
        """How many nodes and hosts are created, updated, replaced and destroyed."""
        counts = Counter(node.action for host in self.hosts for node in host.nodes)
        counts.update(host.action for host in self.hosts if host.action is not None)
        return counts

    def to_plain(self) -> dict[str, Any]:
        """JSON data; a missing value has no key."""
        plain: dict[str, Any] = _plain(self)
        plain["summary"] = {action.value: self.count()[action] for action in Action}
        return plain


def _plain(part: Any) -> Any:
    if dataclasses.is_dataclass(part):
        fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
        return {name: _plain(value) for name, value in fields.items() if value is not MISSING}
    if isinstance(part, list | tuple):
        return [_plain(item) for item in part]
    return part.value if isinstance(part, Action) else part
