"""Values of settings that their engine would read as more than one value. Pure.

Configurations of most engines are lines, so that a line feed in a value begins a setting of its own. The rule
is one for all engines and forms: what is refused never depends on where a node comes to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, Host, Monitoring, MonitoringEngine, Service, Storage

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EXPANSION = "$__"
"""How Grafana is told to read a value from a file, its environment or a vault."""
_JOINING = re.compile(r"\\\s*\Z|\A\s*(`|\"\"\")")
"""What makes Grafana read on in the next line."""


def text_findings(graph: Graph) -> Iterator[Finding]:
    """setting-refused, for what a value is made of. Complexity: linear in the texts of settings."""
    for node in graph.nodes:
        if isinstance(node, Host | Storage | Service | Agent):
            continue
        is_grafana = isinstance(node, Monitoring) and node.engine is MonitoringEngine.GRAFANA
        for name, given in sorted(node.settings.items()):
            reason = _reason(given, is_grafana=is_grafana) if isinstance(given, str) else None
            if reason is not None:
                message = f"the setting {name} is not taken: {reason}"
                yield finding("setting-refused", node.id, message, "leave it out")


def _reason(given: str, *, is_grafana: bool) -> str | None:
    if _CONTROL.search(given):
        return "it holds a control character, and a setting is one line"
    if is_grafana and _EXPANSION in given:
        return "Grafana would read its value from elsewhere on the host"
    if is_grafana and _JOINING.search(given):
        return "Grafana would read on in the next line"
    return None
