"""Log shipping: alloy on a host reads its journal and sends what somebody watches to loki.

Pure. One alloy for a host, with one chain (journal, labels, loki) for each loki that watches it. If the host
itself is watched, its whole journal goes there; otherwise only the lines of the watched nodes' units.
"""

from __future__ import annotations

from nix_gen.ir import Multiline
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.alloy_text import AlloyValue, Block, Expression, alloy_text, identifier
from nix_gen.lower.monitoring.words import socket_address
from nix_gen.lower.order import ordered_units
from nix_gen.lower.reach import LOOPBACK, host_address
from nix_gen.lower.site import Site
from nix_gen.nodes import Host, Monitoring, Node, Storage

CONFIG = "alloy/config.alloy"
MAX_AGE = "12h"
"""How far back alloy reads when it starts for the first time."""
_META = "\\.+*?()|[]{}^$"


def lower_alloy(site: Site, draft: Draft, host: Host) -> None:
    """Write the alloy of a host, if a loki watches something on it."""
    watched: dict[str, tuple[Monitoring, dict[str, str]]] = {}
    for edge, loki in site.metrics.edges_at.get(host.id, ()):
        if site.forms[loki.id] is Form.LOKI:
            watched.setdefault(loki.id, (loki, {}))[1][edge.target] = edge.id
    blocks: list[Block] = []
    for number, (loki, edges) in enumerate(watched.values()):
        address = _address(site, host, loki)
        if address is not None:
            label = identifier(loki.id) if number == 0 else f"{identifier(loki.id)}_{number + 1}"
            url = f"http://{socket_address(address, loki.listen_port)}/loki/api/v1/push"
            blocks += _chain(site, host, label, url, sorted(edges))
    if not blocks:
        return
    said = [f"{edge}." for _, edges in watched.values() for edge in edges.values()]
    draft.put(("services", "alloy"), {"enable": True, "extraFlags": ["--disable-reporting"]}, *said)
    draft.put(("environment", "etc", CONFIG, "text"), Multiline(alloy_text(blocks)), *said)


def _address(site: Site, host: Host, loki: Monitoring) -> str | None:
    place = site.graph.host_of(loki.id)
    assert place is not None
    return LOOPBACK if place == host.id else host_address(site, place, loki.id, host.id)


def _chain(site: Site, host: Host, label: str, url: str, targets: list[str]) -> list[Block]:
    labels: dict[str, AlloyValue] = {"job": "journal", "host": host.id}
    source: dict[str, AlloyValue] = {
        "forward_to": [Expression(f"loki.write.{label}.receiver")],
        "relabel_rules": Expression(f"loki.relabel.{label}.rules"),
        "max_age": MAX_AGE,
        "labels": labels,
    }
    return [
        Block("loki.source.journal", label, source),
        Block("loki.relabel", label, {"forward_to": []}, tuple(_rules(site, host, targets))),
        Block("loki.write", label, blocks=(Block("endpoint", attributes={"url": url}),)),
    ]


def _rules(site: Site, host: Host, targets: list[str]) -> list[Block]:
    whole = host.id in targets
    nodes = site.graph.nodes_on(host.id) if whole else [site.graph.by_id[one] for one in targets]
    rules = [
        _rule(source_labels=["__journal__systemd_unit"], target_label="unit"),
        _rule(source_labels=["__journal_priority_keyword"], target_label="level"),
    ]
    for node in nodes:
        pattern = _pattern(site, node)
        if pattern:
            rules.append(
                _rule(
                    source_labels=["__journal__systemd_unit", "__journal_container_name"],
                    regex=pattern,
                    target_label="node",
                    replacement=node.id,
                )
            )
    if not whole:
        rules.append(_rule(source_labels=["node"], regex=".+", action="keep"))
    return rules


def _rule(**attributes: AlloyValue) -> Block:
    return Block("rule", attributes=attributes)


def _pattern(site: Site, node: Node) -> str:
    """A pattern on unit and container name, joined by `;`: podman logs under either."""
    if isinstance(node, Storage | Host):
        return ""
    words = [f"{_escaped(unit)};.*" for unit in ordered_units(site, node) if unit.endswith(".service")]
    if site.forms.get(node.id) is Form.CONTAINER:
        words += [f".*;{_escaped(copy.name)}" for copy in site.copies(node.id)]
    return "|".join(words)


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in _META else char for char in text)


def has_units(site: Site, node: Node) -> bool:
    """Whether a node has a unit of its own, whose lines the journal holds."""
    return bool(_pattern(site, node))
