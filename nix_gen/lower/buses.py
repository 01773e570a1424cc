"""Message buses of a host, each by its native NixOS module.

Pure.
"""

from __future__ import annotations

from nix_gen.bus_clients import BusClient, buses, clients, is_guarded, is_sweeping
from nix_gen.lower.bus_rights import rights_of
from nix_gen.lower.draft import Draft
from nix_gen.lower.kafka import lower_kafka
from nix_gen.lower.nats import lower_nats
from nix_gen.lower.rabbitmq import lower_rabbitmq
from nix_gen.lower.site import Site
from nix_gen.nodes import BusEngine, Host, MessageBus


def lower_buses(site: Site, draft: Draft, host: Host) -> None:
    """Write the message buses of a host."""
    lower_nats(site, draft, host)
    lower_kafka(site, draft, host)
    lower_rabbitmq(site, draft, host)


def lower_bus_notes(site: Site) -> None:
    """Say which buses let in whoever reaches them, and which clients may use every subject."""
    for engine in BusEngine:
        for members in buses(site.graph, engine):
            known = clients(site.graph, members)
            if not known:
                continue
            match engine:
                case BusEngine.NATS if is_guarded(known):
                    _sweeping(site, members[0], known)
                case BusEngine.NATS | BusEngine.KAFKA:
                    _open(site, members[0])
                case BusEngine.RABBITMQ if not any(member.users for member in members):
                    _nobody(site, members[0])


def _open(site: Site, bus: MessageBus) -> None:
    nats = bus.engine is BusEngine.NATS
    site.warn(
        "bus-open",
        bus.id,
        "whoever reaches its port may use every subject and topic; the firewall alone decides who does",
        "give all its clients an nkey" if nats else "keep to it programs that trust each other",
    )


def _sweeping(site: Site, bus: MessageBus, known: tuple[BusClient, ...]) -> None:
    for client in known:
        rights = rights_of(client)
        if client.nkey is not None and (is_sweeping(rights.publish) or is_sweeping(rights.subscribe)):
            site.warn(
                "subjects-open",
                client.node.id,
                f"may use every subject of {bus.id}, those of other clients and their answers among them",
                "name the subjects on its publishes_to and subscribes_to edges",
            )


def _nobody(site: Site, bus: MessageBus) -> None:
    site.warn(
        "bus-without-users",
        bus.id,
        "RabbitMQ lets its guest in from its own host only, and the node has no users",
        "name users with their passwords",
    )
