"""The sandbox of every service that we write ourselves, said once in each host's module.

Pure. It fits programs of any language: a just-in-time compiler keeps working (no `MemoryDenyWriteExecute`),
a runtime finds its processors and memory in /proc (no `ProcSubset=pid`). NixOS's own modules harden
themselves.
"""

from __future__ import annotations

from nix_gen.ir import Plain, value
from nix_gen.lower.draft import Draft, Path

HARDENED: dict[str, Plain] = {
    "CapabilityBoundingSet": "",
    "LimitCORE": 0,
    "LockPersonality": True,
    "NoNewPrivileges": True,
    "PrivateDevices": True,
    "PrivateTmp": True,
    "PrivateUsers": True,
    "ProtectClock": True,
    "ProtectControlGroups": True,
    "ProtectHome": True,
    "ProtectHostname": True,
    "ProtectKernelLogs": True,
    "ProtectKernelModules": True,
    "ProtectKernelTunables": True,
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": True,
    "RestrictAddressFamilies": ["AF_INET", "AF_INET6", "AF_UNIX"],
    "RestrictNamespaces": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": ["@system-service", "~@privileged"],
    "TasksMax": 4096,
    "UMask": "0077",
}
"""Entries of `serviceConfig`. A core dump could hold secrets; a fork bomb stops at `TasksMax`."""
_TYPED = value(HARDENED)
"""Made once: thousands of services ask for it."""


def harden(draft: Draft, unit: Path) -> None:
    """Let the `serviceConfig` of a unit begin with the sandbox; what the unit says itself wins."""
    base = draft.let(
        "hardened",
        _TYPED,
        "The sandbox of the services below: no privileges, a read-only system, its own /tmp, no devices.",
    )
    draft.inherit((*unit, "serviceConfig"), base)
