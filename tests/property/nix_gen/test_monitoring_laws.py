"""Whatever graph is watched: what prometheus asks on another host, that host's firewall lets it ask."""

import re
from typing import Any

from hypothesis import HealthCheck, assume, given, settings

from nix_gen import Graph, Severity, check
from nix_gen.lower import lower
from tests.support.graphs import graphs
from tests.support.lowering import graph_of, plain
from tests.support.monitored import everything

_OPENED = re.compile(r"dport (?:\{ )?([0-9, ]+)")


def _open_to(host: Any, address: str) -> set[int]:
    """Ports that the rules of a host open to an address, or to everybody."""
    networking = host["networking"]
    firewall = networking["firewall"]
    ports = set(firewall.get("allowedTCPPorts", []))
    tables = networking["nftables"].get("tables", {}).values()
    texts = [firewall.get("extraInputRules", ""), *(table["content"] for table in tables)]
    for line in "\n".join(texts).splitlines():
        found = _OPENED.search(line)
        if found is not None and f"{address} " in line.replace(",", " "):
            ports |= {int(word) for word in found[1].replace(",", " ").split()}
    return ports


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_every_target_on_another_host_is_open_to_the_prometheus_that_asks_it(graph: Graph) -> None:
    assume(all(finding.severity is not Severity.ERROR for finding in check(graph)))
    _check(graph)


def test_every_target_of_the_graph_with_everything_is_open_to_its_prometheus() -> None:
    assert _check(graph_of(*everything())) == 8


def _check(graph: Graph) -> int:
    """Compares targets and rules of all hosts. Returns how many targets stand on another host."""
    count = 0
    configs = {module.host.id: plain(module.body.body) for module in lower(graph).modules}
    addresses = {host.addresses[0]: host.id for host in graph.hosts}
    for address, asking in addresses.items():
        jobs = configs[asking].get("services", {}).get("prometheus", {}).get("scrapeConfigs", [])
        for target in [one["targets"][0] for job in jobs for one in job["static_configs"]]:
            place, _, port = target.rpartition(":")
            if place in addresses and addresses[place] != asking:
                assert int(port) in _open_to(configs[addresses[place]], address), target
                count += 1
    return count


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_no_exporter_listens_beyond_loopback_that_nobody_beyond_it_may_ask(graph: Graph) -> None:
    assume(all(finding.severity is not Severity.ERROR for finding in check(graph)))
    lowered = lower(graph)
    for module in lowered.modules:
        exporters = plain(module.body.body).get("services", {}).get("prometheus", {}).get("exporters", {})
        for exporter in lowered.site.metrics.exporters(module.host.id):
            beyond = exporters[exporter.option]["listenAddress"] != "127.0.0.1"
            named = exporter.node is not None and bool(lowered.site.routes_to(exporter.node.id))
            published = exporter.node is not None and bool(exporter.node.ports)
            assert beyond <= (exporter.is_open or named or published)
