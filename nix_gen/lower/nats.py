"""NATS servers: `services.nats`, and the same configuration for one that has to run as a container.

Pure. The NixOS module writes `"jetstream": {}` even for `jetstream = false`, which turns it on; off has to be
forced. Everything here stands world-readable in the store, so nothing in it is a secret: clients are known by
public keys, and the routes of a cluster, for which the server knows no public keys, by the source addresses
of the members in the firewall and, with `cluster.tls`, by certificates that the members read when they start.
"""

from __future__ import annotations

import json
from typing import Any

from nix_gen.ir import Plain, force
from nix_gen.lower.bus_rights import permissions, user_sets
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges.clusters import KIND
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, address_for, family_address, is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import SECRETS, node_comment
from nix_gen.nodes import Host, MessageBus, TextFile

QUORUM_COUNT = 3
"""Members a replicated stream usually has."""
CONFIGURATION = "/etc/nats/nats-server.conf"
"""Where the image keeps its configuration."""
CONTAINER_STORE = "/data"
_OPTION = ("services", "nats")
_UNIT = ("systemd", "services", "nats")
_CREDENTIALS = "/run/credentials/nats.service"
_DATA_DIR = "/var/lib/nats"
_ZONE = "zone:"
"""Prefix of the tag by which replicas of a stream come to stand in different failure domains."""
_OWN = frozenset({"host", "port", "listen", "http", "http_port", "server_name", "jetstream", "cluster"})
_OWN_MEMBERS = frozenset({"authorization", "accounts", "cluster"})
"""Settings that fields and edges of the graph say, or that would undo what they say."""


def lower_nats(site: Site, draft: Draft, host: Host) -> None:
    """Write the NATS server of a host."""
    for node in site.of_form(host.id, Form.NATS):
        assert isinstance(node, MessageBus)
        options: dict[str, Plain] = {
            "enable": True,
            "port": node.listen_port,
            "serverName": f"{site.project}-{node.id}",
            "jetstream": node.jetstream,
        }
        comments = [node_comment(node)]
        own = data_directory(site, node)
        if own is not None:
            options["dataDir"] = own[1]
            comments.append(f"{own[0].id}.")
        else:
            comments += [
                f"{edge.id}: the module keeps the data in {_DATA_DIR}." for edge, _ in mounts_of(site, node)
            ]
        draft.put(_OPTION, options, *comments)
        settings = _settings(site, node)
        settings["host"] = every_address(host) if is_reached_from_outside(site, node) else LOOPBACK
        if node.monitor_port is not None:
            settings["http_port"] = node.monitor_port
        jetstream = _jetstream(site, node)
        if not node.jetstream:
            settings["jetstream"] = force(plain=False)
        elif jetstream:
            settings["jetstream"] = jetstream
        if node.cluster is not None:
            settings["cluster"] = _cluster(site, host, node, _CREDENTIALS)
            _route_certificates(site, draft, node)
        draft.put((*_OPTION, "settings"), settings)
        known = user_sets(site.graph, site.graph.bus_members(node.id))
        if known:
            draft.put((*_OPTION, "settings", "authorization", "users"), known)
            comment = "Whoever has none of these keys is refused; each is held to the subjects of its edges."
            draft.say((*_OPTION, "settings", "authorization"), comment)
        start_after(site, draft, node, _UNIT)


def _route_certificates(site: Site, draft: Draft, node: MessageBus) -> None:
    assert node.cluster is not None
    if node.cluster.tls is None:
        return
    tls = node.cluster.tls
    draft.put(
        (*_OPTION, "validateConfig"), False, "The certificates of the cluster are there only at run time."
    )
    names = (tls.certificate, tls.key, tls.authority)
    draft.put((*_UNIT, "serviceConfig"), load_credentials(site, "nats.service", names))


def every_address(host: Host) -> str:
    """Every address; the firewall says who gets through."""
    return "::" if any(":" in address for address in host.addresses) else "0.0.0.0"  # noqa: S104


def _settings(site: Site, node: MessageBus) -> dict[str, Any]:
    """The settings of the graph by the server's names: `jetstream.sync_interval` lies in `jetstream`."""
    nested: dict[str, Any] = {}
    left_out = []
    for name in sorted(node.settings):
        *path, last = name.split(".")
        inner: Any = nested
        for step in path:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner
        taken = name in _OWN or name.split(".")[0] in _OWN_MEMBERS or name == "jetstream.store_dir"
        if taken or not isinstance(inner, dict) or not last or not all(path) or last in inner:
            left_out.append(name)
        else:
            inner[last] = node.settings[name]
    if left_out:
        message = (
            f"the settings {', '.join(left_out)} are said by other fields, or cannot be, so they are left out"
        )
        site.warn("not-used", node.id, message, "use the fields of the node and its edges")
    settings = {name: given for name, given in nested.items() if given != {} and name != "jetstream"}
    host = site.graph.host_of(node.id)
    zone = None if host is None else site.hosts[host].zone
    if zone is not None and node.cluster is not None:
        settings.setdefault("server_tags", [f"{_ZONE}{zone}"])
    return settings


