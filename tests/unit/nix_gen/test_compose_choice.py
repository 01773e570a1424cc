"""Known programs that stay containers because a native module could not do what the container did."""

# ruff: noqa: E501 - a service is written in one line
import pytest

from nix_gen import Severity, loads, translate, validate

FILE = "its command names a file of the container"
OWN = "it mounts a configuration of its own at /etc/nginx, which says where its upstreams are"
GATE = "gate: {image: nginx, ports: ['80:80'], depends_on: [web], %s}\n  web: {image: app}"


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ("db: {image: postgres, command: [-c, config_file=/etc/pg.conf]}", FILE),
        ("db: {image: postgres, command: postgres -c hba_file=/etc/hba.conf}", FILE),
        ("db: {image: mysql, command: --init-file=/data/first.sql}", FILE),
        ("kv: {image: redis, command: redis-server /etc/redis.conf --appendonly yes}", FILE),
        ("bus: {image: nats, command: -c /etc/nats.conf}", FILE),
        (
            "bus: {image: nats, command: '--cluster_name c --cluster nats://0.0.0.0:6222'}",
            "its command makes it a member of a cluster",
        ),
        (
            "db: {image: postgres, environment: {POSTGRES_USER: someone@example.org}}",
            "POSTGRES_USER is a name that the native service does not take",
        ),
        (
            "db: {image: postgres, environment: {POSTGRES_USER: '${WHO:?name it}'}}",
            "POSTGRES_USER has no value here, and the host gives it to containers only",
        ),
        (
            "db: {image: mysql, environment: {MYSQL_DATABASE: 1st}}",
            "MYSQL_DATABASE is a name that the native service does not take",
        ),
        (GATE % "volumes: ['./n.conf:/etc/nginx/nginx.conf:ro']", OWN),
        (GATE % "volumes: ['./conf:/etc/nginx/conf.d']", OWN),
        (GATE % "volumes: ['./nginx:/etc/nginx/']", OWN),
        (GATE % "configs: [{source: c, target: /etc/nginx/nginx.conf}]" + "\nconfigs: {c: {file: ./n}}", OWN),
        (GATE % "configs: [{source: c, target: /etc/nginx/n.conf}]" + "\nconfigs: {c: {content: x}}", OWN),
        (
            "gate: {image: nginx, depends_on: [web]}\n  web: {image: app}",
            "it publishes no port, so it serves other containers only",
        ),
        (
            "gate: {image: nginx, ports: ['9000-9019:9000-9019'], depends_on: [web]}\n  web: {image: app}",
            "it listens on more than 16 ports",
        ),
        (
            "gate: {image: nginx, ports: ['80:80'], depends_on: [web], command: sh -c 'envsubst && nginx'}\n  web: {image: app}",
            "its command does more than start the server",
        ),
        (
            "gate: {image: nginx, ports: ['80:80'], depends_on: [php]}\n  php: {image: my/php-fpm}",
            "it stands before no service, so it serves files of its own",
        ),
        (
            "db: {image: mysql, volumes: ['sock:/run/mysqld']}\n  php: {image: app, volumes: ['sock:/run/mysqld']}\nvolumes: {sock: }",
            "it shares the volume 'sock' with php",
        ),
    ],
)
def test_what_a_module_cannot_do_stays_a_container(services: str, reason: str) -> None:
    loaded = loads(f"services:\n  {services}\n", file="shop.yaml")
    said = [note.message.partition("stays a container: ")[2] for note in loaded.notes]
    assert [text for text in said if text] == [reason]
    assert not [one for one in validate(loaded.graph) if one.severity is Severity.ERROR]
    assert translate(loaded.graph).files


def test_a_proxy_behind_another_does_not_take_its_port() -> None:
    loaded = loads(
        "services:\n  edge: {image: traefik, ports: ['80:80']}\n  inner: {image: nginx, depends_on: [app]}\n  app: {image: app}\n",
        file="shop.yaml",
    )
    assert not [one for one in validate(loaded.graph) if one.severity is Severity.ERROR]
