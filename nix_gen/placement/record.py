"""Where the nodes of an earlier deployment stood, read from its `deployment.json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def previous_hosts(deployment: Mapping[str, Any]) -> dict[str, str]:
    """Host by node id, for `place(graph, previous=…)`; nothing where the record has another shape."""
    hosts = deployment.get("hosts")
    found: dict[str, str] = {}
    for host_id, host in hosts.items() if isinstance(hosts, Mapping) else ():
        nodes = host.get("nodes") if isinstance(host, Mapping) else None
        for node in nodes if isinstance(nodes, list) else ():
            if isinstance(node, Mapping) and isinstance(node.get("id"), str):
                found[node["id"]] = host_id
    return found
