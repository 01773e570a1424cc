"""The firewall: what the graph publishes, and one rule per edge and source for everything else.

Pure. Nothing is open that the graph does not ask for. A published port is open to everyone, because that
is what publishing means; a connection of the graph is open to the addresses of its source and named after
its edge. Packets for containers never meet the input chain, so a container that only other hosts of the
graph need is not published at all: a table of ours leads the connections of its edges' sources to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nix_gen.ir import default
from nix_gen.lower.access import source_addresses
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges import Ports
from nix_gen.lower.forms import Form
from nix_gen.lower.natives import NATIVE
from nix_gen.lower.reach import address_for, is_loopback, name_entries, published, remote_routes
from nix_gen.lower.site import Opening, Route, Site
from nix_gen.lower.users import ssh_sources
from nix_gen.lower.virtual_ips import addresses_like
from nix_gen.lower.words import nft_comment
from nix_gen.nodes import Host, LoadBalancer, PortBinding, Running
from nix_gen.rules.ports import claims
from nix_gen.scalars import Protocol
from nix_gen.virtual_ips import sharers

_FIREWALL = ("networking", "firewall")
_OPEN = {Protocol.TCP: "allowedTCPPorts", Protocol.UDP: "allowedUDPPorts"}
_SERVERS = NATIVE | {Form.SYSTEMD}


def lower_firewall(site: Site, draft: Draft, host: Host) -> None:
    """Write firewall, redirections and host names of a host."""
    draft.put(("networking", "nftables", "enable"), plain=True)
    draft.put((*_FIREWALL, "enable"), plain=True)
    rules: list[str] = []
    for node, form in site.running(host.id):
        if form in _SERVERS or site.networks.is_in_host(node.id):
            _publish(site, draft, host, node, rules)
            rules += _route_rules(site, node)
    for opening in site.openings(host.id):
        rules += _opening_rules(site, host, opening)
    rules += _ssh(site, draft, host)
    rules += _vrrp(site, host)
    if rules:
        draft.write((*_FIREWALL, "extraInputRules"), rules)
    _forward(site, draft, host)
    _guard_containers(site, draft, host)
    _names(site, draft, host)


def _publish(site: Site, draft: Draft, host: Host, node: Running, rules: list[str]) -> None:
    for binding in published(node):
        if binding.published is None:
            continue
        if is_loopback(binding.address):
            if binding.published != binding.port:
                _redirect_within(site, draft, node, binding)
        elif binding.published != binding.port:
            _redirect(site, draft, node, binding)
            rules.append(
                # The transport stands first: without it nft does not know what kind of port the other one is.
                f"{binding.protocol} dport {binding.port} ct status dnat "
                f"ct original proto-dst {binding.published} accept {nft_comment(f'{node.id} published')}"
            )
        elif binding.address is None:
            draft.add((*_FIREWALL, _OPEN[binding.protocol]), [binding.port], f"{node.id}: published.")
        else:
            rules.append(
                f"{_destination(binding.address)} {binding.protocol} dport {binding.port} accept "
                f"{nft_comment(f'{node.id} published')}"
            )
    _check_redirects(site, host, node)


def _redirect_within(site: Site, draft: Draft, node: Running, binding: PortBinding) -> None:
    """Another number on the loopback alone: packets of the host itself, which meet the output chain."""
    assert binding.address is not None, "a loopback address"
    table = ("networking", "nftables", "tables", site.helper("loopback"))
    draft.put((*table, "family"), "inet")
    content = (*table, "content")
    if not draft.has(content):
        draft.write(content, ["chain output {", "  type nat hook output priority -100;"])
        draft.finish(content, ["}"])
    rule = f"{binding.protocol} dport {binding.published} redirect to :{binding.port}"
    label = nft_comment(f"{node.id} published")
    draft.write(content, [f"  {_destination(binding.address)} {rule} {label}"])


def _redirect(site: Site, draft: Draft, node: Running, binding: PortBinding) -> None:
    where = _destination(binding.address) if binding.address else "fib daddr type local"
    rule = (
        f"{where} {binding.protocol} dport {binding.published} redirect to :{binding.port} "
        f"{nft_comment(f'{node.id} published')}"
    )
    table = ("networking", "nftables", "tables", site.helper("published"))
    draft.put((*table, "family"), "inet")
    content = (*table, "content")
    if not draft.has(content):
        draft.write(content, ["chain prerouting {", "  type nat hook prerouting priority dstnat;"])
        draft.finish(content, ["}"])
    draft.write(content, [f"  {rule}"])


def _check_redirects(site: Site, host: Host, node: Running) -> None:
    """A redirection leaves the port itself closed to outsiders but cannot serve two nodes at once."""
    for binding in published(node):
        if binding.published is None or binding.published == binding.port:
            continue
        for other in _servers(site, host):
            if other.id != node.id and binding.published in {b.port for b in other.ports}:
                site.find(
                    "port-clash",
                    node.id,
                    f"is published on {binding.published}, where {other.id} listens on the same host",
                    "publish one of them on another port",
                )


def _servers(site: Site, host: Host) -> Iterable[Running]:
    return (
        node for node, form in site.running(host.id) if form in _SERVERS or site.networks.is_in_host(node.id)
    )


def _route_rules(site: Site, node: Running) -> list[str]:
    rules = []
    for route in site.routes_to(node.id):
        addresses = source_addresses(site, route.source.id, node.id)
        by_bridge = _through(site, route.source.id) if site.is_local(route) and addresses else ""
        if not addresses and not site.is_local(route):
            _no_address(site, route.source.id, node.id)
        for sources in _by_family(addresses):
            rules += [
                f"{by_bridge}{sources} {protocol} dport {_set(ports)} accept {nft_comment(route.label)}"
                for protocol, ports in _by_protocol(route.ports)
            ]
    return rules


def _opening_rules(site: Site, host: Host, opening: Opening) -> list[str]:
    addresses = source_addresses(site, opening.source, opening.target)
    here = site.graph.host_of(opening.source) == host.id
    if not addresses and not here:
        _no_address(site, opening.source, opening.target)
    by_bridge = _through(site, opening.source) if here and addresses else ""
    return [
        f"{by_bridge}{sources} {protocol} dport {_set(ports)} accept {nft_comment(opening.label)}"
        for sources in _by_family(addresses)
        for protocol, ports in _by_protocol(opening.ports)
    ]


def _ssh(site: Site, draft: Draft, host: Host) -> list[str]:
    if host.ssh is None:
        return []
    sources = ssh_sources(site, host)
    if not sources and not host.ssh.hosts:
        draft.add((*_FIREWALL, _OPEN[Protocol.TCP]), [host.ssh.port], "SSH.")
    label = nft_comment(f"SSH of {host.id}")
    return [f"{words} tcp dport {host.ssh.port} accept {label}" for words in _by_family(sources)]


def _vrrp(site: Site, host: Host) -> list[str]:
    """Let the members of a virtual address hear each other (protocol 112, which has no ports)."""
    rules = []
    for node, _ in site.running(host.id):
        if not isinstance(node, LoadBalancer) or node.virtual_ip is None:
            continue
        for other in sharers(site.graph, node):
            place = site.graph.host_of(other.id)
            label = nft_comment(f"{other.id} -> {node.id} ({node.virtual_ip.address})")
            speaks = [] if place is None else addresses_like(site, place, node.virtual_ip.address)[:1]
            rules += [f"{sources} meta l4proto 112 accept {label}" for sources in _by_family(speaks)]
    return rules


def _through(site: Site, source_id: str) -> str:
    """The match for the interface a container of the host comes through."""
    return f'iifname "{site.bridge_of(source_id)}" '


def _by_protocol(ports: Ports) -> list[tuple[Protocol, list[str]]]:
    by_protocol = [
        (protocol, [str(port) for port, used in ports if used is protocol]) for protocol in Protocol
    ]
    return [(protocol, found) for protocol, found in by_protocol if found]


def _no_address(site: Site, source_id: str, target_id: str) -> None:
    host = site.graph.host_of(source_id)
    assert host is not None
    site.find(
        "host-without-address",
        host,
        f"{source_id} on it connects to {target_id} on another host, and the host has no address for that",
        "give the host node an IPv4 address",
    )


def _by_family(addresses: Sequence[str]) -> list[str]:
    """`ip saddr { … }` and `ip6 saddr { … }` for addresses, as far as there are any."""
    families: dict[int, list[str]] = {}
    for address in addresses:
        families.setdefault(6 if ":" in address else 4, []).append(address)
    words = {4: "ip saddr", 6: "ip6 saddr"}
    return [f"{words[version]} {_set(families[version])}" for version in sorted(families)]


def _set(items: Iterable[str]) -> str:
    return f"{{ {', '.join(items)} }}"


def _destination(address: str) -> str:
    return f"{'ip6' if ':' in address else 'ip'} daddr {address}"


def _forward(site: Site, draft: Draft, host: Host) -> None:
    """Lead other hosts' connections to the containers their edges name, spread over the replicas."""
    rules: list[str] = []
    claimed = _claims(site, host)
    for node in site.of_form(host.id, Form.CONTAINER):
        if not site.networks.is_bridged(node.id):
            continue
        for route in remote_routes(site, node):
            rules += _forward_rules(site, route)
            for port in route.ports:
                _check_claim(site, host, node, port, claimed)
    if rules:
        table = ("networking", "nftables", "tables", site.helper("edges"))
        comment = "Connections of other hosts to containers: from the sources of edges, and from nobody else."
        draft.put((*table, "family"), "inet", comment)
        chain = ["chain prerouting {", "  type nat hook prerouting priority dstnat - 10;"]
        draft.write((*table, "content"), [*chain, *(f"  {rule}" for rule in rules), "}"])
        draft.put(("boot", "kernel", "sysctl", "net.ipv4.ip_forward"), default(1))


