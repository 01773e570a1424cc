"""What every host has: name, state version, and how it boots.

Pure. File systems and boot loader are defaults (`lib.mkDefault`): a hardware module of the operator's
wins.
"""

from __future__ import annotations

from nix_gen.ir import Plain, default
from nix_gen.lower.draft import Draft
from nix_gen.nodes import Host, Machine

_LABELS = "/dev/disk/by-label"


def lower_base(draft: Draft, host: Host) -> None:
    """Write name, state version and machine of a host."""
    comments = [f"Host {host.id}." + (f" {host.description}" if host.description else "")]
    draft.put(("networking", "hostName"), host.id)
    draft.say(("networking",), *comments)
    draft.put(
        ("system", "stateVersion"),
        host.state_version,
        "The release this host was first installed with; data formats depend on it. Never raise it by hand.",
    )
    draft.put(("time", "timeZone"), default("UTC"))
    if host.machine is Machine.CONTAINER:
        draft.put(("boot", "isContainer"), True, "A NixOS container: no boot loader, no disks of its own.")
        return
    draft.put(("boot", "loader", "systemd-boot", "enable"), default(plain=True))
    draft.put(("boot", "loader", "efi", "canTouchEfiVariables"), default(plain=True))
    draft.say(
        ("fileSystems",), "Disks labelled as the NixOS manual does; a hardware module may say otherwise."
    )
    for mount, label, kind in (("/", "nixos", "ext4"), ("/boot", "boot", "vfat")):
        entry: dict[str, Plain] = {"device": default(f"{_LABELS}/{label}"), "fsType": default(kind)}
        draft.put(("fileSystems", mount), entry)
