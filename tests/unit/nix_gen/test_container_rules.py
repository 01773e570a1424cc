"""What the validator says about containers: exact messages, and nothing where nothing is wrong."""

import pytest

from nix_gen import validate
from tests.support.lowering import Node, graph_of

CODES = {
    "container-options-unused",
    "device-to-bring",
    "engine-socket",
    "host-namespace",
    "no-common-network",
    "powerful-capability",
    "privileged-container",
    "sensitive-mount",
    "unconfined-container",
    "unknown-container",
}


def service(node_id: str = "web", **fields: object) -> Node:
    return {"id": node_id, "kind": "service", "image": "app:1", **fields}


def said(*parts: Node) -> list[str]:
    found = validate(graph_of(*parts))
    return [f"{one.code}: {one.place}: {one.message}; {one.mend}" for one in found if one.code in CODES]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"privileged": True, "cap_add": ["SYS_ADMIN"]},
            (
                "privileged-container: web: runs privileged: whoever controls it controls the host; "
                "name the capabilities and devices it needs"
            ),
        ),
        (
            {"cap_add": ["NET_ADMIN", "CHOWN", "SYS_PTRACE"]},
            (
                "powerful-capability: web: has the capability NET_ADMIN, SYS_PTRACE, which reaches beyond "
                "the container; drop it if the program runs without"
            ),
        ),
        (
            {"pid": "host", "network": "host", "ipc": "private"},
            (
                "host-namespace: web: shares the network, pid namespace of its host; "
                "give it its own if the program runs with it"
            ),
        ),
        (
            {"security_opt": ["seccomp=unconfined", "no-new-privileges"]},
            (
                "unconfined-container: web: switches protection off: seccomp=unconfined; "
                "remove the option, or write a profile"
            ),
        ),
        (
            {"devices": [{"source": "/dev/dri"}], "cdi_devices": ["nvidia.com/gpu=all"]},
            (
                "device-to-bring: web: needs the device /dev/dri, nvidia.com/gpu=all of its host; "
                "see that the host has it, with its driver"
            ),
        ),
        (
            {"network": "node:gone"},
            (
                "unknown-container: web: shares the network of 'gone', which does not exist; "
                "name one other container of the same host"
            ),
        ),
        (
            {"pid": "node:web"},
            (
                "unknown-container: web: shares the pid of 'web', which is itself; "
                "name one other container of the same host"
            ),
        ),
        ({"cap_add": ["CHOWN"], "read_only": True, "init": True}, None),
    ],
)
def test_a_dangerous_or_dangling_option_is_told(options: dict[str, object], message: str | None) -> None:
    assert said(service(container=options)) == ([] if message is None else [message])


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (
            {"source": "/var/run/docker.sock", "target": "/var/run/docker.sock", "read_only": True},
            (
                "engine-socket: web: has the container engine's socket /var/run/docker.sock: it can start "
                "containers as root; put a proxy that filters requests before it"
            ),
        ),
        (
            {"source": "/etc", "target": "/host/etc"},
            "sensitive-mount: web: can write to /etc of its host; mount it read-only, or a folder inside it",
        ),
        ({"source": "/etc", "target": "/host/etc", "read_only": True}, None),
        ({"source": "/srv/x", "target": "/x"}, None),
    ],
)
def test_a_mount_that_gives_the_host_away_is_told(mount: dict[str, object], message: str | None) -> None:
    assert said(service(mounts=[mount])) == ([] if message is None else [message])


def test_a_namespace_is_shared_with_one_container_of_the_same_host() -> None:
    package = {"id": "web", "kind": "service", "package": "hello", "container": {"init": True}}
    assert said(package) == [
        (
            "container-options-unused: web: has container options and runs as a systemd service; "
            "remove them, or give the node an image"
        )
    ]
    several = service("many", replicas=2)
    assert "which does not run exactly once" in said(several, service(container={"ipc": "node:many"}))[0]
    native = {"id": "job", "kind": "service", "package": "hello"}
    assert "which is no container" in said(native, service(container={"network": "node:job"}))[0]


def test_two_containers_in_each_other_s_network_are_a_circle() -> None:
    found = said(service("a", container={"network": "node:b"}), service("b", container={"network": "node:a"}))
    assert found[0] == (
        "unknown-container: a: shares the network of 'b', which leads back to it; "
        "let one of them have a network of its own"
    )


def test_an_edge_between_containers_without_a_common_network_is_an_error() -> None:
    edge = {"kind": "connects_to", "source": "web", "target": "store"}
    apart = service(container={"networks": [{"name": "front"}]})
    assert said(apart, service("store"), edge) == [
        (
            "no-common-network: web -connects_to-> store: web and store are containers that share no "
            "network; put both into one network, or remove the edge"
        )
    ]
    assert said(service(container={"network": "none"}), service("store"), edge) == [
        (
            "no-common-network: web -connects_to-> store: web has no network, so the edge leads nowhere; "
            "give it a network, or remove the edge"
        )
    ]
    both = service("store", container={"networks": [{"name": "default"}, {"name": "front"}]})
    assert said(apart, both, edge) == []
    lent = service("web", container={"network": "node:store"})
    other = service("api")
    assert said(lent, other, service("store"), {**edge, "target": "api"}) == []
