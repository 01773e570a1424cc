"""Graph to one module per host: every concern writes its part into one draft.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member

from nix_gen.findings import Finding, finding_order
from nix_gen.graph import Graph
from nix_gen.ir import RESERVED_NAMES, Function
from nix_gen.lower.backups import lower_backups
from nix_gen.lower.base import lower_base
from nix_gen.lower.buckets import lower_buckets
from nix_gen.lower.buses import lower_buses
from nix_gen.lower.containers import lower_containers
from nix_gen.lower.data_directories import lower_directories
from nix_gen.lower.draft import Draft
from nix_gen.lower.exports import lower_exports
from nix_gen.lower.firewall import lower_firewall
from nix_gen.lower.haproxy import lower_haproxy
from nix_gen.lower.management import lower_management
from nix_gen.lower.mongodb import lower_mongodb
from nix_gen.lower.monitoring.host import lower_monitoring
from nix_gen.lower.mysql import lower_mysql
from nix_gen.lower.natives import lower_natives
from nix_gen.lower.nginx import lower_nginx
from nix_gen.lower.notes import lower_notes
from nix_gen.lower.postgresql import lower_postgresql
from nix_gen.lower.redis import lower_redis
from nix_gen.lower.secrets import lower_secrets
from nix_gen.lower.site import Site
from nix_gen.lower.storage import lower_storage
from nix_gen.lower.users import lower_users
from nix_gen.lower.virtual_ips import lower_virtual_ips
from nix_gen.lower.workloads import lower_workloads
from nix_gen.nodes import Host

FORMALS = ("config", "lib", "pkgs")
"""Arguments of every host module, used or not, so that a change inside never changes the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostModule:
    """One host's NixOS module."""

    host: Host
    body: Function
    files: Mapping[str, str] = member(default_factory=dict)
    """Files beside the module that it refers to, by path relative to its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A graph as NixOS modules. With an error among `findings` the modules must not be used."""

    site: Site
    modules: tuple[HostModule, ...]
    findings: tuple[Finding, ...]


def lower(graph: Graph) -> Lowered:
    """Translate a graph into host modules.

    Returns:
        The modules by host id, and what cannot be done as the graph says (errors) or is done in part
        (warnings).
    """
    site = Site(graph)
    if _reserved(site):
        return Lowered(site=site, modules=(), findings=tuple(sorted(site.findings, key=finding_order)))
    modules = tuple(_module(site, host) for host in graph.hosts)
    lower_notes(site)
    return Lowered(site=site, modules=modules, findings=tuple(sorted(site.findings, key=finding_order)))


def _reserved(site: Site) -> bool:
    """Refuse names of the graph that become attribute names and that Nix would execute."""
    before = len(site.findings)
    for node in site.graph.nodes:
        fields = vars(node)  # a model looks long for a field it has not
        given = {*node.labels, fields.get("user"), fields.get("group")}
        given.update(fields.get("environment", ()), fields.get("settings", ()))
        for name in sorted(RESERVED_NAMES & given):
            site.find(
                "reserved-name",
                node.id,
                f"the name {name!r} of a variable, label, setting or user means something to Nix itself",
                "choose another name",
            )
    return len(site.findings) > before


def _module(site: Site, host: Host) -> HostModule:
    draft = Draft()
    for concern in (
        lower_base,
        lower_users,
        lower_containers,
        lower_workloads,
        lower_management,
        lower_postgresql,
        lower_mysql,
        lower_mongodb,
        lower_redis,
        lower_buses,
        lower_nginx,
        lower_haproxy,
        lower_virtual_ips,
        lower_monitoring,
        lower_natives,
        lower_storage,
        lower_directories,
        lower_exports,
        lower_buckets,
        lower_backups,
        lower_firewall,
        lower_secrets,
    ):
        concern(site, draft, host)
    return HostModule(host=host, body=Function(FORMALS, draft.freeze()), files=draft.files)
