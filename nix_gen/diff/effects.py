"""What a host's module does to the machine, read from the lowered module itself: units, firewall, secrets.

Pure. Reading what was lowered, and not the graph again, means that a change cannot be forgotten here: what
differs in the module differs in the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nix_gen.diff.changes import Rule
from nix_gen.ir import AttrSet, Call, Function, Int, ListOf, Multiline, Str, Template, Value

_UNIT_KINDS = {
    "services": "service",
    "timers": "timer",
    "sockets": "socket",
    "paths": "path",
    "targets": "target",
    "mounts": "mount",
}
_UNITS = {
    "openssh": "sshd",
    "apache-kafka": "apache-kafka",
    "mongodb": "mongodb",
    "nfs": "nfs-server",
    "postgresqlBackup": "postgresqlBackup",
    "timesyncd": "systemd-timesyncd",
}
"""Units of NixOS modules that are not called as the module is."""
_SECRET_PATH = re.compile(r"/run/(?:secrets|agenix|credstore(?:\.encrypted)?)/([a-z0-9][a-z0-9_.-]*)")
_RULE = re.compile(
    r'(?:iifname "(?P<interface>[^"]*)" )?'
    r"(?:ip6? saddr (?P<source>\{[^}]*\}|\S+) )?"
    r"(?P<to>(?:ip6? daddr \S+ |fib daddr type local )?)"
    r"(?P<protocol>tcp|udp) dport (?P<ports>\{[^}]*\}|\S+) "
    r'(?P<verdict>accept|dnat .*?|redirect .*?)(?: comment "(?P<comment>.*)")?'
)
_OPEN = {"allowedTCPPorts": "tcp", "allowedUDPPorts": "udp"}
EVERYONE = "everyone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What one host's module amounts to."""

    units: dict[str, object]
    """Everything that defines a unit, by the unit's name; two that are equal need no restart."""
    rules: frozenset[Rule]
    secrets: frozenset[str]
    """Names of the secrets that something on the host reads."""


NO_EFFECTS = Effects(units={}, rules=frozenset(), secrets=frozenset())
"""Of a host that is not there."""


def effects_of(module: Function) -> Effects:
    """The effects of a host's module. Complexity: linear in the module."""
    body = module.body
    assert isinstance(body, AttrSet), "a module is a set of options"
    return Effects(
        units=_units(body),
        rules=frozenset(_rules(body)),
        secrets=frozenset(name for text in _texts(body) for name in _SECRET_PATH.findall(text)),
    )


def member(value: Value | None, *names: str) -> Value | None:
    """The value at a path of names, also below calls such as `lib.mkDefault`; None where there is none."""
    for name in names:
        value = _bare(value)
        if not isinstance(value, AttrSet):
            return None
        value = next((binding.value for binding in value.bindings if binding.name == name), None)
    return _bare(value)


def _bare(value: Value | None) -> Value | None:
    return value.arguments[-1] if isinstance(value, Call) and value.function.names[0] == "lib" else value


def members(value: Value | None) -> Iterator[tuple[str, Value]]:
    """Names and values of a set; nothing for anything else."""
    if isinstance(value, AttrSet):
        yield from ((binding.name, binding.value) for binding in value.bindings)


def lines(value: Value | None) -> list[str]:
    """Lines of a text, without indentation."""
    return [line.strip() for line in value.text.splitlines()] if isinstance(value, Multiline | Str) else []


def _units(body: AttrSet) -> dict[str, object]:
    parts: dict[str, list[object]] = {}

    def define(unit: str, value: Value) -> None:
        parts.setdefault(unit, []).append(_content(value))

    for kind, suffix in _UNIT_KINDS.items():
        for name, value in members(member(body, "systemd", kind)):
            define(f"{name}.{suffix}", value)
    for name, value in members(member(body, "virtualisation", "oci-containers", "containers")):
        define(f"podman-{name}.service", value)
    for name, value in members(member(body, "services")):
        for unit, part in _of_module(name, value):
            define(f"{unit}.service", part)
    return {unit: tuple(contents) for unit, contents in parts.items()}


