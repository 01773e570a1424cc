"""Nodes and edges of a compose project, once it is known which services are native.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nix_gen.compose.connections import mentions
from nix_gen.compose.images import FACTS, Program, serves_http
from nix_gen.compose.mounts import TopLevel, memory_use, storage_fields
from nix_gen.compose.natives import data_volumes, native_node
from nix_gen.compose.networks import kept_apart, network_uses, reachable
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing, identified
from nix_gen.compose.syntax import VolumeUse
from nix_gen.compose.workloads import bind_source, own_files, own_mounts, service_node
from nix_gen.edges import Condition, ConnectsTo, DependsOn, LoadBalances, MountsVolume
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.nodes import Storage

USUAL_HTTP_PORT = 80
_LOOPBACK = ("127.0.0.1", "localhost")


class Assembly:
    """Builds the nodes and edges of one project."""

    def __init__(
        self,
        sources: list[ServiceSource],
        natives: Mapping[str, Program],
        top: TopLevel,
        importing: Importing,
    ) -> None:
        self._sources = sources
        self._natives = natives
        self._top = top
        self._importing = importing
        self._ids = {source.name: source.id for source in sources}
        self._by_id = {source.id: source for source in sources}
        binds = {
            name for name in (_bind_volume(use, natives, s) for s in sources for use, _ in s.volumes) if name
        }
        self._storages = identified({*top.volumes, *binds}, taken=self._by_id)
        self._nodes: list[Any] = []
        self._edges: list[Any] = []
        self._used: set[str] = set()
        contained = [source for source in sources if source.id not in natives]
        apart = kept_apart(contained, top.networks)
        self._networks = network_uses(contained, top.networks) if apart else {}
        for source in sources:
            if source.id not in self._networks:
                source.aliases |= set().union(*source.place.aliases.values()) - {source.id}

    def build(self) -> tuple[list[Any], list[Any]]:
        """All nodes and edges, in the order of the file."""
        hosts = self._names()
        for source in self._sources:
            self._node(source)
        for name in self._top.volumes:
            if name not in self._used:
                self._importing.dropped(
                    self._importing.project,
                    f"the volume {quoted(name)}, which no service mounts,",
                    "remove it",
                    line=self._top.volumes[name].line,
                )
        for source in self._sources:
            self._dependencies(source)
            self._connections(source, hosts)
        for node_id, program in self._natives.items():
            if program is not Program.NGINX:
                self._assumed(self._by_id[node_id])
        return self._nodes, self._edges

    def _names(self) -> dict[str, str]:
        """Node ids by every name a service is reached by; a service's own name wins over another's alias."""
        hosts: dict[str, str] = {}
        for source in self._sources:
            for alias in sorted(source.aliases.union(*source.place.aliases.values())):
                hosts.setdefault(alias, source.id)
        return {**hosts, **self._ids}

    def _node(self, source: ServiceSource) -> None:
        program = self._natives.get(source.id)
        if program is None:
            own_files(source, self._importing)
            source.volumes = [(self._in_memory(use), line) for use, line in source.volumes]
            mounts = own_mounts(source, self._importing)
            self._add(service_node(source, mounts, self._networks, self._importing))
            volumes = [(use, line) for use, line in source.volumes if use.type == "volume"]
        else:
            volumes = data_volumes(source, program, self._importing)
            self._add(native_node(source, program, self._importing))
        for use, line in volumes:
            self._volume(source, use, line)

    def _in_memory(self, use: VolumeUse) -> VolumeUse:
        """A named volume that is memory by its driver options, as the mount it is."""
        if use.type != "volume" or use.source not in self._top.volumes:
            return use
        found = memory_use(use, self._top.volumes[use.source], self._importing)
        if found is not None:
            self._used.add(use.source)
        return found or use

    def _add(self, node: Any) -> None:
        if node is not None:
            self._nodes.append(node)

    def _volume(self, source: ServiceSource, use: VolumeUse, line: int) -> None:
        """A named volume, or the bind mount of a native node's data, as a storage node and an edge."""
        importing = self._importing
        if use.type == "bind":
            name = _bind_name(source, use)
            fields: dict[str, object] = {"path": bind_source(source, use, line, importing)}
        elif use.source in self._top.volumes:
            name = use.source
            fields = (
                storage_fields(name, self._top.volumes[name], importing) if name not in self._used else {}
            )
        else:
            what = f"names the volume {quoted(use.source)}, which does not exist"
            importing.problem(
                f"{source.where}, volumes", what, "add it to the top-level 'volumes:'", line=line
            )
            return
        if name not in self._used:
            self._used.add(name)
            where = f"volume {quoted(name)}"
            self._add(importing.built(Storage, where, line=line, id=self._storages[name], **fields))
        edge = importing.built(
            MountsVolume,
            f"{source.where}, volumes",
            line=line,
            source=source.id,
            target=self._storages[name],
            path=use.target,
            read_only=use.read_only,
            subpath=use.subpath,
        )
        self._edges.append(edge)

    def _dependencies(self, source: ServiceSource) -> None:
        stated = {dependency.name: dependency for dependency in source.depends_on}
        for link in source.links:
            stated.setdefault(link.name, link)
        for name, dependency in stated.items():
            target = self._ids[name]
            condition = dependency.condition
            if condition is Condition.COMPLETED and target in self._natives:
                condition = Condition.STARTED
                what = f"waiting for {quoted(name)} to end"
                self._importing.dropped(
                    source.id, what, "a native service does not end", line=dependency.line
                )
            self._edges.append(
                DependsOn(source=source.id, target=target, condition=condition, required=dependency.required)
            )
        if self._natives.get(source.id) is Program.NGINX:
            for name, dependency in stated.items():
                self._balance(source, self._by_id[self._ids[name]], dependency.line)

    def _balance(self, source: ServiceSource, target: ServiceSource, line: int) -> None:
        if not serves_http(target.image, built=target.build is not None):
            return
        inner = sorted(binding.port for binding in target.ports if binding.protocol == "tcp")
        known = [port for port in inner if port not in {443, 8443}] or inner
        port = known[0] if known else USUAL_HTTP_PORT
        if not known:
            self._importing.note(
                "port-decided",
                source.id,
                f"{target.where} says no port; {source.id} passes requests on to its port {port}",
                f"write 'expose:' with its port into {target.where}",
                line=line,
                severity=Severity.WARNING,
            )
        self._edges.append(LoadBalances(source=source.id, target=target.id, port=port))

    def _connections(self, source: ServiceSource, hosts: Mapping[str, str]) -> None:
        if source.id in self._natives:
            return
        found: dict[str, set[int | None]] = {}
        for target, port in mentions(source, hosts):
            if target != source.id and self._reaches(source, target):
                found.setdefault(target, set()).add(port if port is not None else self._usual_port(target))
        for target, inner in self._through_the_host(source):
            found.setdefault(target, set()).add(inner)
        for dependency in (*source.links, *source.depends_on):
            target = self._ids[dependency.name]
            uses = dependency in source.links or target in self._natives
            if target != source.id and uses and self._reaches(source, target):
                found.setdefault(target, {self._usual_port(target)})
        for target, ports in sorted(found.items()):
            for port in sorted(ports - {None} or {None}, key=lambda one: one or 0):
                self._edges.append(ConnectsTo(source=source.id, target=target, port=port))

    def _through_the_host(self, source: ServiceSource) -> Iterator[tuple[str, int]]:
        """Services that one in its host's network reaches at `127.0.0.1`, with the port of each."""
        if source.place.mode != "host":
            return
        published = {
            binding.port if other.place.mode == "host" else binding.published: (other.id, binding.port)
            for other in self._sources
            for binding in other.ports
            if binding.protocol == "tcp"
        }
        for _, port in mentions(source, dict.fromkeys(_LOOPBACK, source.id)):
            target = None if port is None else published.get(port)
            if target is not None and target[0] != source.id:
                yield target

    def _assumed(self, server: ServiceSource) -> None:
        """Connections to a server that nobody names: whoever shares a network with it is taken to use it."""
        if any(isinstance(edge, ConnectsTo) and edge.target == server.id for edge in self._edges):
            return
        port = self._usual_port(server.id)
        users = [
            source.id
            for source in self._sources
            if source.id not in self._natives and self._reaches(source, server.id)
        ]
        self._edges += [ConnectsTo(source=user, target=server.id, port=port) for user in users]
        if users:
            named = ", ".join(users[:5]) + (", ..." if len(users) > 5 else "")
            self._importing.note(
                "connection-assumed",
                server.id,
                f"nothing says who uses {server.where}; {named} on its networks are taken to",
                "name it in the environment of the services that use it",
                line=server.line,
                severity=Severity.WARNING,
            )

    def _reaches(self, source: ServiceSource, target: str) -> bool:
        return reachable(source, self._by_id[target], self._by_id)

    def _usual_port(self, target: str) -> int | None:
        program = self._natives.get(target)
        if program is not None and program is not Program.NGINX:
            return FACTS[program].port
        inner = {binding.port for binding in self._by_id[target].ports if binding.protocol == "tcp"}
        return inner.pop() if len(inner) == 1 else None


def _bind_name(source: ServiceSource, use: VolumeUse) -> str:
    """Name of the storage node for a bind mount that holds a native node's data."""
    return f"{source.id}-{use.target.strip('/').rpartition('/')[2] or 'data'}"


def _bind_volume(use: VolumeUse, natives: Mapping[str, Program], source: ServiceSource) -> str | None:
    return _bind_name(source, use) if use.type == "bind" and source.id in natives else None
