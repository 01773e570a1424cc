"""Networks of a compose file: which a service is in, and which services are thereby kept apart.

Pure. Where all containers share their networks, as with one network that is named everywhere, nothing is
kept apart and the graph needs no word for it. Otherwise every network of the file becomes one of podman's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nix_gen.compose.source import Importing, identified
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.graph_file import near
from nix_gen.places import Mapping as Entries
from nix_gen.places import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nix_gen.compose.services import ServiceSource

DEFAULT = "default"
_OWN_DRIVERS = frozenset({"bridge", "default", ""})
_SILENT = frozenset({"name", "driver", "external", "internal", "labels"})
_ADDRESSES = frozenset({"ipv4_address", "ipv6_address", "link_local_ips"})


@dataclass(slots=True, kw_only=True)
class NetworkFacts:
    """One top-level network."""

    internal: bool = False
    mode: str = "bridge"
    """`host` or `none` where the network stands for one of docker's own."""


@dataclass(slots=True, kw_only=True)
class NetworkPlace:
    """Where one service stands."""

    mode: str = "bridge"
    """As `ContainerOptions.network`."""
    names: frozenset[str] = frozenset({DEFAULT})
    aliases: dict[str, set[str]] = field(default_factory=dict)
    """Names it has in one network, by network."""


def read_networks(root: Entries, importing: Importing) -> dict[str, NetworkFacts]:
    """The top-level section `networks`; what podman's networks cannot do becomes notes."""
    found = {DEFAULT: NetworkFacts()}
    section = importing.entries(root.entries.get("networks"), "networks")
    for name, value in section.entries.items():
        where = f"networks.{name}"
        entries = importing.entries(value, where).entries
        line = section.key_lines.get(name, value.line)
        facts = NetworkFacts(internal=importing.boolean(entries.get("internal"), f"{where}.internal"))
        found[name] = facts
        driver = importing.text(entries.get("driver"), f"{where}.driver") or ""
        stated = importing.text(entries.get("name"), f"{where}.name") or name
        external = _is_external(entries.get("external"), where, importing)
        if driver in {"host", "none"} or (external and stated in {"host", "none"}):
            facts.mode = driver if driver in {"host", "none"} else stated
        elif external:
            importing.note(
                "network-outside",
                importing.project,
                f"the network {quoted(name)} is another project's, whose containers it does not lead to",
                "bring both projects into one graph, or reach the other by a published port",
                line=line,
                severity=Severity.WARNING,
            )
        elif driver not in _OWN_DRIVERS:
            what = f"the driver {quoted(driver)} of the network {quoted(name)}"
            importing.dropped(importing.project, what, "give the host such a network", line=line, warn=True)
        for key in sorted(entries.keys() - _SILENT):
            if key.startswith("x-"):
                continue
            what = f"'{quoted(key)[1:-1]}' of the network {quoted(name)}"
            mend = "nothing to do: subnets and addresses are chosen"
            importing.dropped(importing.project, what, mend, line=line)
    return found


def _is_external(value: Value | None, where: str, importing: Importing) -> bool:
    if isinstance(value, Entries):
        return True
    return importing.boolean(value, f"{where}.external")


def read_place(
    source: ServiceSource,
    given: Mapping[str, Value],
    facts: Mapping[str, NetworkFacts],
    ids: Mapping[str, str],
    importing: Importing,
) -> NetworkPlace:
    """Where a service stands, by `network_mode` and `networks`."""
    mode = importing.text(given.get("network_mode"), f"{source.where}, network_mode") or ""
    value = given.get("networks")
    stated = value.entries if isinstance(value, Entries) else importing.items(value, source.where)
    if mode and stated:
        what, mend = "has both 'network_mode' and 'networks'", "keep one of them"
        importing.problem(source.where, what, mend, line=given["network_mode"].line)
    if mode not in {"", "bridge", "default"}:
        return _place_by_mode(source, mode, given["network_mode"].line, ids, importing)
    place = NetworkPlace()
    names: list[str] = []
    if isinstance(value, Entries):
        for name, entry in value.entries.items():
            names.append(name)
            _attached(source, place, name, entry, importing)
    elif value is not None:
        names = [name for name in importing.texts(value, f"{source.where}, networks") if name]
    for name in names:
        if name not in facts and not importing.incomplete:
            what = f"names the network {quoted(name)}, which does not exist"
            mend = f"{near(name, facts)}add it to the top-level 'networks:'"
            assert value is not None
            importing.problem(f"{source.where}, networks", what, mend, line=value.line)
    special = {facts[name].mode for name in names if name in facts} - {"bridge"}
    if special:
        return NetworkPlace(mode=min(special), names=frozenset())
    place.names = frozenset(names) or frozenset({DEFAULT})
    return place


