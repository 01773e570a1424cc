"""Hosts: disks, boot loader, network, people, SSH."""

from typing import Any

import pytest

from tests.support.lowering import Node, graph_of, lowered, options

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO37rmfhCI8e1aflMe1AlfK3zf9tXPHjV9dCb1FBupWt me@home"
OPS: Node = {"name": "ops", "admin": True, "keys": [KEY]}


def _host(**fields: Any) -> Any:
    return options({"kind": "host", "id": "a", "addresses": ["10.0.0.1"], **fields}, host="a")


def test_a_guest_has_virtio_an_agent_and_a_serial_console() -> None:
    found = _host(machine="vm", system="aarch64-linux")
    assert found["services"]["qemuGuest"]["enable"] is True
    assert "virtio_blk" in found["boot"]["initrd"]["availableKernelModules"]
    assert found["boot"]["kernelParams"] == ["console=tty0", "console=ttyAMA0,115200"]
    assert set(found["fileSystems"]) == {"/", "/boot"}
    assert found["fileSystems"]["/boot"]["options"] == ["umask=0077"]


def test_disks_and_boot_loader_are_as_the_graph_says() -> None:
    found = _host(
        machine="by-label",
        boot={"loader": "grub", "device": "/dev/vda"},
        disks=[
            {"device": "/dev/disk/by-uuid/1", "mount": "/", "fs_type": "xfs", "options": ["noatime"]},
            {"device": "/dev/vda2", "fs_type": "swap"},
        ],
        cpu="intel",
        kernel_modules=["kvm-intel"],
    )
    assert found["boot"]["loader"] == {"grub": {"enable": True, "device": "/dev/vda"}}
    assert found["fileSystems"] == {
        "/": {"device": "/dev/disk/by-uuid/1", "fsType": "xfs", "options": ["noatime"]}
    }
    assert found["swapDevices"] == [{"device": "/dev/vda2"}]
    assert found["hardware"]["cpu"]["intel"]["updateMicrocode"] is True
    assert found["boot"]["kernelModules"] == ["kvm-intel"]


def test_an_interface_has_an_address_of_each_family() -> None:
    both = [
        {"name": "ens3", "address": "10.0.0.1", "prefix_length": 24},
        {"name": "ens3", "address": "fd00::1", "prefix_length": 64},
    ]
    found = options({"kind": "host", "id": "a", "interfaces": both}, host="a")["networking"]["interfaces"]
    assert found["ens3"]["ipv4"]["addresses"] == [{"address": "10.0.0.1", "prefixLength": 24}]
    assert found["ens3"]["ipv6"]["addresses"] == [{"address": "fd00::1", "prefixLength": 64}]


@pytest.mark.parametrize(
    ("name", "address", "problem"),
    [
        ("ens3", "10.0.0.2", "named twice for one family"),
        ("ens4", "10.0.0.1", "an address that is given twice"),
    ],
)
def test_an_interface_has_one_address_of_a_family_and_an_address_one_interface(
    name: str, address: str, problem: str
) -> None:
    both = [
        {"name": "ens3", "address": "10.0.0.1", "prefix_length": 24},
        {"name": name, "address": address, "prefix_length": 24},
    ]
    with pytest.raises(ValueError, match=problem):
        options({"kind": "host", "id": "a", "interfaces": both}, host="a")


def test_an_interface_gets_its_address_and_dhcp_is_off() -> None:
    found = _host(
        interfaces=[
            {"name": "ens3", "address": "10.0.0.1", "prefix_length": 24, "gateway": "10.0.0.254"},
            {"name": "ens4", "address": "fd00::1", "prefix_length": 64},
        ],
        nameservers=["10.0.0.53"],
    )["networking"]
    assert found["interfaces"]["ens3"]["ipv4"]["addresses"] == [{"address": "10.0.0.1", "prefixLength": 24}]
    assert found["interfaces"]["ens4"]["ipv6"]["addresses"] == [{"address": "fd00::1", "prefixLength": 64}]
    assert found["defaultGateway"] == {"address": "10.0.0.254", "interface": "ens3"}
    assert found["nameservers"] == ["10.0.0.53"]
    assert found["useDHCP"] is False


def test_hosts_know_by_name_those_that_edges_join_them_with() -> None:
    parts = (
        {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]},
        {"kind": "host", "id": "b", "addresses": ["10.0.0.2", "10.0.0.3"]},
        {"kind": "host", "id": "c", "addresses": ["10.0.0.4"]},
        {"kind": "service", "id": "one", "package": "hello", "host": "a"},
        {"kind": "service", "id": "two", "package": "hello", "host": "b", "ports": [{"port": 80}]},
        {"source": "one", "kind": "connects_to", "target": "two"},
    )
    assert "b" in options(*parts, host="a")["networking"]["hosts"]["10.0.0.2"]
    assert "a" in options(*parts, host="b")["networking"]["hosts"]["10.0.0.1"]
    assert "hosts" not in options(*parts, host="c")["networking"]