def _jetstream(site: Site, node: MessageBus) -> dict[str, Any]:
    """What `jetstream` holds but for the directory: limits, and how replicas spread over zones."""
    held: dict[str, Any] = {
        name.removeprefix("jetstream."): given
        for name, given in node.settings.items()
        if name.startswith("jetstream.") and name.count(".") == 1 and name != "jetstream.store_dir"
    }
    sizes = [storage.size_bytes for _, storage in mounts_of(site, node) if storage.size_bytes]
    if sizes:
        held.setdefault("max_file_store", sum(sizes))
    if len(_zones(site, node)) >= QUORUM_COUNT:
        held["unique_tag"] = _ZONE
    return dict(sorted(held.items()))


def _zones(site: Site, node: MessageBus) -> set[str]:
    """The failure domains that the members of a cluster stand in, if each stands in one."""
    places = [site.graph.host_of(member.id) for member in site.graph.bus_members(node.id)]
    zones = [site.hosts[place].zone if place in site.hosts else None for place in places]
    return {zone for zone in zones if zone is not None} if None not in zones else set()


def _cluster(site: Site, host: Host, node: MessageBus, certificates: str) -> dict[str, Any]:
    assert node.cluster is not None
    scheme = "nats" if node.cluster.tls is None else "tls"
    routes = []
    for route in site.routes_from(node.id):
        peer = route.target
        if KIND not in route.kinds or not isinstance(peer, MessageBus):
            continue
        if not site.is_local(route) and not host.addresses:
            site.find(
                "host-without-address",
                host.id,
                f"{node.id} and {peer.id} form a cluster, and the host has no address",
                "give the host node an address",
            )
        address = address_for(site, route) or peer.id
        name = f"[{address}]" if ":" in address else address
        routes.append(f"{scheme}://{name}:{peer.cluster_port}")
    entries: dict[str, Any] = {
        "name": node.cluster.name,
        "listen": _with_port(every_address(host), node.cluster_port),
        # A client is to use the members its edges lead to; the firewall keeps it from the others.
        "no_advertise": True,
        "routes": routes,
    }
    if node.cluster.tls is not None:
        tls = node.cluster.tls
        files = {"cert_file": tls.certificate, "key_file": tls.key, "ca_file": tls.authority}
        entries["tls"] = {
            **{name: f"{certificates}/{secret}" for name, secret in files.items()},
            "verify": True,
        }
    return entries


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def has_own_configuration(node: MessageBus) -> bool:
    """Whether the graph brings the server's configuration file itself."""
    paths = [*(mount.target for mount in node.mounts), *(file.path for file in node.files)]
    return any(path.endswith(".conf") or path.startswith("/etc/nats") for path in paths)


def container_configuration(site: Site, node: MessageBus) -> TextFile:
    """The configuration of a NATS server in a container, as its module would write it."""
    place = site.graph.host_of(node.id)
    assert place is not None
    host = site.hosts[place]
    document: dict[str, Any] = {
        **_settings(site, node),
        "port": node.listen_port,
        "server_name": f"{site.project}-{node.id}",
    }
    if node.jetstream:
        document["jetstream"] = {**_jetstream(site, node), "store_dir": container_store(site, node)}
    if node.monitor_port is not None:
        document["http_port"] = node.monitor_port
    if node.cluster is not None:
        document["cluster"] = _cluster(site, host, node, SECRETS)
        peers = (route.source.id for route in site.routes_to(node.id) if KIND in route.kinds)
        address = family_address(site, host.id, node.id, *peers)
        if address is not None:
            document["cluster"]["advertise"] = _with_port(address, node.cluster_port)
    known = permissions(site.graph, site.graph.bus_members(node.id))
    if known:
        document["authorization"] = {"users": known}
    return TextFile(path=CONFIGURATION, text=_text(document))


def _text(document: dict[str, Any]) -> str:
    r"""The configuration, in the part of JSON that the server reads: it knows no `\u`."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def container_store(site: Site, node: MessageBus) -> str:
    """Where JetStream keeps its data in a container: where the first storage is mounted, else `/data`."""
    return next((edge.path for edge, _ in mounts_of(site, node)), CONTAINER_STORE)
