"""What a `monitors` edge asks for and cannot have: said aloud, never dropped.

Pure.
"""

from __future__ import annotations

from nix_gen.edges import Monitors
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.alloy import has_units
from nix_gen.lower.site import Site
from nix_gen.nodes import BusEngine, Host, MessageBus, Monitoring, MonitoringEngine


def tell_gap(site: Site, edge: Monitors) -> None:
    """Warn where nothing is scraped or shipped although an edge says so."""
    source, target = site.graph.by_id[edge.source], site.graph.by_id[edge.target]
    assert isinstance(source, Monitoring)
    if site.forms.get(source.id) is Form.CONTAINER:
        site.warn(
            "scrape-by-hand",
            edge.id,
            f"{source.id} runs as a container with a configuration of its own",
            f"name {_where(site, edge)} there, or run it natively: without mounts, alone of its engine",
        )
    elif source.engine is MonitoringEngine.PROMETHEUS and site.metrics.endpoint(edge) is None:
        site.warn(
            "no-metrics",
            edge.id,
            f"{target.id} tells no metrics that nix_gen knows of, so {source.id} does not ask it",
            _mend(site, edge),
        )
    elif (
        source.engine is MonitoringEngine.LOKI
        and not isinstance(target, Host)
        and not has_units(site, target)
    ):
        site.warn("no-logs", edge.id, f"{target.id} has no unit that could write a log", "remove the edge")


def _mend(site: Site, edge: Monitors) -> str:
    target = site.graph.by_id[edge.target]
    if isinstance(target, MessageBus) and target.engine is BusEngine.NATS and target.monitor_port is None:
        return f"set monitor_port on {target.id}"
    return "set port on the edge, and path if it is not /metrics"


def _where(site: Site, edge: Monitors) -> str:
    endpoint = site.metrics.endpoint(edge)
    if endpoint is None:
        return edge.target
    addresses = site.hosts[endpoint.host].addresses
    return f"{addresses[0] if addresses else endpoint.host} port {endpoint.port} path {endpoint.path}"
