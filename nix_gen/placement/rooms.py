"""What is still free on each host while nodes are being placed. Pure apart from the rooms themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from nix_gen.nodes import Host
from nix_gen.placement.bundles import Bundle, Need
from nix_gen.rules.ports import is_everywhere

NOMINAL_CPU_MILLI = 4_000
"""What a host without a stated capacity counts as when nodes are ranked; it can never be too full."""
NOMINAL_MEMORY_BYTES = 8 * 2**30


class Room:
    """One host while it fills."""

    __slots__ = ("_claims", "_modules", "cpu_milli", "host", "inner_ports", "limited", "memory_bytes",
                 "taken_cpu_milli", "taken_memory_bytes", "zone")  # fmt: skip

    def __init__(self, host: Host) -> None:
        self.host = host
        self.zone = host.zone or f"host {host.id}"
        capacity = host.capacity
        self.limited = capacity is not None
        self.cpu_milli = NOMINAL_CPU_MILLI if capacity is None else capacity.cpu_milli
        self.memory_bytes = NOMINAL_MEMORY_BYTES if capacity is None else capacity.memory_bytes
        self.taken_cpu_milli = 0
        self.taken_memory_bytes = 0
        self.inner_ports: Counter[tuple[int, str]] = Counter()
        self._claims: dict[tuple[int, str], Counter[str | None]] = {}
        self._modules: Counter[str] = Counter()

    def put(self, need: Need, sign: int = 1) -> None:
        """Take what is needed; with `sign=-1` give it back."""
        self.taken_cpu_milli += sign * need.cpu_milli
        self.taken_memory_bytes += sign * need.memory_bytes
        for module in need.modules:
            self._modules[module] += sign
        for inner in need.inner_ports:
            self.inner_ports[inner] += sign
        for port, protocol, address in need.claims:
            held = self._claims.setdefault((port, protocol), Counter())
            held[None if is_everywhere(address) else address] += sign

    def share(self, need: Need) -> float:
        """The dominant share of the host that would be taken with this as well: 1.0 is full."""
        return max(
            (self.taken_cpu_milli + need.cpu_milli) / self.cpu_milli,
            (self.taken_memory_bytes + need.memory_bytes) / self.memory_bytes,
        )

    def refuses(self, need: Need) -> str | None:
        """Why there is no room, in words; None if there is."""
        if self.limited:
            free_cpu = self.cpu_milli - self.taken_cpu_milli
            if need.cpu_milli > free_cpu:
                return f"needs {need.cpu_milli:,} thousandths of a CPU, {max(free_cpu, 0):,} are free"
            free_memory = self.memory_bytes - self.taken_memory_bytes
            if need.memory_bytes > free_memory:
                needed, free = mebibytes(need.memory_bytes), mebibytes(max(free_memory, 0))
                return f"needs {needed} of memory, {free} are free"
        for module in sorted(need.modules):
            if self._modules[module] > 0:
                return f"has a {module} already"
        for port, protocol, address in sorted(need.claims, key=str):
            held = self._claims.get((port, protocol))
            if held is not None and _clashes(held, address):
                return f"port {port}/{protocol} is taken"
        return None

    def percent(self) -> int:
        """How full the host is, for people."""
        return round(100 * self.share(Need()))


def _clashes(held: Counter[str | None], address: str | None) -> bool:
    if is_everywhere(address):
        return any(count > 0 for count in held.values())
    return held[None] > 0 or held[address] > 0


def mebibytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{-(-size_bytes // 2**20):,} MiB"


class Rooms:
    """All hosts, and who stands where so far."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.by_host = {host.id: Room(host) for host in hosts}
        self.where: dict[str, str] = {}
        self._group_hosts: Counter[tuple[str, str]] = Counter()
        self._group_zones: Counter[tuple[str, str]] = Counter()

    def put(self, ids: Iterable[str], groups: Iterable[str], need: Need, host_id: str) -> None:
        """Place nodes on a host."""
        room = self.by_host[host_id]
        room.put(need)
        for node_id in ids:
            self.where[node_id] = host_id
        for group in groups:
            self._group_hosts[group, host_id] += 1
            self._group_zones[group, room.zone] += 1

    def take(self, bundle: Bundle) -> None:
        """Undo the placing of a bundle."""
        host_id = self.where[bundle.ids[0]]
        room = self.by_host[host_id]
        room.put(bundle.need, -1)
        for node_id in bundle.ids:
            del self.where[node_id]
        for group in bundle.groups:
            self._group_hosts[group, host_id] -= 1
            self._group_zones[group, room.zone] -= 1

    def refuses(self, bundle: Bundle, room: Room) -> str | None:
        """Why a bundle cannot stand on a host, in words; None if it can."""
        host_id = room.host.id
        if bundle.contradiction is not None:
            return bundle.contradiction
        if bundle.beside is not None and bundle.beside != host_id:
            return f"has to stand beside what is on {bundle.beside}"
        if bundle.allowed is not None and host_id not in bundle.allowed:
            return "is not among the hosts its placement names"
        if bundle.systems and bundle.systems != {room.host.system.value}:
            return f"needs {' and '.join(sorted(bundle.systems))}, and it is {room.host.system.value}"
        for other in sorted(bundle.apart):
            if self.where.get(other) == host_id:
                return f"must stand apart from {other}"
        return room.refuses(bundle.need)

    def ranked(self, bundle: Bundle) -> Iterator[Room]:
        """The hosts, best first.

        Apart from its groups by zone, then by host; no port of a container twice; near what it talks to; best
        fit, with a host over its nominal size last; by id.
        """
        near: dict[str, int] = {}
        for other in bundle.near:
            place = self.where.get(other, other)
            if place in self.by_host:
                near[place] = near.get(place, 0) + 1
        need, groups = bundle.need, bundle.groups
        costs = {}
        if groups or need.inner_ports:
            costs = {host_id: self._costs(room, groups, need) for host_id, room in self.by_host.items()}
        elif near:  # nothing comes before nearness then, and the others are seldom asked
            yield from self._ranked(need, {host_id: self.by_host[host_id] for host_id in near}, near, costs)
            yield from self._ranked(
                need,
                {host_id: room for host_id, room in self.by_host.items() if host_id not in near},
                {},
                costs,
            )
            return
        yield from self._ranked(need, self.by_host, near, costs)

    def _ranked(
        self,
        need: Need,
        rooms: Mapping[str, Room],
        near: Mapping[str, int],
        costs: Mapping[str, tuple[int, int, int]],
    ) -> list[Room]:
        ranks = []
        cpu_milli, memory_bytes, nothing = need.cpu_milli, need.memory_bytes, (0, 0, 0)
        for host_id, room in rooms.items():  # hosts times nodes turns: as little as possible
            cpu_share = (room.taken_cpu_milli + cpu_milli) / room.cpu_milli
            share = (room.taken_memory_bytes + memory_bytes) / room.memory_bytes
            share = max(share, cpu_share)
            fit = (True, share) if share > 1 else (False, -share)
            ranks.append((costs.get(host_id, nothing), -near.get(host_id, 0), fit, host_id))
        ranks.sort()
        return [rooms[rank[3]] for rank in ranks]

    def _costs(self, room: Room, groups: tuple[str, ...], need: Need) -> tuple[int, int, int]:
        """How many of its groups share the zone and the host, and how many ports of containers meet there."""
        return (
            sum(self._group_zones[group, room.zone] for group in groups),
            sum(self._group_hosts[group, room.host.id] for group in groups),
            sum(room.inner_ports[inner] > 0 for inner in need.inner_ports),
        )

    def crowded(self, group: str) -> list[str]:
        """Hosts that hold several members of a group."""
        return sorted(
            host_id for (name, host_id), count in self._group_hosts.items() if name == group and count > 1
        )
