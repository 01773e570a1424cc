"""Health checks of systemd services: a timer probes, and a service that keeps failing is restarted.

Pure. podman does this for containers. The probe runs in a sandbox of its own, without privileges; another
unit, which it starts by failing, restarts the service.
"""

from __future__ import annotations

import re
import shlex

from nix_gen.ir import Multiline, Plain, ref
from nix_gen.lower.draft import Draft
from nix_gen.lower.hardening import harden
from nix_gen.lower.site import Copy, Site
from nix_gen.lower.words import milliseconds
from nix_gen.nodes import Agent, HealthCheck, Service

TIMEOUT_MIN_MS = 100
TOOLS = {"curl": "curl", "jq": "jq", "nc": "netcat", "wget": "wget"}
"""Programs of health checks that are in no service's PATH by themselves, and their packages."""
SLACK_S = 10
"""Beyond what the probes of one round may take together."""


def probe(check: HealthCheck) -> str:
    """The check as one command of a shell."""
    return shlex.join(check.command) if check.command else f"/bin/sh -c {shlex.quote(check.shell or '')}"


def probe_path(node: Service | Agent, check: HealthCheck) -> list[Plain]:
    """Packages whose programs a check may call by bare names: the node's own, and those it is seen to use."""
    own = [] if node.package is None else [node.package]
    used = set(re.findall(r"[a-z]+", probe(check)))
    return [ref(f"pkgs.{name}") for name in (*own, *(TOOLS[tool] for tool in sorted(TOOLS.keys() & used)))]


def lower_health(site: Site, draft: Draft, node: Service | Agent, copy: Copy, check: HealthCheck) -> None:
    """Write the probe of one copy of a node, its timer, and what restarts the copy."""
    if not check.interval_ms:
        return
    own = copy.name.removeprefix(site.helper("app"))
    name, restart = site.helper("health") + own, site.helper("restart") + own
    timeout_ms = max(check.timeout_ms, TIMEOUT_MIN_MS)
    round_ms = check.retries * (check.interval_ms + timeout_ms)
    unit = ("systemd", "services", name)
    harden(draft, unit)
    path = probe_path(node, check)
    draft.put(
        unit,
        {
            "description": f"Health of {node.id}",
            **({"path": path} if path else {}),
            "onFailure": [f"{restart}.service"],
            "script": Multiline(_script(check, timeout_ms)),
            "serviceConfig": {
                "Type": "oneshot",
                "DynamicUser": True,
                "TimeoutStartSec": round_ms // 1000 + SLACK_S,
            },
        },
        f"{node.id} is restarted when {_times(check.retries)}.",
    )
    draft.put(
        ("systemd", "services", restart),
        {
            "description": f"Restart of {node.id}, which is unhealthy",
            "script": Multiline(f"systemctl try-restart --no-block {copy.unit}\n"),
            "serviceConfig": {"Type": "oneshot"},
        },
    )
    draft.put(
        ("systemd", "timers", name),
        {
            "description": f"Health of {node.id}",
            "wantedBy": [copy.unit],
            "bindsTo": [copy.unit],
            "after": [copy.unit],
            "timerConfig": {
                "OnActiveSec": milliseconds(max(check.start_period_ms, check.interval_ms)),
                "OnUnitInactiveSec": milliseconds(check.interval_ms),
                "AccuracySec": "1s",
            },
        },
    )


def _times(retries_count: int) -> str:
    return "its probe fails" if retries_count == 1 else f"{retries_count} probes in a row fail"


def _script(check: HealthCheck, timeout_ms: int) -> str:
    one = f"timeout --kill-after=1s {timeout_ms / 1000:g}s {probe(check)}"
    if check.retries == 1:
        return f"{one}\n"
    return (
        f"for attempt in $(seq {check.retries}); do\n"
        f"  if {one}; then\n"
        "    exit 0\n"
        "  fi\n"
        f'  [ "$attempt" = {check.retries} ] || sleep {check.interval_ms / 1000:g}\n'
        "done\n"
        "exit 1\n"
    )
