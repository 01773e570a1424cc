"""Agents of Conclave: what they are told in variables, and where they find their server.

Pure. An agent reads `CONCLAVE_URL` (servers, separated by commas) and `CONCLAVE_CREDENTIALS` (a file with its
seed, or a folder with `<id>.nk`). The first is set from the edges; the second names a secret, so the graph
says where its file lies (`secrets` with a `path`). `CONCLAVE_CAPABILITIES` (JSON, as the registry takes it)
and `CONCLAVE_MAX_TASKS` carry its `capabilities` and `max_tasks_count`.
"""

from __future__ import annotations

import json

from nix_gen.edges import ConnectsTo, DataFlow, PublishesTo, SubscribesTo
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, BusEngine, MessageBus, Running

URL_VARIABLE = "CONCLAVE_URL"
CAPABILITIES_VARIABLE = "CONCLAVE_CAPABILITIES"
MAX_TASKS_VARIABLE = "CONCLAVE_MAX_TASKS"
"""What `conclave` reads; a test holds the two together."""


def agent_environment(site: Site, node: Running) -> dict[str, str]:
    """Variables an agent gets from fields and edges; what the graph sets itself, or as a secret, stands."""
    if not isinstance(node, Agent):
        return {}
    found = _servers(site, node)
    if node.capabilities:
        found[CAPABILITIES_VARIABLE] = json.dumps([{"name": name} for name in node.capabilities])
    if node.max_tasks_count != 1:
        found[MAX_TASKS_VARIABLE] = str(node.max_tasks_count)
    given = {*node.environment, *(secret.env for secret in node.secrets)}
    return {name: text for name, text in found.items() if name not in given}


def _servers(site: Site, node: Agent) -> dict[str, str]:
    servers = []
    for edge in site.graph.edges_from(node.id):
        bus = site.graph.by_id.get(edge.target)
        if not isinstance(edge, PublishesTo | SubscribesTo | ConnectsTo | DataFlow):
            continue
        if isinstance(bus, MessageBus) and bus.engine is BusEngine.NATS and bus.id in site.forms:
            servers.append(f"nats://{bus.id}:{bus.listen_port}")
    return {URL_VARIABLE: ",".join(dict.fromkeys(servers))} if servers else {}


def environment_comment(site: Site, node: Running) -> list[str]:
    """A word on where the servers that `agent_environment` names come from."""
    found = agent_environment(site, node)
    comes = f"{URL_VARIABLE} comes from the edges of {node.id} to its message bus."
    return [comes] if URL_VARIABLE in found else []
