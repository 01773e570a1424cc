"""What every node with a native NixOS module shares: limits, and a word about what the module cannot use.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import BALANCERS, Form
from nix_gen.lower.site import Site
from nix_gen.lower.words import systemd_value, systemd_variables
from nix_gen.nodes import Host, Resources, Running

NATIVE = frozenset(
    {
        *(Form.POSTGRESQL, Form.MYSQL, Form.REDIS, Form.MONGODB, *BALANCERS),
        *(Form.NATS, Form.KAFKA, Form.RABBITMQ),
        *(Form.PROMETHEUS, Form.ALERTMANAGER, Form.GRAFANA, Form.LOKI, Form.EXPORTER),
    }
)
_READS_ENVIRONMENT = frozenset({Form.GRAFANA})
"""Natives that take variables of their own: their module gets them, and the secrets in them."""


def limits(resources: Resources | None) -> dict[str, Plain]:
    """Resource limits as systemd writes them."""
    if resources is None:
        return {}
    entries: dict[str, Plain] = {}
    if resources.cpu_limit_milli is not None:
        entries["CPUQuota"] = f"{max(1, resources.cpu_limit_milli // 10)}%"
    if resources.memory_limit_bytes:
        entries["MemoryMax"] = resources.memory_limit_bytes
    if resources.memory_reservation_bytes:
        entries["MemoryLow"] = resources.memory_reservation_bytes
    if resources.pids_limit_count is not None:
        entries["TasksMax"] = resources.pids_limit_count
    return entries


def variables(site: Site, node: Running, given: Mapping[str, str]) -> dict[str, Plain]:
    """Variables of a unit; systemd passes over one whose name a shell would not take."""
    wanted = [*given, *(secret.env for secret in node.secrets if secret.env)]
    for name in sorted(set(wanted) - set(systemd_variables(wanted))):
        mend = "use letters, digits and _"
        site.warn("not-used", node.id, f"systemd sets no variable of the name {name!r}", mend)
    return {name: systemd_value(given[name]) for name in systemd_variables(given)}


def lower_natives(site: Site, draft: Draft, host: Host) -> None:
    """Write the limits of native nodes, and warn of what their modules do not use."""
    for node, form in site.running(host.id):
        if form not in NATIVE:
            continue
        # Balancers of a host may share one unit; their own module adds their limits up.
        for copy in () if form in BALANCERS else site.copies(node.id):
            service = ("systemd", "services", copy.unit.removesuffix(".service"), "serviceConfig")
            entries = limits(node.resources)
            if entries:
                draft.put(service, entries)
        if form in _READS_ENVIRONMENT:
            continue
        if node.environment:
            _unused(site, node, f"the variables {', '.join(sorted(node.environment))}", "use `settings`")
        if node.secrets:
            names = ", ".join(sorted({secret.name for secret in node.secrets}))
            _unused(site, node, f"the secrets {names}", "name them as passwords of users")


def _unused(site: Site, node: Running, what: str, mend: str) -> None:
    form = site.forms[node.id]
    site.warn("not-used", node.id, f"{what} mean nothing to {form}, so they are left out", mend)
