"""Prometheus: its jobs, its alert rules, and the alertmanagers it tells.

Pure. One job for each kind of thing, so that names of jobs stay as they are when the graph grows.
"""

from __future__ import annotations

from nix_gen.edges import ConnectsTo, DataFlow, Replicates
from nix_gen.ir import AttrSet, Binding, Call, Plain, Ref, value
from nix_gen.lower.data_directories import bind_data
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.rules import rule_groups
from nix_gen.lower.monitoring.targets import (
    PROBE_JOB,
    SCRAPE_INTERVAL_MS,
    SCRAPE_TIMEOUT_MS,
    Target,
    targets_of,
)
from nix_gen.lower.monitoring.words import duration, flags, listen_address, socket_address
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import address_for
from nix_gen.lower.site import Site
from nix_gen.lower.words import STATE, node_comment
from nix_gen.nodes import MONITORING_PORTS, Host, Monitoring, MonitoringEngine

_OPTION = ("services", "prometheus")


def lower_prometheus(site: Site, draft: Draft, host: Host) -> None:
    """Write the prometheus of a host."""
    for node in site.of_form(host.id, Form.PROMETHEUS):
        assert isinstance(node, Monitoring)
        targets = targets_of(site, node)
        draft.put(_OPTION, _options(site, host, node), node_comment(node), *_storage(site, draft, node))
        jobs = sorted({target.job for target in targets})
        draft.put((*_OPTION, "scrapeConfigs"), [_job(name, targets) for name in jobs])
        groups = rule_groups(facts(site, targets)) if node.default_alerts else []
        if groups:
            text = Call(Ref(("builtins", "toJSON")), (value({"groups": groups}),))
            draft.put((*_OPTION, "rules"), [text], "JSON is YAML.")
        start_after(site, draft, node, ("systemd", "services", "prometheus"))


def _options(site: Site, host: Host, node: Monitoring) -> dict[str, Plain]:
    interval_ms = node.scrape_interval_ms or SCRAPE_INTERVAL_MS
    interval = duration(interval_ms)
    timing: dict[str, Plain] = {"scrape_interval": interval, "evaluation_interval": interval}
    if interval_ms < SCRAPE_TIMEOUT_MS:
        timing["scrape_timeout"] = interval
    options: dict[str, Plain] = {
        "enable": True,
        "listenAddress": listen_address(site, host, node),
        "globalConfig": timing,
    }
    if node.listen_port != MONITORING_PORTS[node.engine]:
        options["port"] = node.listen_port
    if node.retention_ms:
        options["retentionTime"] = duration(node.retention_ms)
    if node.settings:
        options["extraFlags"] = list(flags(node.settings, by_no=True))
    managers = _alertmanagers(site, node)
    if managers:
        options["alertmanagers"] = [{"static_configs": [{"targets": managers}]}]
    return options


def _storage(site: Site, draft: Draft, node: Monitoring) -> list[str]:
    said = bind_data(site, draft, node, f"{STATE}/prometheus2")
    return [] if said is None else [said]


def _alertmanagers(site: Site, node: Monitoring) -> list[str]:
    """The alertmanagers a prometheus connects to."""
    wanted = {
        edge.target for edge in site.graph.edges_from(node.id) if isinstance(edge, ConnectsTo | DataFlow)
    }
    found = []
    for route in site.routes_from(node.id):
        target = route.target
        manager = isinstance(target, Monitoring) and target.engine is MonitoringEngine.ALERTMANAGER
        address = address_for(site, route) if manager and target.id in wanted else None
        if address is not None and isinstance(target, Monitoring):
            found.append(socket_address(address, target.listen_port))
    return sorted(found)


def _job(name: str, targets: list[Target]) -> Plain:
    mine = [target for target in targets if target.job == name]
    shared = _shared(mine)
    options: dict[str, Plain] = {"job_name": name}
    options |= {option: shared[label] for label, option in _OF_THE_JOB.items() if label in shared}
    options["static_configs"] = [_static(target, shared) for target in mine]
    return options


def _static(target: Target, shared: dict[str, str]) -> AttrSet:
    labels: dict[str, Plain] = {
        label: text for label, text in target.labels.items() if not (label in _OF_THE_JOB and label in shared)
    }
    return AttrSet(
        (Binding("labels", value(labels), (target.said,)), Binding("targets", value([target.address])))
    )


_OF_THE_JOB = {
    "__metrics_path__": "metrics_path",
    "__scrape_interval__": "scrape_interval",
    "__scrape_timeout__": "scrape_timeout",
}
"""Instructions to prometheus that a job can give for all its targets."""


def _shared(targets: list[Target]) -> dict[str, str]:
    """Labels that are the same in every target."""
    common = set(targets[0].labels.items())
    for target in targets[1:]:
        common &= set(target.labels.items())
    return dict(common)


def facts(site: Site, targets: list[Target]) -> frozenset[str]:
    """What the alert rules depend on: the jobs there are, and whether databases are replicated."""
    found = {target.job for target in targets}
    nodes = {target.labels["node"] for target in targets}
    edges = (edge for node_id in nodes for edge in site.graph.edges_from(node_id))
    if any(isinstance(edge, Replicates) for edge in edges):
        found.add("replicas")
    if any(target.uses_tls for target in targets if target.job == PROBE_JOB):
        found.add("certificates")
    return frozenset(found)
