"""Message buses that run as containers: a second one of its engine on a host, or one with files of its own.

Pure. A NATS server gets the same configuration as a native one, as a file beside the container. The images
of Kafka and RabbitMQ are told by variables what makes one server usable; clusters of them stay native.
"""

from __future__ import annotations

from nix_gen.bus_clients import clients, is_guarded
from nix_gen.lower.extras import Extras
from nix_gen.lower.nats import CONFIGURATION, container_configuration, container_store, has_own_configuration
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.nodes import BUS_PORTS, BusEngine, MessageBus, Running


def configured(site: Site, node: Running) -> Running:
    """A node with the files that its container reads, those included that follow from the graph."""
    if not isinstance(node, MessageBus) or node.engine is not BusEngine.NATS or has_own_configuration(node):
        return node
    return node.model_copy(update={"files": (*node.files, container_configuration(site, node))})


def bus_extras(site: Site, node: MessageBus, extras: Extras) -> None:
    """The variables, arguments, volumes and secret files of a message bus container."""
    match node.engine:
        case BusEngine.NATS:
            _nats(site, node, extras)
        case BusEngine.KAFKA:
            _kafka(site, node, extras)
        case BusEngine.RABBITMQ:
            _rabbitmq(site, node, extras)


def _nats(site: Site, node: MessageBus, extras: Extras) -> None:
    if any(file.path == CONFIGURATION for file in node.files) and not _brings_own(site, node):
        extras.command = ["--config", CONFIGURATION]
        if node.jetstream and not mounts_of(site, node):
            # No id holds a dot, so no storage has a volume of this name.
            extras.volumes.append(f"{site.project}_{node.id}.jetstream:{container_store(site, node)}")
        if node.cluster is not None and node.cluster.tls is not None:
            tls = node.cluster.tls
            extras.secrets |= {tls.certificate, tls.key, tls.authority}
        return
    if node.settings or node.cluster is not None:
        site.warn(
            "settings-not-used",
            node.id,
            "brings its own configuration, so its settings and cluster are not used",
            "say them there, or leave the configuration to the graph",
        )
    if is_guarded(clients(site.graph, site.graph.bus_members(node.id))):
        site.warn(
            "bus-open",
            node.id,
            "brings its own configuration, so the nkeys of its clients are not asked for",
            "say them there, or leave the configuration to the graph",
        )


def _brings_own(site: Site, node: MessageBus) -> bool:
    given = site.graph.by_id[node.id]
    return isinstance(given, MessageBus) and has_own_configuration(given)


def _kafka(site: Site, node: MessageBus, extras: Extras) -> None:
    _settings_not_used(site, node)
    if node.image is not None:
        return  # images differ in the variables they read
    place = site.graph.host_of(node.id)
    addresses = site.hosts[place].addresses if place is not None else ()
    name = next((address for address in addresses if ":" not in address), node.id)
    extras.environment |= {
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{name}:{node.listen_port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@127.0.0.1:{node.cluster_port}",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{node.listen_port},CONTROLLER://127.0.0.1:{node.cluster_port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_NODE_ID": "1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    }


def _rabbitmq(site: Site, node: MessageBus, extras: Extras) -> None:
    _settings_not_used(site, node)
    if node.listen_port != BUS_PORTS[node.engine]:
        extras.environment["RABBITMQ_NODE_PORT"] = str(node.listen_port)


def _settings_not_used(site: Site, node: MessageBus) -> None:
    if node.settings or node.cluster is not None or node.users:
        site.warn(
            "settings-not-used",
            node.id,
            f"{node.engine} runs as a container without its settings, users and cluster",
            "set them as environment variables of the image, or let it be the only one of its host",
        )