def test_people_log_in_by_key_and_the_admin_instead_of_root() -> None:
    found = _host(users=[OPS, {"name": "guest"}], ssh={})
    assert found["users"]["users"]["ops"] == {
        "isNormalUser": True,
        "extraGroups": ["wheel"],
        "openssh": {"authorizedKeys": {"keys": [KEY]}},
    }
    assert found["users"]["users"]["guest"] == {"isNormalUser": True}
    assert found["security"]["sudo"]["wheelNeedsPassword"] is False
    assert found["services"]["openssh"]["settings"]["PermitRootLogin"] == "no"
    assert found["services"]["openssh"]["settings"]["PasswordAuthentication"] is False


def test_root_keeps_its_key_where_nobody_else_may_become_root() -> None:
    assert _host(ssh={})["services"]["openssh"]["settings"]["PermitRootLogin"] == "prohibit-password"


def test_ssh_is_open_to_whom_the_graph_says_and_to_nobody_by_itself() -> None:
    assert _host(ssh={"port": 2222})["networking"]["firewall"]["allowedTCPPorts"] == [2222]
    assert _host(ssh={})["services"]["openssh"]["openFirewall"] is False
    narrow = _host(ssh={"sources": ["192.168.0.0/16", "192.168.7.0/24", "fd00::/8"]})["networking"][
        "firewall"
    ]
    assert "allowedTCPPorts" not in narrow
    assert narrow["extraInputRules"] == (
        'ip saddr { 192.168.0.0/16 } tcp dport 22 accept comment "SSH of a"\n'
        'ip6 saddr { fd00::/8 } tcp dport 22 accept comment "SSH of a"\n'
    ), "nftables refuses a set whose networks overlap"


def test_ssh_can_be_for_the_other_hosts_alone() -> None:
    parts = (
        {"kind": "host", "id": "a", "ssh": {"hosts": True}},
        {"kind": "host", "id": "b", "addresses": ["10.0.0.2"]},
    )
    firewall = options(*parts, host="a")["networking"]["firewall"]
    assert firewall["extraInputRules"] == 'ip saddr { 10.0.0.2 } tcp dport 22 accept comment "SSH of a"\n'
    alone = options({"kind": "host", "id": "a", "ssh": {"hosts": True}}, host="a")["networking"]["firewall"]
    assert alone == {"enable": True}, "without other hosts it is for nobody, not for everybody"


def test_a_service_must_not_run_as_a_person_nor_take_the_port_of_ssh() -> None:
    host: Node = {"kind": "host", "id": "a", "users": [OPS], "ssh": {}}
    app: Node = {"kind": "service", "id": "app", "package": "hello", "user": "ops", "ports": [{"port": 22}]}
    found = {str(finding) for finding in lowered(host, app).findings}
    assert (
        "error user-clash: app: runs as ops, who is a person on a; let it run as a user of its own" in found
    )
    assert (
        "error port-clash: app: needs port 22 of a, where its SSH server listens; "
        "give one of them another port" in found
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"disks": [{"device": "/dev/sda", "mount": "/"}]}, "a container has no disks, boot loader"),
        (
            {"machine": "vm", "disks": [{"device": "/dev/sda", "mount": "/data"}]},
            "one of the disks is mounted",
        ),
        ({"machine": "vm", "disks": [{"device": "/dev/sda"}]}, "a disk has a mount point, except swap"),
        ({"machine": "vm", "boot": {"loader": "grub"}}, "grub needs the device"),
        ({"users": [OPS, {**OPS, "admin": False}]}, "a user is named twice"),
        ({"users": [{"name": "root"}]}, "root is no person"),
        ({"users": [{"name": "x", "keys": ["ssh-rsa AAAA\n"]}]}, "String should match pattern"),
        ({"users": [{"name": "x", "keys": ['command="id" ssh-rsa AAAA']}]}, "String should match pattern"),
        ({"ssh": {"sources": ["10.0.0.1/8"]}}, "is not an IPv4 or IPv6 network"),
        ({"interfaces": [{"name": "e", "address": "10.0.0.1", "prefix_length": 33}]}, "the prefix is longer"),
        (
            {"interfaces": [{"name": "e", "address": "10.0.0.1", "prefix_length": 8, "gateway": "fd00::1"}]},
            "address and gateway are of one family",
        ),
        (
            {
                "interfaces": [
                    {"name": f"e{n}", "address": f"10.0.0.{n}", "prefix_length": 8, "gateway": "10.0.0.9"}
                    for n in (1, 2)
                ]
            },
            "one interface has the gateway",
        ),
        ({"time_zone": "../etc/passwd"}, "String should match pattern"),
    ],
)
def test_a_host_that_cannot_be_is_refused_with_the_reason(fields: Node, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        graph_of({"kind": "host", "id": "a", **fields})
