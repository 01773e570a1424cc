"""What every explanation stands on: the graph placed, judged and lowered once, and where its parts ended up.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from nix_gen.diff.effects import NO_EFFECTS, Effects, effects_of, secrets_in
from nix_gen.diff.module import Module
from nix_gen.findings import Finding
from nix_gen.graph import Graph, SecretProvider
from nix_gen.inspection import Checked, inspect
from nix_gen.ir import AttrSet, ListOf, Str, Value
from nix_gen.lower.plan import start_levels
from nix_gen.lower.secrets import CREDENTIAL_STORE
from nix_gen.lower.site import Site
from nix_gen.placement import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of a host's module, and the option path where it stands."""

    option: str
    secrets: frozenset[str]
    """Names of the secrets that it reads."""


class Ground:
    """A graph ready to be explained."""

    def __init__(self, graph: Graph) -> None:
        self.given = graph
        self.checked: Checked = inspect(graph)
        self.site: Site = self.checked.lowered.site
        self.graph: Graph = self.checked.placed.graph
        """With every node on its host; also of a graph with errors."""
        self.modules: Mapping[str, Module] = {
            module.host.id: Module(module.body) for module in self.checked.lowered.modules
        }

    @cached_property
    def effects(self) -> Mapping[str, Effects]:
        """Units, firewall and secrets by host."""
        return {module.host.id: effects_of(module.body) for module in self.checked.lowered.modules}

    @cached_property
    def levels(self) -> Mapping[str, int]:
        """How many steps of `depends_on` lie below each node."""
        return start_levels(self.graph)

    @cached_property
    def decisions(self) -> Mapping[str, Decision]:
        """Where each node stands and why."""
        return {decision.node: decision for decision in self.checked.placed.decisions}

    def effects_on(self, host_id: str) -> Effects:
        """The effects of a host's module; none for a host that could not be lowered."""
        return self.effects.get(host_id, NO_EFFECTS)

    def findings_about(self, *places: str) -> tuple[Finding, ...]:
        """Findings about any of some nodes and edges."""
        return tuple(one for one in self.checked.findings if one.place in places)

    def secret_place(self, name: str) -> str:
        """A secret and the file in which its host finds it."""
        if self.graph.graph.secrets is SecretProvider.CREDENTIALS:
            return f"{name}, at {CREDENTIAL_STORE}/{name}"
        return f"{name}, at {self.site.secret_file(name)}"

    def blocks(self, host_id: str, *starts: str) -> Iterator[Block]:
        """The parts of a host's module whose comment begins so, outermost first, by option path."""
        module = self.modules.get(host_id)
        if module is not None:
            yield from _blocks(module, module.body, (), starts)

    def waits_for(self, host_id: str, units: tuple[str, ...]) -> list[str]:
        """Units after which the given ones start, themselves not counted."""
        module = self.modules.get(host_id)
        if module is None:
            return []
        services = module.member(module.body, "systemd", "services")
        found = {
            item.text
            for unit in units
            for option in ("after", "requires", "wants")
            for item in _items(module.member(services, unit.removesuffix(".service"), option))
        }
        return sorted(found - set(units))


def _items(value: Value | None) -> list[Str]:
    return [item for item in value.items if isinstance(item, Str)] if isinstance(value, ListOf) else []


def _blocks(module: Module, value: Value, path: tuple[str, ...], starts: tuple[str, ...]) -> Iterator[Block]:
    for binding in module.bindings(value):
        here = (*path, binding.name)
        if any(comment.startswith(starts) for comment in binding.comments):
            secrets = secrets_in(module, binding.value)
            yield Block(option=".".join(here), secrets=secrets)
        elif isinstance(binding.value, AttrSet):
            yield from _blocks(module, binding.value, here, starts)