def _guard_containers(site: Site, draft: Draft, host: Host) -> None:
    """Forward nothing to containers but what a redirection leads there.

    Whoever stands in the same network as the host could name it as the way to a container's address, and
    such packets never meet the input chain.
    """
    networks = site.networks.on(host.id)
    if not networks:
        return
    draft.put(
        (*_FIREWALL, "filterForward"),
        True,
        "To containers only by redirection: published ports, and what an edge leads there.",
    )
    rules = []
    for network in networks:
        within = f' oifname "{network.bridge}"' if network.internal else ""
        rules.append(f'iifname "{network.bridge}"{within} accept {nft_comment(network.name)}')
    draft.write((*_FIREWALL, "extraForwardRules"), rules)


def _forward_rules(site: Site, route: Route) -> list[str]:
    address = address_for(site, route)
    sources = source_addresses(site, route.source.id, route.target.id)
    if not sources:
        _no_address(site, route.source.id, route.target.id)
    copies = site.addresses(route.target.id)
    by_ip4 = [words for words in _by_family(sources) if words.startswith("ip ")]
    if address is None or not copies or not by_ip4:
        if address is not None and copies and sources:
            _no_address(site, route.source.id, route.target.id)
        return []
    goal = f"dnat ip to {copies[0]}"
    if len(copies) > 1:
        members = ", ".join(f"{index} : {copy}" for index, copy in enumerate(copies))
        goal = f"dnat ip to numgen inc mod {len(copies)} map {{ {members} }}"
    return [
        f"{by_ip4[0]} ip daddr {address} {protocol} dport {port} {goal} {nft_comment(route.label)}"
        for port, protocol in route.ports
    ]


