"""Kafka: `services.apache-kafka` in KRaft mode, where every server is broker and controller at once.

Pure. Without ZooKeeper the servers agree among themselves (`process.roles`), so three of them are a cluster
that outlives the loss of one. Kafka's listeners are plain: the firewall alone decides who reaches them.
"""

from __future__ import annotations

import base64
import hashlib

from nix_gen.ir import Plain
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges.clusters import KIND
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, family_address, host_address, is_reached_from_outside
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Host, MessageBus
from nix_gen.rules.buses import member_numbers

REPLICAS_MAX_COUNT = 3
"""Copies of the topics that Kafka keeps for itself, as far as there are members."""
_OPTION = ("services", "apache-kafka")
_DATA_DIR = "/var/lib/apache-kafka"
_HEAP_SHARE = 2
"""The heap gets one part in so many of the memory limit; the rest is page cache and the JVM itself."""
_MEBIBYTE = 2**20
_OWN = frozenset(
    {
        *("advertised.listeners", "controller.listener.names", "controller.quorum.voters", "listeners"),
        *("inter.broker.listener.name", "listener.security.protocol.map", "log.dir", "log.dirs", "node.id"),
        *("broker.id", "process.roles", "zookeeper.connect"),
    }
)
"""Settings that the fields and edges of the graph say."""


def lower_kafka(site: Site, draft: Draft, host: Host) -> None:
    """Write the Kafka server of a host."""
    for node in site.of_form(host.id, Form.KAFKA):
        assert isinstance(node, MessageBus)
        members = site.graph.bus_members(node.id)
        options: dict[str, Plain] = {
            "enable": True,
            "clusterId": cluster_id(site.project, members[0] if node.cluster is None else node),
            "formatLogDirs": True,
            "settings": _settings(site, host, node, members),
        }
        limit_bytes = None if node.resources is None else node.resources.memory_limit_bytes
        if limit_bytes:
            heap = f"{max(64, limit_bytes // _HEAP_SHARE // _MEBIBYTE)}m"
            options["jvmOptions"] = [f"-Xms{heap}", f"-Xmx{heap}"]
        draft.put(_OPTION, options, node_comment(node))
        for edge, _ in mounts_of(site, node):
            draft.say((*_OPTION, "settings", "log.dirs"), f"{edge.id}.")
        start_after(site, draft, node, ("systemd", "services", "apache-kafka"))


def cluster_id(project: str, bus: MessageBus) -> str:
    """The id that the data directories of a cluster carry: 16 bytes in URL-safe base64, without padding.

    The same for all members, and from one translation to the next; it never begins with `-`, which the
    formatting tool would take for an option.
    """
    name = bus.id if bus.cluster is None else bus.cluster.name
    octets = hashlib.sha256(f"{project}/{name}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(octets).decode().rstrip("=").replace("-", "A")


def _settings(site: Site, host: Host, node: MessageBus, members: tuple[MessageBus, ...]) -> dict[str, Plain]:
    left_out = sorted(_OWN & set(node.settings))
    if left_out:
        message = f"the settings {', '.join(left_out)} are said by other fields, so they are left out"
        site.warn("not-used", node.id, message, "use the fields of the node and its edges")
    copies = min(len(members), REPLICAS_MAX_COUNT)
    in_sync = max(1, copies - 1)
    numbers = member_numbers(members)
    inside = LOOPBACK if len(members) == 1 else ""
    outside = "" if is_reached_from_outside(site, node) else LOOPBACK
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.replication.factor": copies,
        **{name: _property(given) for name, given in node.settings.items() if name not in _OWN},
        "advertised.listeners": [f"PLAINTEXT://{_advertised(site, host, node)}:{node.listen_port}"],
        "controller.listener.names": ["CONTROLLER"],
        "controller.quorum.voters": _voters(site, node, members, numbers),
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ["CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"],
        "listeners": [
            f"PLAINTEXT://{outside}:{node.listen_port}",
            f"CONTROLLER://{inside}:{node.cluster_port}",
        ],
        "log.dirs": [_directory(site, node)],
        "node.id": numbers[node.id],
        "process.roles": ["broker", "controller"],
    }


def _property(given: bool | int | str) -> Plain:  # noqa: FBT001  # a setting may be a truth value
    """A value of a properties file: a backslash would escape what follows, or the end of the line."""
    return given.replace("\\", "\\\\") if isinstance(given, str) else given


def _advertised(site: Site, host: Host, node: MessageBus) -> str:
    """Where the server tells its clients to come: an address all of them have the family of, or its id.

    The id stands in the hosts file of each client, at the address that is right there.
    """
    address = family_address(site, host.id, node.id, *(route.source.id for route in site.routes_to(node.id)))
    if address is None:
        return node.id
    return f"[{address}]" if ":" in address else address


def _voters(
    site: Site, node: MessageBus, members: tuple[MessageBus, ...], numbers: dict[str, int]
) -> list[str]:
    """Every member and where its controller is: the same words on every host."""
    is_alone = not any(KIND in route.kinds for route in site.routes_from(node.id))
    voters = []
    for member in members:
        others = (other.id for other in members if other.id != member.id)
        place = site.graph.host_of(member.id)
        assert place is not None, "a node with a form stands on a host"
        address = LOOPBACK if is_alone else host_address(site, place, member.id, *others) or member.id
        name = f"[{address}]" if ":" in address else address
        voters.append(f"{numbers[member.id]}@{name}:{member.cluster_port}")
    return voters


def _directory(site: Site, node: MessageBus) -> str:
    own = data_directory(site, node)
    return _DATA_DIR if own is None else own[1]
