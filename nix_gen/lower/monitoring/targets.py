"""What a prometheus asks: one target for each `monitors` edge, with labels that say what it is.

Pure. Every target carries `host`, `node` and `kind`. Where an edge wants another path or interval than the
rest of its job, the target says so in labels of prometheus' own (`__metrics_path__`), which it takes as
instructions and does not keep.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.edges import Monitors
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.endpoints import Endpoint
from nix_gen.lower.monitoring.exporters import redis_uri
from nix_gen.lower.monitoring.probes import DEFAULT_PATH, probes_of
from nix_gen.lower.monitoring.words import duration, socket_address
from nix_gen.lower.reach import LOOPBACK, family_address, host_address
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, Database, Monitoring, MonitoringEngine, Node, Service

SCRAPE_INTERVAL_MS = 15_000
SCRAPE_TIMEOUT_MS = 10_000
"""Prometheus' own; it must not be longer than the interval."""
PROBE_JOB = "probe"
OWN_JOB = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing prometheus asks."""

    job: str
    address: str
    labels: dict[str, str]
    said: str
    """The edge it comes from."""
    uses_tls: bool = False
    """Whether it is a probe that sees a certificate."""

    @property
    def asks(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What tells targets apart: edges to several balancers of one nginx ask the same."""
        hidden = tuple(sorted(pair for pair in self.labels.items() if pair[0].startswith("__")))
        return (self.job, self.address, hidden)


def targets_of(site: Site, node: Monitoring) -> list[Target]:
    """Everything a prometheus asks, itself first, nothing twice."""
    own = Target(
        job=OWN_JOB,
        address=socket_address(LOOPBACK, node.listen_port),
        labels=_subject(site, node),
        said=f"{node.id} itself.",
    )
    found = {own.asks: own}
    for edge in site.graph.edges_from(node.id):
        if isinstance(edge, Monitors) and edge.target in site.graph.by_id:
            for target in _of_edge(site, node, edge):
                found.setdefault(target.asks, target)
    return list(found.values())


def _subject(site: Site, node: Node) -> dict[str, str]:
    return {"host": site.graph.host_of(node.id) or "", "node": node.id, "kind": node.kind}


def _of_edge(site: Site, prometheus: Monitoring, edge: Monitors) -> list[Target]:
    endpoint = site.metrics.endpoint(edge)
    if endpoint is None:
        return []
    target = endpoint.target
    subjects = [target]
    if isinstance(target, Monitoring) and site.forms.get(target.id) is Form.EXPORTER:
        exporter = site.metrics.exporter(endpoint.host, target.engine)
        watched = exporter.targets if exporter is not None and exporter.node == target else ()
        subjects = [site.graph.by_id[one] for one in watched] or subjects
    return [
        Target(
            job=endpoint.job,
            address=socket_address(address, endpoint.port),
            labels=_subject(site, subject) | _instructions(site, endpoint, subject),
            said=f"{edge.id}.",
        )
        for address in _addresses(site, prometheus, endpoint)
        for subject in subjects
    ] + _probes(site, prometheus, endpoint)


def _instructions(site: Site, endpoint: Endpoint, subject: Node) -> dict[str, str]:
    labels: dict[str, str] = _timing(endpoint.edge)
    path = endpoint.path
    if endpoint.job == "redis" and isinstance(subject, Database):
        path = "/scrape"
        labels["__param_target"] = redis_uri(site, subject)
    path, _, query = path.partition("?")
    for pair in query.split("&") if query else ():
        name, _, given = pair.partition("=")
        labels[f"__param_{name}"] = given
    if path != DEFAULT_PATH:
        labels["__metrics_path__"] = path
    return labels


def _timing(edge: Monitors) -> dict[str, str]:
    if not edge.interval_ms:
        return {}
    return {
        "__scrape_interval__": duration(edge.interval_ms),
        "__scrape_timeout__": duration(min(edge.interval_ms, SCRAPE_TIMEOUT_MS)),
    }


def _addresses(site: Site, prometheus: Monitoring, endpoint: Endpoint) -> list[str]:
    """Where the target is from prometheus' host: each replica of a container of the same host."""
    if endpoint.host != site.graph.host_of(prometheus.id):
        address = _remote(site, prometheus, endpoint)
        return [] if address is None else [address]
    copies = [] if endpoint.beside else site.copies(endpoint.target.id)
    inside = [copy.address for copy in copies if copy.address is not None]
    return inside or [LOOPBACK]


def _remote(site: Site, prometheus: Monitoring, endpoint: Endpoint) -> str | None:
    in_container = site.forms.get(endpoint.target.id) is Form.CONTAINER and not endpoint.beside
    served = endpoint.target.id if in_container else endpoint.host
    if family_address(site, endpoint.host, served) is None:
        site.find(
            "host-without-address",
            endpoint.host,
            f"{endpoint.edge.source} asks {endpoint.target.id} on it for metrics, and the host has no "
            "address for that",
            "give the host node an IPv4 address",
        )
        return None
    target = endpoint.target
    if in_container and isinstance(target, Service | Agent) and target.replicas > 1:
        site.warn(
            "replicas-in-turn",
            endpoint.edge.id,
            f"the {target.replicas} replicas of {target.id} answer in turn, under one name",
            f"place {endpoint.edge.source} on {endpoint.host}, or make the replicas nodes of their own",
        )
    return host_address(site, endpoint.host, served, prometheus.id)


def _probes(site: Site, prometheus: Monitoring, endpoint: Endpoint) -> list[Target]:
    """What a blackbox exporter is asked to try."""
    exporter = endpoint.target
    if not isinstance(exporter, Monitoring) or exporter.engine is not MonitoringEngine.BLACKBOX_EXPORTER:
        return []
    found = []
    for address in _addresses(site, prometheus, endpoint):
        for probe in probes_of(site, exporter):
            labels = {
                **_subject(site, site.graph.by_id[probe.edge.target]),
                **_timing(probe.edge),
                "instance": probe.goal,
                "__metrics_path__": "/probe",
                "__param_module": probe.module,
                "__param_target": probe.goal,
            }
            if probe.hostname is not None:
                labels["__param_hostname"] = probe.hostname
            found.append(
                Target(
                    job=PROBE_JOB,
                    address=socket_address(address, endpoint.port),
                    labels=labels,
                    said=f"{probe.edge.id}.",
                    uses_tls=probe.uses_tls,
                )
            )
    return found
