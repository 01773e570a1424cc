"""What placement answers. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.findings import Finding
from nix_gen.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a node stands, and why."""

    node: str
    host: str
    reason: str
    """For people, in one line: `apart from db (replicates); near api; 62 % of h1 is taken then`."""

    def __str__(self) -> str:
        return f"{self.node} stands on {self.host}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A graph whose nodes stand on hosts."""

    graph: Graph
    """The graph given, with `host` set and replicas that spread as nodes of their own; the very one if
    nothing was left to decide."""
    decisions: tuple[Decision, ...]
    """One for each node that stands somewhere, by node id."""
    findings: tuple[Finding, ...]
    """What does not fit, and rules that do not hold."""
