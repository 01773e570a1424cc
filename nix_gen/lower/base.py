"""What every host has: name, state version, disks, how it boots, its network, and the operator's own module.

Pure. Disks and boot loader are defaults (`lib.mkDefault`): the operator's hardware module wins.
"""

from __future__ import annotations

import ipaddress

from nix_gen.ir import Call, Plain, Ref, RelativePath, default
from nix_gen.lower.draft import Draft
from nix_gen.lower.reach import family_address
from nix_gen.lower.site import Site
from nix_gen.nodes import BootLoader, Disk, Host, Machine, System

HARDWARE_FILE = "hardware.nix"
"""The operator's own module beside a host's: never written, listed or removed here."""
_LABELS = "/dev/disk/by-label"
_ROOT = Disk(device=f"{_LABELS}/nixos", mount="/")
_BOOT = Disk(device=f"{_LABELS}/boot", mount="/boot", fs_type="vfat", options=("umask=0077",))
"""Only root may read it: it holds the seed of the random numbers."""
_VIRTIO = ("sr_mod", "virtio_blk", "virtio_net", "virtio_pci", "virtio_scsi")
_SERIAL = {System.X86_64_LINUX: "ttyS0,115200", System.AARCH64_LINUX: "ttyAMA0,115200"}


def lower_base(site: Site, draft: Draft, host: Host) -> None:
    """Write name, state version, machine and network of a host."""
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
    draft.put(("time", "timeZone"), default(host.time_zone))
    _network(site, draft, host)
    if host.machine is Machine.CONTAINER:
        draft.put(
            ("boot", "isContainer"),
            default(plain=True),
            "A NixOS container: no boot loader, no disks of its own. "
            f"For a machine say `boot.isContainer = false;` in {HARDWARE_FILE}.",
        )
        return
    _boot(draft, host)
    _disks(draft, host)
    if host.machine is Machine.VM:
        _guest(draft, host)
    if host.cpu is not None:
        draft.put(("hardware", "cpu", host.cpu.value, "updateMicrocode"), default(plain=True))
    if host.kernel_modules:
        draft.put(("boot", "kernelModules"), list(host.kernel_modules))


def _boot(draft: Draft, host: Host) -> None:
    loader = ("boot", "loader")
    if host.boot is not None and host.boot.loader is BootLoader.GRUB:
        draft.put((*loader, "grub", "enable"), default(plain=True))
        draft.put((*loader, "grub", "device"), default(host.boot.device))
        return
    draft.put((*loader, "systemd-boot", "enable"), default(plain=True))
    draft.put((*loader, "efi", "canTouchEfiVariables"), default(plain=True))


def _disks(draft: Draft, host: Host) -> None:
    disks = list(host.disks)
    if not any(disk.mount for disk in disks):
        draft.say(
            ("fileSystems",), "Disks labelled as the NixOS manual does; a hardware module may say otherwise."
        )
        by_grub = host.boot is not None and host.boot.loader is BootLoader.GRUB
        disks += [_ROOT] if by_grub else [_ROOT, _BOOT]
    for disk in disks:
        if disk.mount is None:
            draft.add(("swapDevices",), [{"device": disk.device}])
            continue
        entry: dict[str, Plain] = {"device": default(disk.device), "fsType": default(disk.fs_type)}
        if disk.options:
            entry["options"] = default(list(disk.options))
        draft.put(("fileSystems", disk.mount), entry)


def _guest(draft: Draft, host: Host) -> None:
    draft.put(("services", "qemuGuest", "enable"), default(plain=True), "A guest of QEMU.")
    draft.put(("boot", "initrd", "availableKernelModules"), list(_VIRTIO))
    draft.put(("boot", "kernelParams"), ["console=tty0", f"console={_SERIAL[host.system]}"])


def _network(site: Site, draft: Draft, host: Host) -> None:
    networking = ("networking",)
    for one in host.interfaces:
        version = ipaddress.ip_address(one.address).version
        draft.add(
            (*networking, "interfaces", one.name, f"ipv{version}", "addresses"),
            [{"address": one.address, "prefixLength": one.prefix_length}],
        )
        if one.gateway is not None:
            name = "defaultGateway" if version == 4 else "defaultGateway6"
            draft.put((*networking, name), {"address": one.gateway, "interface": one.name})
    if host.interfaces:
        draft.put((*networking, "useDHCP"), default(plain=False))
    if host.nameservers:
        draft.put((*networking, "nameservers"), list(host.nameservers))
    for other_id in site.neighbours.get(host.id, ()):
        address = family_address(site, other_id, other_id, host.id)
        if address is not None:
            draft.add((*networking, "hosts", address), [other_id])
