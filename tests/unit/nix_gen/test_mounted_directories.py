"""Whose the directories are that containers mount, and those that services work in."""

from typing import Any

import pytest

from tests.support.lowering import Node, codes, options

DATA: Node = {"kind": "storage", "id": "data", "path": "/srv/d"}
GROUP = "d /srv/d 2770 root conclave-data -"
FLAGS = {"--group-add=2049", "--umask=0007"}


def _app(name: str, user: str | None, **more: Any) -> list[Node]:
    mount = {"kind": "mounts_volume", "source": name, "target": "data", "path": "/data"}
    return [{"kind": "service", "id": name, "image": "example/app", "user": user, **more}, mount]


def _rules(*parts: Node) -> list[str]:
    return [rule for rule in options(*parts)["systemd"]["tmpfiles"]["rules"] if " /srv/d " in rule]


def _flags(name: str, *parts: Node) -> set[str]:
    container = options(*parts)["virtualisation"]["oci-containers"]["containers"][f"shop-{name}"]
    return FLAGS & set(container.get("extraOptions", ()))


@pytest.mark.parametrize(
    ("user", "rights"),
    [
        (None, "0755 root root"),
        ("root", "0755 root root"),
        ("1000:1001", "0750 1000 1001"),
        ("1000", "0750 1000 0"),
    ],
)
def test_the_directory_of_one_user_belongs_to_it(user: str | None, rights: str) -> None:
    parts = [DATA, *_app("app", user)]
    assert _rules(*parts) == [f"d /srv/d {rights} -"]
    assert _flags("app", *parts) == set()


def test_containers_of_one_user_share_its_directory() -> None:
    assert _rules(DATA, *_app("app", "1000:1"), *_app("api", "1000:2")) == ["d /srv/d 0750 1000 0 -"]


@pytest.mark.parametrize("others", [_app("api", "1001"), _app("api", None, image=None, package="hello")])
def test_containers_of_several_users_write_as_members_of_the_group_of_their_directory(
    others: list[Node],
) -> None:
    parts = [DATA, *_app("app", "1000:1000"), *others]
    assert _rules(*parts) == [GROUP]
    assert _flags("app", *parts) == FLAGS
    assert options(*parts)["users"]["groups"]["conclave-data"] == {"gid": 2049}


def test_a_user_without_a_number_writes_as_a_member_of_the_group_and_is_told() -> None:
    parts = [DATA, *_app("app", "node")]
    assert _rules(*parts) == [GROUP]
    assert _flags("app", *parts) == FLAGS
    assert "owner-by-name" in codes(*parts)


@pytest.mark.parametrize("more", [{}, {"read_only": True}])
def test_a_container_reads_and_writes_what_comes_from_elsewhere_as_a_member_of_the_group(more: Node) -> None:
    share = {"kind": "storage", "id": "data", "storage": "nfs", "server": "nas", "path": "/export"}
    app, mount = _app("app", "1000:1000")
    assert _flags("app", share, app, {**mount, **more}) == FLAGS


def test_a_file_database_is_written_by_members_of_its_group() -> None:
    database = {"kind": "database", "id": "files", "engine": "sqlite"}
    app = {"kind": "service", "id": "app", "image": "example/app", "user": "1000"}
    edge = {"kind": "connects_to", "source": "app", "target": "files"}
    assert _flags("app", app, database, edge) == FLAGS


def test_a_service_works_in_a_directory_of_its_own_and_has_a_home() -> None:
    run = {"kind": "service", "id": "run", "package": "hello", "user": "shop", "working_dir": "/srv/shop"}
    found = options(run)["systemd"]
    assert found["tmpfiles"]["rules"] == ["d /srv/shop 0750 shop shop -"]
    unit = found["services"]["shop-app-run"]
    assert unit["serviceConfig"]["ReadWritePaths"] == ["/srv/shop"]
    assert unit["environment"]["HOME"] == "/var/lib/shop-app-run"


@pytest.mark.parametrize("place", ["/etc/app", "/tmp", "/var/lib/shop-app-run/work", "/srv/d/work"])
def test_a_directory_that_others_make_is_not_made_for_work(place: str) -> None:
    run, mount = _app("run", "shop", image=None, package="hello", working_dir=place)
    data = {**DATA, "path": "/srv/d"}
    rules = options(data, run, {**mount, "path": "/srv/d"})["systemd"]["tmpfiles"]["rules"]
    assert rules == [GROUP]


def test_a_file_database_needs_no_name_among_the_hosts_of_a_container() -> None:
    database = {"kind": "database", "id": "files", "engine": "sqlite"}
    app = {"kind": "service", "id": "app", "image": "example/app"}
    edge = {"kind": "connects_to", "source": "app", "target": "files"}
    container = options(app, database, edge)["virtualisation"]["oci-containers"]["containers"]["shop-app"]
    assert not any("--add-host" in option for option in container["extraOptions"])


@pytest.mark.parametrize(
    ("hosts", "root"),
    [
        ([], "%(protocol)s://%(domain)s/grafana/"),
        ([{"name": "shop.example.org"}], "http://shop.example.org/grafana/"),
    ],
)
def test_a_grafana_below_a_path_of_a_balancer_knows_it(hosts: list[Node], root: str) -> None:
    grafana = {"kind": "monitoring", "id": "board", "engine": "grafana"}
    balancer = {"kind": "load_balancer", "id": "lb", "virtual_hosts": hosts}
    edge = {"kind": "load_balances", "source": "lb", "target": "board", "path": "/grafana/"}
    server = options(grafana, balancer, edge)["services"]["grafana"]["settings"]["server"]
    assert (server["root_url"], server["serve_from_sub_path"]) == (root, True)
    alone = options(grafana, balancer, {**edge, "path": "/"})["services"]["grafana"]["settings"]["server"]
    assert "root_url" not in alone