def _claims(site: Site, host: Host) -> dict[tuple[int, Protocol], str]:
    """Ports of the host's own address that are taken: by node, as the validator counts them."""
    own = host.addresses[:1]
    claimed: dict[tuple[int, Protocol], str] = {}
    for node, form in site.running(host.id):
        taken = claims(node, contained=form is Form.CONTAINER)
        for port, protocol, address in sorted(taken, key=str):
            if address is None or address in own:
                claimed.setdefault((port, protocol), node.id)
    return claimed


def _check_claim(
    site: Site,
    host: Host,
    node: Running,
    port: tuple[int, Protocol],
    claimed: dict[tuple[int, Protocol], str],
) -> None:
    """A container's port that other hosts need is reached under its own number, which must be free."""
    holder = claimed.setdefault(port, node.id)
    if holder != node.id:
        site.find(
            "port-clash",
            node.id,
            f"other hosts reach it on port {port[0]}/{port[1]} of {host.id}, which {holder} takes",
            "give one of them another port, or place them on different hosts",
        )


def _names(site: Site, draft: Draft, host: Host) -> None:
    """Names by which native services of this host find what they connect to."""
    entries: dict[str, set[str]] = {}
    for node, form in site.running(host.id):
        if form in _SERVERS:
            for name, address in name_entries(site, node):
                entries.setdefault(address, set()).add(name)
    for address in sorted(entries):
        draft.add(("networking", "hosts", address), sorted(entries[address]))
