"""Agents of Conclave: where they find their server, and the units of their host they may start and stop.

Pure. An agent reads `CONCLAVE_URL` (servers, separated by commas) and `CONCLAVE_CREDENTIALS` (a file with its
seed, or a folder with `<id>.nk`). The first is set from the edges; the second names a secret, so the graph
says where its file lies (`secrets` with a `path`).
"""

from __future__ import annotations

from nix_gen.edges import ConnectsTo, DataFlow, PublishesTo, SubscribesTo
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, BusEngine, MessageBus, Running

URL_VARIABLE = "CONCLAVE_URL"
"""What `conclave` reads; a test holds the two together."""


def agent_environment(site: Site, node: Running) -> dict[str, str]:
    """Variables an agent gets from its edges; what the graph sets itself, or as a secret, stands."""
    given = {*node.environment, *(secret.env for secret in node.secrets)}
    if not isinstance(node, Agent) or URL_VARIABLE in given:
        return {}
    servers = []
    for edge in site.graph.edges_from(node.id):
        bus = site.graph.by_id.get(edge.target)
        if not isinstance(edge, PublishesTo | SubscribesTo | ConnectsTo | DataFlow):
            continue
        if isinstance(bus, MessageBus) and bus.engine is BusEngine.NATS and bus.id in site.forms:
            servers.append(f"nats://{bus.id}:{bus.listen_port}")
    return {URL_VARIABLE: ",".join(dict.fromkeys(servers))} if servers else {}


def environment_comment(site: Site, node: Running) -> list[str]:
    """A word on what `agent_environment` sets."""
    found = agent_environment(site, node)
    return [f"{URL_VARIABLE} comes from the edges of {node.id} to its message bus."] if found else []
