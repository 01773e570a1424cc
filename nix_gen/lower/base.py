"""What every host has: name, state version, how it boots, and the operator's hardware module if there is one.

Pure. How it boots is a default (`lib.mkDefault`): the hardware module wins.
"""

from __future__ import annotations

from nix_gen.ir import Call, Plain, Ref, RelativePath, default
from nix_gen.lower.draft import Draft
from nix_gen.nodes import Host, Machine

HARDWARE_FILE = "hardware.nix"
"""The operator's own module beside a host's: never written, listed or removed here."""
_LABELS = "/dev/disk/by-label"


def lower_base(draft: Draft, host: Host) -> None:
    """Write name, state version and machine of a host."""
    hardware = RelativePath(f"./{HARDWARE_FILE}")
    there = Call(Ref(("builtins", "pathExists")), (hardware,))
    draft.put(
        ("imports",),
        Call(Ref(("lib", "optional")), (there, hardware)),
        f"Your own {HARDWARE_FILE} beside this file, if there is one; it is never overwritten or removed.",
        "In a flake that git tracks, Nix sees it only after `git add`.",
    )
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
        draft.put(
            ("boot", "isContainer"),
            default(plain=True),
            "A NixOS container: no boot loader, no disks of its own. "
            f"For a machine say `boot.isContainer = false;` in {HARDWARE_FILE}.",
        )
        return
    draft.put(("boot", "loader", "systemd-boot", "enable"), default(plain=True))
    draft.put(("boot", "loader", "efi", "canTouchEfiVariables"), default(plain=True))
    draft.say(
        ("fileSystems",), "Disks labelled as the NixOS manual does; a hardware module may say otherwise."
    )
    for mount, label, kind in (("/", "nixos", "ext4"), ("/boot", "boot", "vfat")):
        entry: dict[str, Plain] = {"device": default(f"{_LABELS}/{label}"), "fsType": default(kind)}
        draft.put(("fileSystems", mount), entry)
