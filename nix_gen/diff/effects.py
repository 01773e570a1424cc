"""What a host's module does to the machine, read from the lowered module itself: units, firewall, secrets.

Pure. Reading what was lowered, and not the graph again, means that a change cannot be forgotten here: what
differs in the module differs in the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nix_gen.diff.changes import Rule
from nix_gen.diff.configuration import Path, differing_parts
from nix_gen.diff.module import Definition, Module
from nix_gen.ir import AttrSet, Function, Int, ListOf, Value

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
_SECRET_PATH = re.compile(r"(?:/run/secrets|/run/agenix|/etc/credstore\.encrypted)/([a-z0-9][a-z0-9_.-]*)")
_NOT_READ = frozenset({"environment", "cmd"})
"""What stands here is for the workload, and may name files that only it knows."""
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

    units: dict[str, Definition]
    """What defines each unit, by the unit's name."""
    rules: frozenset[Rule]
    secrets: frozenset[str]
    """Names of the secrets that something on the host reads."""
    module: Module
    """All of its options and files, for what is none of the above."""
    paths: Mapping[str, frozenset[Path]]
    """Where the options stand that define each unit."""

    def differing(self, other: Effects, told: Iterable[Path] = ()) -> tuple[str, ...]:
        """Paths of the options and files that differ and that no unit, rule or secret tells about.

        Args:
            other: the effects to come.
            told: paths the plan tells about already, beside those of the units that differ.
        """
        units = self.units.keys() | other.units.keys()
        changed = [unit for unit in units if self.units.get(unit) != other.units.get(unit)]
        stated = {path for side in (self, other) for unit in changed for path in side.paths.get(unit, ())}
        return differing_parts(self.module, other.module, stated | set(told))


_EMPTY = Module(Function(("config",), AttrSet(())))
NO_EFFECTS = Effects(units={}, rules=frozenset(), secrets=frozenset(), module=_EMPTY, paths={})
"""Of a host that is not there."""


def effects_of(function: Function, files: Mapping[str, str] = MappingProxyType({})) -> Effects:
    """The effects of a host's module and of the files beside it. Complexity: linear in the module."""
    module = Module(function, files)
    units, paths = _units(module)
    return Effects(
        units=units,
        rules=frozenset(_rules(module)),
        secrets=secrets_in(module, module.body),
        module=module,
        paths=paths,
    )


def secrets_in(module: Module, value: Value) -> frozenset[str]:
    """Names of the secrets whose files a part of a module reads."""
    return frozenset(name for text in module.texts(value, _NOT_READ) for name in _SECRET_PATH.findall(text))


def _units(module: Module) -> tuple[dict[str, Definition], dict[str, frozenset[Path]]]:
    parts: dict[str, list[Value]] = {}
    paths: dict[str, set[Path]] = {}
    options = module.body

    def define(unit: str, path: Path, value: Value) -> None:
        parts.setdefault(unit, []).append(value)
        paths.setdefault(unit, set()).add(path)

    for kind, suffix in _UNIT_KINDS.items():
        for name, value in module.members(module.member(options, "systemd", kind)):
            define(f"{name}.{suffix}", ("systemd", kind, name), value)
    containers = ("virtualisation", "oci-containers", "containers")
    for name, value in module.members(module.member(options, *containers)):
        define(f"podman-{name}.service", (*containers, name), value)
    for name, value in module.members(module.member(options, "services")):
        for unit, path, part in _of_module(module, name, value):
            define(f"{unit}.service", ("services", name, *path), part)
    definitions = {unit: Definition(module, tuple(values)) for unit, values in parts.items()}
    return definitions, {unit: frozenset(found) for unit, found in paths.items()}


def _of_module(module: Module, name: str, value: Value) -> Iterator[tuple[str, Path, Value]]:
    """The units of one NixOS module, each with the options that define it and where those stand."""
    if name == "redis":
        servers = module.members(module.member(value, "servers"))
        yield from ((f"redis-{server}", ("servers", server), part) for server, part in servers)
    elif name == "prometheus":
        exporters = module.members(module.member(value, "exporters"))
        for exporter, part in exporters:
            yield f"prometheus-{exporter}-exporter", ("exporters", exporter), part
        if (alertmanager := module.member(value, "alertmanager")) is not None:
            yield "alertmanager", ("alertmanager",), alertmanager
        own = tuple(pair for pair in module.members(value) if pair[0] not in {"exporters", "alertmanager"})
        for option, part in own:
            yield name, (option,), part
    else:
        yield _UNITS.get(name, name), (), value


def _rules(module: Module) -> Iterator[Rule]:
    firewall = module.member(module.body, "networking", "firewall")
    for option, protocol in _OPEN.items():
        for port in _numbers(module.member(firewall, option)):
            yield Rule(ports=f"{port}/{protocol}", source=EVERYONE)
        for interface, value in module.members(module.member(firewall, "interfaces")):
            for port in _numbers(module.member(value, option)):
                yield Rule(ports=f"{port}/{protocol}", source=_interface(interface))
    for line in module.lines("networking", "firewall", "extraInputRules"):
        if line:
            yield rule_of(line)
    tables = module.member(module.body, "networking", "nftables", "tables")
    for name, _ in module.members(tables):
        lines = module.lines("networking", "nftables", "tables", name, "content")
        yield from (rule_of(line) for line in lines if _RULE.fullmatch(line))


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
