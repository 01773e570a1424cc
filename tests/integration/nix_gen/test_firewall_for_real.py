"""What the firewalls of a deployment allow is exactly what its edges say.

The rules are read back from the kernel and evaluated by an evaluator that knows nothing of graphs; what the
edges say comes from an oracle that knows nothing of rules. Then the same with real packets.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nix_gen import load, translate
from nix_gen.errors import NixGenError
from nix_gen.graph import Graph, SecretProvider
from nix_gen.placement import place
from nix_gen.scalars import Protocol
from tests.support.drawn_graphs import drawn_graphs
from tests.support.firewalls import Site, in_the_kernel, laboratory
from tests.support.native_checks import NativeProgram, run_native
from tests.support.networked_graphs import networked_graphs
from tests.support.nft_rules import Packet
from tests.support.nix_tools import gather
from tests.support.nixos_rendering import host_configs

pytestmark = [pytest.mark.nix, pytest.mark.shared]
ROOT = Path(__file__).resolve().parents[3]
ALONE = {
    "api -connects_to-> blog",
    "api -subscribes_to-> bus2",
    "migrate -connects_to-> archive",
    "watch -monitors-> web",
    "web -connects_to-> cache",
    "web -connects_to-> documents",
}
"""Edges of the shop whose connection crosses a network and which no other edge of its host asks for."""
Goals = list[tuple[str, int]]
Ports = list[tuple[int, Protocol]]
LABORATORY = ROOT / "tests/support/packet_lab.py"
GRAPHS_COUNT = 40


def _with_plain_secrets(graph: Graph) -> Graph:
    attributes = graph.graph.model_copy(update={"secrets": SecretProvider.FILES})
    return graph.model_copy(update={"graph": attributes})


def _graphs(shared: Path) -> dict[str, Graph]:
    files = [
        *(ROOT / "tests/golden/nix_gen/graphs").glob("*.yaml"),
        *(ROOT / "examples").rglob("graph*/*.yaml"),
        *(ROOT / "examples").rglob("graph.yaml"),
        *(shared / "data" / "compose").glob("*.yaml"),
    ]
    graphs = {f"{file.parent.name}-{file.stem}": load(file).graph for file in sorted(set(files))}
    drawn = drawn_graphs(GRAPHS_COUNT, networked_graphs())
    return {**graphs, **{f"drawn-{index}": graph for index, graph in enumerate(drawn)}}


@pytest.fixture(scope="module")
def sites(
    nix: str,
    shared: Path,
    native_program: NativeProgram,
    in_namespace: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Site]:
    """Every graph with its hosts' rulesets, as the kernel reads them back."""
    graphs, flakes = {}, {}
    for name, graph in _graphs(shared).items():
        graphs[name] = place(_with_plain_secrets(graph)).graph
        try:
            flakes[name] = translate(graphs[name])
        except NixGenError:
            assert name.startswith("drawn-"), name  # what lowering refuses has no firewall
    folder = tmp_path_factory.mktemp("flakes")
    gather(flakes, folder)
    configs = host_configs(shared, folder)
    found = [
        Site(graph=graphs[name], configs={host: configs[f"{name}-{host}"] for host in flake.hosts})
        for name, flake in flakes.items()
    ]
    kernel = in_the_kernel(in_namespace, native_program("nft"), found, tmp_path_factory.mktemp("rules"))
    return dict(zip(flakes, kernel, strict=True))


def _verdicts(site: Site, ports: Ports) -> Iterator[tuple[Packet, Goals, Goals]]:
    """Every packet to these ports: where the rules let it arrive, and where the edges say."""
    for host in site.configs:
        for packet in site.packets(host, ports):
            yield packet, site.allowed(host, packet), site.expected(host, packet)


def test_for_each_pair_of_hosts_the_rules_allow_exactly_what_the_edges_say(sites: Mapping[str, Site]) -> None:
    generator = random.Random(5)
    wrong: list[str] = []
    opened_count = closed_count = 0
    for name, site in sites.items():
        verdicts = list(_verdicts(site, site.ports(generator)))
        opened_count += sum(bool(expected) for _, _, expected in verdicts)
        closed_count += sum(not expected for _, _, expected in verdicts)
        wrong += [
            f"{name}: {packet}: rules {allowed}, edges {expected}"
            for packet, allowed, expected in verdicts
            if allowed != expected
        ]
    assert not wrong, f"{len(wrong)} differ\n" + "\n".join(wrong[:20])
    assert opened_count > 500
    assert closed_count > 20_000


def test_a_rule_without_its_edge_is_noticed(sites: Mapping[str, Site]) -> None:
    """What shows that the two sides are independent: the oracle forgets one edge, the rules do not."""
    site = sites["graphs-shop"]
    ports, noticed = site.ports(random.Random(5)), set()
    for index, edge in enumerate(site.graph.edges):
        fewer = (*site.graph.edges[:index], *site.graph.edges[index + 1 :])
        graph = site.graph.model_copy(update={"edges": fewer})
        less = Site(graph=graph, configs=site.configs, rulesets=site.rulesets)
        if any(allowed != expected for _, allowed, expected in _verdicts(less, ports)):
            noticed.add(edge.id)
    assert noticed == ALONE


@pytest.mark.parametrize("name", ["graphs-shop", "graphs-web", "drawn"])
def test_real_packets_arrive_exactly_where_the_edges_say(
    name: str,
    sites: Mapping[str, Site],
    native_program: NativeProgram,
    in_namespace: tuple[str, ...],
) -> None:
    site = sites[name] if name in sites else _richest(sites)
    ports = site.ports(random.Random(7))
    packets = [(host, packet) for host in site.configs for packet in site.packets(host, ports)]
    programs = {"nft": native_program("nft"), "ip": native_program("ip")}
    said = run_native(
        [*in_namespace, sys.executable, LABORATORY], given=json.dumps(laboratory(site, programs, ports))
    )
    wrong: list[str] = []
    arrived_count = 0
    for (host, packet), arrival in zip(packets, json.loads(said), strict=True):
        expected = [list(goal) for goal in site.expected(host, packet)]
        arrived_count += arrival is not None
        if (arrival not in expected) if expected else (arrival is not None):
            wrong.append(f"{packet}: arrived {arrival}, edges {expected}")
    assert not wrong, f"{len(wrong)} differ\n" + "\n".join(wrong[:20])
    assert arrived_count >= 10


def _richest(sites: Mapping[str, Site]) -> Site:
    """The drawn graph with the most ways: containers, redirections and all."""
    drawn = [site for name, site in sites.items() if name.startswith("drawn-") and len(site.containers) >= 2]
    return max(drawn, key=lambda site: len(site.ways))
