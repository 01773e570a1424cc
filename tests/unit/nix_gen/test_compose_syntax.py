"""The small languages of compose values."""

import pytest

from nix_gen.compose.images import Program, known_program, version, why_container
from nix_gen.compose.source import host_name, identified
from nix_gen.compose.syntax import cpu_milli, duration_ms, host_path, published_ports, size_bytes, volume_use
from nix_gen.compose.variables import TemplateError, interpolate, read_variables

ENVIRONMENT = {"A": "1", "EMPTY": "", "B": "two"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "1"),
        ("${A}", "1"),
        ("x$A-y", "x1-y"),
        ("$$A $$", "$A $"),
        ("${NO:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NO-d}", "d"),
        ("${A:-d}", "1"),
        ("${A:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${EMPTY+alt}", "alt"),
        ("${NO+alt}", ""),
        ("${A:?err}", "1"),
        ("${EMPTY?err}", ""),
        ("${NO:-${B}}", "two"),
        ("${NO:-${NO2:-x}y}", "xy"),
        ("${NO}", ""),
        ("cost: 5$", "cost: 5$"),
        ("$(x) $1", "$(x) $1"),
    ],
)
def test_variables_are_interpolated_as_the_specification_says(text: str, result: str) -> None:
    assert interpolate(text, ENVIRONMENT).text == result


def test_interpolation_says_what_is_missing() -> None:
    result = interpolate("$NO ${MUST:?say $A} ${EMPTY:?e}", ENVIRONMENT)
    assert result.unset == ["NO"]
    assert result.required == [("MUST", "say 1"), ("EMPTY", "e")]


@pytest.mark.parametrize("text", ["${", "${A", "${1}", "${A!x}", "${}", "${A:-${B}"])
def test_a_broken_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        interpolate(text, ENVIRONMENT)


def test_nested_defaults_have_a_limit() -> None:
    with pytest.raises(TemplateError, match="nested deeper"):
        interpolate("${X:-" * 20 + "}" * 20, {})


def test_env_files_have_comments_quotes_and_references() -> None:
    text = (
        '# c\nexport A=1\nB=\'x $A\'\nC="y $A\\n" # c\nD=z $A # c\nE=a#b\nF\nG=\n\nH="two\nlines"\nbad line\n'
    )
    assert read_variables(text, {"F": "given"}) == {
        "A": "1",
        "B": "x $A",
        "C": "y 1\n",
        "D": "z 1",
        "E": "a#b",
        "F": "given",
        "G": "",
        "H": "two\nlines",
    }


def test_an_env_file_cannot_grow_without_end() -> None:
    lines = ["A0=xxxxxxxxxx"] + [f"A{i}=$A{i - 1}$A{i - 1}" for i in range(1, 60)]
    assert max(map(len, read_variables("\n".join(lines)).values())) <= 32_768


PORTS = [
    ("8080", [(8080, None, None, "tcp")]),
    ("3000:3000", [(3000, 3000, None, "tcp")]),
    ("80:8080/udp", [(8080, 80, None, "udp")]),
    ("127.0.0.1:80:8080", [(8080, 80, "127.0.0.1", "tcp")]),
    ("127.0.0.1::8080", [(8080, None, None, "tcp")]),
    ("0.0.0.0:80:8080", [(8080, 80, None, "tcp")]),
    ("[::1]:80:8080", [(8080, 80, "::1", "tcp")]),
    ("[::]:80:8080", [(8080, 80, None, "tcp")]),
    (
        "3000-3002:4000-4002",
        [(4000, 3000, None, "tcp"), (4001, 3001, None, "tcp"), (4002, 3002, None, "tcp")],
    ),
    ("3000-3001", [(3000, None, None, "tcp"), (3001, None, None, "tcp")]),
    ("3000-3005:80", [(80, 3000, None, "tcp")]),
]