def _of_module(name: str, value: Value) -> Iterator[tuple[str, Value]]:
    """The units of one NixOS module, each with the options that define it."""
    if name == "redis":
        yield from ((f"redis-{server}", part) for server, part in members(member(value, "servers")))
    elif name == "prometheus":
        exporters = members(member(value, "exporters"))
        yield from ((f"prometheus-{exporter}-exporter", part) for exporter, part in exporters)
        if (alertmanager := member(value, "alertmanager")) is not None:
            yield "alertmanager", alertmanager
        own = tuple(pair for pair in members(value) if pair[0] not in {"exporters", "alertmanager"})
        if own:
            yield name, ListOf(tuple(part for _, part in own))
    else:
        yield _UNITS.get(name, name), value


def _content(value: Value) -> object:
    """A value without its comments, for comparison."""
    match value:
        case AttrSet(bindings):
            return tuple((binding.name, _content(binding.value)) for binding in bindings)
        case ListOf(items):
            return tuple(map(_content, items))
        case Call(function, arguments):
            return (function, *map(_content, arguments))
        case _:
            return value


def _texts(value: Value) -> Iterator[str]:
    match value:
        case Str(text) | Multiline(text):
            yield text
        case AttrSet(bindings):
            for binding in bindings:
                yield from _texts(binding.value)
        case ListOf(items) | Call(_, items):
            for item in items:
                yield from _texts(item)
        case Template(parts):
            yield from (part for part in parts if isinstance(part, str))
        case _:
            pass


def _rules(body: AttrSet) -> Iterator[Rule]:
    firewall = member(body, "networking", "firewall")
    for option, protocol in _OPEN.items():
        for port in _numbers(member(firewall, option)):
            yield Rule(ports=f"{port}/{protocol}", source=EVERYONE)
        for interface, value in members(member(firewall, "interfaces")):
            for port in _numbers(member(value, option)):
                yield Rule(ports=f"{port}/{protocol}", source=_interface(interface))
    for line in lines(member(firewall, "extraInputRules")):
        if line:
            yield rule_of(line)
    for _, table in members(member(body, "networking", "nftables", "tables")):
        yield from (rule_of(line) for line in lines(member(table, "content")) if _RULE.fullmatch(line))


def _numbers(value: Value | None) -> list[int]:
    items = value.items if isinstance(value, ListOf) else ()
    return [item.number for item in items if isinstance(item, Int)]


def _interface(name: str) -> str:
    return "containers" if name.startswith("br-") else f"interface {name}"


def rule_of(line: str) -> Rule:
    """A rule of nftables in fewer words; a rule of another form stands as it is."""
    match = _RULE.fullmatch(line)
    if match is None:
        return Rule(ports=line, source="")
    ports = ", ".join(sorted(match["ports"].strip("{} ").split(", "), key=lambda port: (len(port), port)))
    addresses = (match["source"] or "").strip("{} ")
    source = addresses or EVERYONE
    if match["interface"]:
        source = _interface(match["interface"])
        source += f" {addresses}" if addresses else ""
    to = match["to"].split()
    via = " ".join(
        [*(["at", to[-1]] if "daddr" in to and to[-1] != "local" else []), *_led(match["verdict"])]
    )
    return Rule(ports=f"{ports}/{match['protocol']}", source=source, via=via, edges=match["comment"] or "")


def _led(verdict: str) -> list[str]:
    """Where a rule leads what it lets in, if not to the port itself."""
    if verdict == "accept":
        return []
    copies = re.findall(r"[0-9]+ : ([^ ,}]+)", verdict)
    goal = f"{len(copies)} containers" if copies else verdict.rsplit(maxsplit=1)[-1]
    return ["leading to", *goal.split(), *copies]
