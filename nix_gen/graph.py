"""The deployment graph: typed nodes and edges in networkx node-link form, and its one canonical spelling.

Pure: reading a file is `nix_gen.document`, judging a graph is `nix_gen.validate`. A `Graph` may hold dangling
edges and cycles; those are findings, not construction errors. What a `Graph` guarantees: every part has the
right type and size, and node ids are unique.

Placement: a node stands on the host its `host` field names. Without the field it stands on the only host of
the graph. A graph without any host node has one implicit host, named after the graph (`Graph.hosts`). A
storage node without `host` stands where its mounters stand.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from nix_gen.components import groups
from nix_gen.edges import Edge, MountsVolume, Replicates
from nix_gen.nodes import Host, MessageBus, Node, Storage
from nix_gen.replication import Lineages
from nix_gen.scalars import EDGES_MAX_COUNT, NODES_MAX_COUNT, HostId, Part, Text, written

if TYPE_CHECKING:
    import networkx as nx

DEFAULT_NAME = "deployment"
E = TypeVar("E")
N = TypeVar("N")
_SETTABLE = ("kind", "id", "source", "target")
"""Fields that stand in the canonical form even where they equal their default."""


class SecretProvider(StrEnum):
    """What brings the values of secrets to the hosts; the graph holds their names alone."""

    FILES = "files"
    """The operator, by whatever means, as files below `/run/secrets`."""
    SOPS = "sops"
    """sops-nix, from `hosts/<host>/secrets.yaml`."""
    AGENIX = "agenix"
    """agenix, from `hosts/<host>/secrets/<name>.age`."""
    CREDENTIALS = "credentials"
    """systemd, from `/etc/credstore.encrypted/<name>` on the host (`systemd-creds encrypt`)."""


class GraphAttributes(Part):
    """What is said of the graph as a whole."""

    name: HostId = DEFAULT_NAME
    """Also the name of the implicit host."""
    description: Text | None = None
    secrets: SecretProvider = SecretProvider.FILES


class Graph(Part):
    """A deployment graph. Fields are those of networkx node-link form; only `nodes` is required in a file.

    `links` is accepted for `edges`, a top-level `name` for `graph.name`, and the `key` that networkx writes
    on the edges of a multigraph is ignored.
    """

    directed: Literal[True] = True
    multigraph: Annotated[bool, AfterValidator(lambda _: True)] = True
    """Accepted as written by networkx; parallel edges are always allowed."""
    graph: GraphAttributes = Field(default_factory=GraphAttributes)
    nodes: Annotated[tuple[Node, ...], Field(max_length=NODES_MAX_COUNT)]
    edges: Annotated[tuple[Edge, ...], Field(max_length=EDGES_MAX_COUNT)] = ()

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = dict(given)
        if "links" in fields and "edges" not in fields:
            fields["edges"] = fields.pop("links")
        if "name" in fields:
            name = fields.pop("name")
            attributes = fields.get("graph") or {}
            if isinstance(attributes, dict):
                fields["graph"] = {"name": name, **attributes}
        if isinstance(fields.get("edges"), list):
            fields["edges"] = [_without_key(edge) for edge in fields["edges"]]
        return fields

    @model_validator(mode="after")
    def _unique_ids(self) -> Graph:
        seen: set[str] = set()
        for node in self.nodes:
            if node.id in seen:
                raise ValueError(f"two nodes have the id {node.id!r}")
            seen.add(node.id)
        return self

    @property
    def name(self) -> str:
        """Name of the graph, and of its implicit host."""
        return self.graph.name

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def nodes_in_order(self) -> tuple[Node, ...]:
        """Nodes, sorted by id."""
        return tuple(sorted(self.nodes, key=_id))

    @cached_property
    def _by_kind(self) -> dict[type, list[Any]]:
        found: dict[type, list[Any]] = {}
        for node in self.nodes_in_order:
            found.setdefault(type(node), []).append(node)
        return found

    def nodes_of(self, kind: type[N]) -> Sequence[N]:
        """Nodes of one kind, by id."""
        return self._by_kind.get(kind, ())

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """Host nodes by id; the implicit host, named after the graph, where the graph has none."""
        return tuple(self.nodes_of(Host)) or (Host(id=self.name),)

    @cached_property
    def _mounters(self) -> dict[str, list[str]]:
        mounters: dict[str, list[str]] = {}
        for edge in self.edges:
            if isinstance(edge, MountsVolume):
                mounters.setdefault(edge.target, []).append(edge.source)
        return mounters

    def host_of(self, node_id: str) -> str | None:
        """Id of the host a node stands on; None where the graph does not say or there is no such node.

        A storage node without `host` stands where its first mounter (by id) that has a host stands.
        """
        return self._host_of.get(node_id)

    @cached_property
    def _host_of(self) -> dict[str, str | None]:
        return {node.id: self._found_host(node) for node in self.nodes}

    def _found_host(self, node: Node) -> str | None:
        if isinstance(node, Host):
            return node.id
        if node.host is not None:
            return node.host
        if len(self.hosts) == 1:
            return self.hosts[0].id
        if isinstance(node, Storage):
            for mounter in sorted(self._mounters.get(node.id, ())):
                place = self.by_id.get(mounter)
                if place is not None and not isinstance(place, Host | Storage) and place.host is not None:
                    return place.host
        return None

    def nodes_on(self, host_id: str) -> tuple[Node, ...]:
        """Nodes that stand on a host, by id, without the host itself (one pass over the graph, cached)."""
        return self._placement.get(host_id, ())

    @cached_property
    def _placement(self) -> dict[str, tuple[Node, ...]]:
        placed: dict[str, list[Node]] = {}
        for node in self.nodes_in_order:
            host = self.host_of(node.id)
            if host is not None and not isinstance(node, Host):
                placed.setdefault(host, []).append(node)
        return {host: tuple(nodes) for host, nodes in placed.items()}

    @cached_property
    def _by_end(self) -> tuple[dict[str, tuple[Edge, ...]], dict[str, tuple[Edge, ...]]]:
        outgoing: dict[str, list[Edge]] = {}
        incoming: dict[str, list[Edge]] = {}
        for edge in self._in_order:
            outgoing.setdefault(edge.source, []).append(edge)
            incoming.setdefault(edge.target, []).append(edge)
        return (
            {node_id: tuple(edges) for node_id, edges in outgoing.items()},
            {node_id: tuple(edges) for node_id, edges in incoming.items()},
        )

    @cached_property
    def _by_end_and_kind(self) -> tuple[dict[tuple[str, type], list[Any]], dict[tuple[str, type], list[Any]]]:
        outgoing: dict[tuple[str, type], list[Any]] = {}
        incoming: dict[tuple[str, type], list[Any]] = {}
        for edge in self._in_order:
            kind = type(edge)
            outgoing.setdefault((edge.source, kind), []).append(edge)
            incoming.setdefault((edge.target, kind), []).append(edge)
        return outgoing, incoming

    @cached_property
    def _in_order(self) -> tuple[Edge, ...]:
        """The edges in canonical order. Their whole text decides only between parallel ones of a kind."""
        found: list[Edge] = []
        by_ends = sorted(self.edges, key=_ends)
        for _, parallel in itertools.groupby(by_ends, key=_ends):
            edges = list(parallel)
            found += edges if len(edges) == 1 else sorted(edges, key=written)
        return tuple(found)

    def edges_from(self, node_id: str) -> tuple[Edge, ...]:
        """Edges whose source is the node, in canonical order."""
        return self._by_end[0].get(node_id, ())

    def edges_to(self, node_id: str) -> tuple[Edge, ...]:
        """Edges whose target is the node, in canonical order."""
        return self._by_end[1].get(node_id, ())

    def kind_from(self, node_id: str, kind: type[E]) -> Sequence[E]:
        """Those of `edges_from` that are of one kind."""
        return self._by_end_and_kind[0].get((node_id, kind), ())

    def kind_to(self, node_id: str, kind: type[E]) -> Sequence[E]:
        """Those of `edges_to` that are of one kind."""
        return self._by_end_and_kind[1].get((node_id, kind), ())

    @cached_property
    def lineages(self) -> Lineages:
        """Which databases copy which; `nix_gen.replication` has the questions to ask of it."""
        return Lineages(self.nodes, self.edges)

    def bus_members(self, node_id: str) -> tuple[MessageBus, ...]:
        """The members of a message bus's cluster by id, itself among them; none for another kind of node.

        Members have a cluster of one name, or `replicates` edges join them, and all are of one engine.
        """
        return self._bus_members.get(node_id, ())

    @cached_property
    def _bus_members(self) -> dict[str, tuple[MessageBus, ...]]:
        buses = {node.id: node for node in self.nodes_of(MessageBus)}
        first: dict[tuple[str, str], str] = {}
        joined = [
            (bus.id, first.setdefault((bus.engine, bus.cluster.name), bus.id))
            for bus in buses.values()
            if bus.cluster is not None
        ]
        for edge in self.edges:
            one, other = buses.get(edge.source), buses.get(edge.target)
            both = one is not None and other is not None and one.engine is other.engine
            if isinstance(edge, Replicates) and both:
                joined.append((edge.source, edge.target))
        found: dict[str, tuple[MessageBus, ...]] = {}
        for members in groups(buses, joined):
            known = tuple(buses[member] for member in sorted(members))
            found |= dict.fromkeys(members, known)
        return found

    def to_node_link(self) -> dict[str, Any]:
        """Node-link form as plain data, in canonical order, defaults left out."""
        attributes: dict[str, Any] = {"name": self.name}
        if self.graph.description is not None:
            attributes["description"] = self.graph.description
        if self.graph.secrets is not SecretProvider.FILES:
            attributes["secrets"] = self.graph.secrets.value
        return {
            "directed": True,
            "multigraph": True,
            "graph": attributes,
            "nodes": [_plain(node) for node in self.nodes_in_order],
            "edges": [_plain(edge) for edge in self._in_order],
        }

    def canonical_json(self) -> bytes:
        """The one spelling of this graph: sorted keys, sorted nodes and edges, defaults left out, UTF-8.

        Invariants: two files that say the same give the same bytes; the bytes read back give the same bytes.
        """
        return self._canonical_json

    @cached_property
    def _canonical_json(self) -> bytes:
        return json.dumps(
            self.to_node_link(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()

    def digest(self) -> str:
        """SHA-256 of `canonical_json`, 64 hexadecimal digits: what a vote binds."""
        return hashlib.sha256(self.canonical_json()).hexdigest()

    @classmethod
    def from_networkx(cls, graph: nx.Graph[Any]) -> Graph:
        """The deployment graph that a graph of networkx holds, as a `DiGraph` or `MultiDiGraph`.

        Attributes of graph, nodes and edges are those of a file; the keys of parallel edges mean nothing.

        Raises:
            pydantic.ValidationError: the attributes are not those of a deployment graph, or it is undirected.
        """
        plain = {
            "directed": graph.is_directed(),
            "multigraph": graph.is_multigraph(),
            "graph": dict(graph.graph),
            "nodes": [{**attributes, "id": name} for name, attributes in graph.nodes(data=True)],
            "edges": [
                {**attributes, "source": source, "target": target}
                for source, target, attributes in graph.edges(data=True)
            ],
        }
        return cls.model_validate(plain)

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx, with the attributes of `to_node_link`."""
        import networkx as nx  # noqa: PLC0415 - it takes a while, and few ask for it

        plain = self.to_node_link()
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(**plain["graph"])
        for node in plain["nodes"]:
            graph.add_node(node["id"], **{key: value for key, value in node.items() if key != "id"})
        for edge in plain["edges"]:
            ends = ("source", "target")
            graph.add_edge(edge["source"], edge["target"], **{k: v for k, v in edge.items() if k not in ends})
        return graph


def _without_key(edge: Any) -> Any:
    return {name: value for name, value in edge.items() if name != "key"} if isinstance(edge, dict) else edge


def _plain(part: Part) -> dict[str, Any]:
    fields: dict[str, Any] = part.model_dump(mode="json", exclude_defaults=True)
    held = vars(part)
    return fields | {name: held[name] for name in _SETTABLE if name in held}


def _id(node: Node) -> str:
    return node.id


def _ends(edge: Edge) -> tuple[str, str, str]:
    return (edge.source, edge.target, edge.kind)