@pytest.mark.parametrize(("text", "expected"), PORTS)
def test_every_form_of_port_is_read(
    text: str, expected: list[tuple[int, int | None, str | None, str]]
) -> None:
    bindings, _ = published_ports(text)
    assert [(one.port, one.published, one.address, one.protocol) for one in bindings] == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "80:", "0:80", "80:70000", "3000-3001:80-82", "80/sctp", "5-3", "host:80:80", "[::1]80", "-1"],
)
def test_a_broken_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        published_ports(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1m30s", 90_000), ("500ms", 500), ("1.5s", 1500), ("1h", 3_600_000), ("10", 10_000), ("0s", 0)],
)
def test_durations_become_milliseconds(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "size"), [("512m", 2**29), ("1.5g", 3 * 2**29), ("64KB", 2**16), ("7", 7), ("1gib", 2**30)]
)
def test_sizes_become_bytes(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_cpus_are_thousandths() -> None:
    assert [cpu_milli(text) for text in ("0.5", "2", ".25", "0.0001")] == [500, 2000, 250, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data:/d", ("volume", "data", "/d", False)),
        ("./x:/d:ro", ("bind", "./x", "/d", True)),
        ("/x:/d/:rw,z", ("bind", "/x", "/d", False)),
        ("~/x:/d", ("bind", "~/x", "/d", False)),
        ("/d", ("anonymous", "", "/d", False)),
        (r"C:\x:/d", ("bind", r"C:\x", "/d", False)),
    ],
)
def test_every_form_of_volume_is_read(text: str, expected: tuple[str, str, str, bool]) -> None:
    use = volume_use(text)
    assert (use.type, use.source, use.target, use.read_only) == expected


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/etc/x/", "/etc/x"),
        (".", "/srv/p"),
        ("./a/../b", "/srv/p/b"),
        ("../../etc", "/srv/p/parent/parent/etc"),
        ("~/.ssh", "/srv/p/home/.ssh"),
        (r"C:\a\b", "/srv/p/a/b"),
    ],
)
def test_a_relative_bind_never_leaves_the_project(source: str, path: str) -> None:
    assert host_path(source, "p") == path


@pytest.mark.parametrize(
    ("image", "program"),
    [
        ("postgres", Program.POSTGRESQL),
        ("postgres:16-alpine", Program.POSTGRESQL),
        ("docker.io/library/postgres:16-alpine@sha256:0123", Program.POSTGRESQL),
        ("public.ecr.aws/docker/library/mysql:8", Program.MYSQL),
        ("bitnami/postgresql:16", Program.POSTGRESQL),
        ("valkey/valkey:8", Program.REDIS),
        ("nats:2.10-alpine", Program.NATS),
        ("nginx@sha256:0123", Program.NGINX),
        ("postgres-exporter", None),
        ("nginx-custom", None),
        ("bitnami/nginx", None),
        ("someone/postgres", None),
        ("registry.example/postgres:16", None),
        ("localhost:5000/redis", None),
        ("redislabs/redismod", None),
        ("mongo", Program.MONGODB),
        ("quay.io/prometheus/prometheus:v3", Program.PROMETHEUS),
        ("grafana/grafana-enterprise", None),
    ],
)
def test_only_known_images_are_known_programs(image: str, program: Program | None) -> None:
    assert known_program(image) is program


def test_lookalikes_say_why_they_stay_containers() -> None:
    assert "Redis modules" in (why_container("redis/redis-stack:7") or "")
    assert "not the official image" in (why_container("registry.example/postgres:16") or "")
    assert why_container("myapp") is None


def test_versions_come_from_tags() -> None:
    tags = {"postgres:16.1-alpine": "16.1", "postgres": None, "postgres:alpine": None, "nats:v2.10": "2.10"}
    assert {image: version(image) for image in tags} == tags


def test_ids_are_valid_distinct_and_independent_of_order() -> None:
    names = ["web", "Web", "web.", "db_1", "\u00e9", "x" * 80, "_a"]
    ids = identified(names)
    assert ids == identified(reversed(names))
    assert len(set(ids.values())) == len(names)
    assert (ids["web"], ids["db_1"], ids["_a"]) == ("web", "db_1", "a")
    assert all(len(one) <= 63 for one in ids.values())


def test_host_names_end_in_a_letter_or_digit() -> None:
    assert [host_name(text) for text in ("My Shop!", "_x_", "...")] == ["my-shop", "x", ""]