def _place_by_mode(
    source: ServiceSource, mode: str, line: int, ids: Mapping[str, str], importing: Importing
) -> NetworkPlace:
    if mode in {"host", "none"}:
        return NetworkPlace(mode=mode, names=frozenset())
    found = re.fullmatch(r"(service|container):(.+)", mode)
    if found is not None and ids.get(found[2], source.id) != source.id:
        return NetworkPlace(mode=f"node:{ids[found[2]]}", names=frozenset())
    if found is not None and found[1] == "service" and not importing.incomplete:
        own = ids.get(found[2]) == source.id
        what = f"names the service {quoted(found[2])}, which {'is itself' if own else 'does not run here'}"
        mend = f"{'' if own else near(found[2], ids)}name another service, or another network mode"
        importing.problem(f"{source.where}, network_mode", what, mend, line=line)
    else:
        what = f"'network_mode' of {source.where} ({quoted(mode)[1:-1]})"
        mend = "it is in the network of all others; write 'networks:' for another"
        importing.dropped(source.id, what, mend, line=line, warn=True)
    return NetworkPlace()


def _attached(
    source: ServiceSource, place: NetworkPlace, name: str, value: Value, importing: Importing
) -> None:
    where = f"{source.where}, networks.{name}"
    given = importing.entries(value, where).entries
    aliases = {alias for alias in importing.texts(given.get("aliases"), f"{where}.aliases") if alias}
    place.aliases[name] = {alias for alias in aliases if not re.search(r"[\s/]", alias)}
    for alias in sorted(aliases - place.aliases[name]):
        importing.dropped(source.id, f"the name {quoted(alias)}", "use letters and digits", line=value.line)
    for key in sorted(given.keys() - {"aliases"}):
        what = f"'{quoted(key)[1:-1]}' on the network {quoted(name)}"
        importing.dropped(source.id, what, "use names", line=value.line, warn=key in _ADDRESSES)


def kept_apart(sources: Collection[ServiceSource], facts: Mapping[str, NetworkFacts]) -> bool:
    """Whether some container must not reach another one, or the outside."""
    bridged = [source for source in sources if source.place.mode == "bridge"]
    if any(facts[name].internal for one in bridged for name in one.place.names if name in facts):
        return True
    kinds = {one.place.names for one in bridged}
    return any(not one & other for one in kinds for other in kinds)


def network_uses(
    sources: Collection[ServiceSource], facts: Mapping[str, NetworkFacts]
) -> dict[str, list[dict[str, object]]]:
    """The `networks` of each bridged container, by node id; the names as ids."""
    names = {name for source in sources for name in source.place.names}
    ids = identified(names - {DEFAULT}, taken=(DEFAULT,)) | {DEFAULT: DEFAULT}
    return {
        source.id: [
            {
                "name": ids[name],
                "aliases": sorted(source.place.aliases.get(name, ())),
                "internal": name in facts and facts[name].internal,
            }
            for name in sorted(source.place.names)
        ]
        for source in sources
        if source.place.mode == "bridge"
    }


def reachable(source: ServiceSource, target: ServiceSource, by_id: Mapping[str, ServiceSource]) -> bool:
    """Whether a service can open connections to another one: the host reaches all, others what they share."""
    one, other = (_led(place, by_id) for place in (source, target))
    if "none" in {one.mode, other.mode}:
        return False
    return "host" in {one.mode, other.mode} or bool(one.names & other.names)


def _led(source: ServiceSource, by_id: Mapping[str, ServiceSource]) -> NetworkPlace:
    for _ in range(len(by_id)):
        if not source.place.mode.startswith("node:"):
            break
        source = by_id[source.place.mode.removeprefix("node:")]
    return source.place
