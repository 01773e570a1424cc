"""How each database engine is copied: shell lines that write into `$new`, and the words that restore a copy.

Pure. A copy is consistent in itself: engines that know snapshots are asked for one. Passwords are read from
the unit's credentials, and reach a program by a variable or a file, never as an argument on the host.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nix_gen.ir import Plain, Ref
from nix_gen.lower.forms import Form
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.site import Site
from nix_gen.lower.words import STATE
from nix_gen.nodes import Database, DatabaseEngine

_SQLITE = """\
for file in {folder}/*; do
  [ -f "$file" ] && [ "$(head --bytes=15 "$file" | tr -d '\\0')" = "SQLite format 3" ] || continue
  name=$(basename "$file")
  case $name in
    *[!A-Za-z0-9._-]*)
      echo "not copied, for its name: $name" >&2
      continue
      ;;
  esac
  sqlite3 "$file" ".timeout 60000" ".backup $new/$name"
done
"""


_PROGRAMS = {
    DatabaseEngine.MYSQL: ("mysql", "mysqldump"),
    DatabaseEngine.MARIADB: ("mariadb", "mariadb-dump"),
}
"""Client and dump program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """How one database is copied."""

    script: str
    """Lines that write files into `$new`."""
    restore: tuple[str, ...]
    """How a person restores the copy, for a comment."""
    path: tuple[Plain, ...]
    """Packages whose programs the lines call."""
    units: tuple[str, ...]
    """What must run meanwhile."""
    secrets: tuple[str, ...] = ()
    """Read from the unit's credentials."""
    opens: tuple[str, ...] = ()
    """Folders it needs beside its own."""
    capabilities: tuple[str, ...] = ()
    """What of root's rights it needs."""
    podman: bool = False
    """Whether it runs a program inside a container."""


def dump_of(site: Site, node: Database) -> Dump | None:
    """How a database is copied; None where we know no way."""
    found = _BY_FORM.get(site.forms[node.id])
    return None if found is None else found(site, node)


def _postgresql(site: Site, node: Database) -> Dump:  # noqa: ARG001  # as its sisters
    prefix = "setpriv --reuid=postgres --regid=postgres --init-groups"
    port = f"--port={node.listen_port}"
    lines = [f'{prefix} pg_dumpall {port} --globals-only > "$new/globals.sql"']
    lines += [
        f'{prefix} pg_dump {port} --format=custom --dbname={name} > "$new/{name}.dump"'
        for name in node.databases
    ]
    restore = (
        f"sudo -u postgres pg_restore {port} --clean --if-exists --create --dbname=postgres < DATABASE.dump"
    )
    if not node.databases:
        lines = [f'{prefix} pg_dumpall {port} > "$new/all.sql"']
        restore = f"sudo -u postgres psql {port} --dbname=postgres < all.sql"
    return Dump(
        script=_lines(lines),
        restore=(restore,),
        path=(Ref(("config", "services", "postgresql", "package")), Ref(("pkgs", "util-linux"))),
        units=("postgresql.target",),
        capabilities=("CAP_SETGID", "CAP_SETUID"),
    )


def _mysql(site: Site, node: Database) -> Dump:  # noqa: ARG001  # as its sisters
    which = f"--databases {' '.join(node.databases)}" if node.databases else "--all-databases"
    client, program = _PROGRAMS[node.engine]
    line = f'{program} --user=root --single-transaction --routines --events {which} > "$new/databases.sql"'
    return Dump(
        script=_lines([line]),
        restore=(f"{client} --user=root < databases.sql",),
        path=(Ref(("config", "services", "mysql", "package")),),
        units=("mysql.service",),
    )


def _redis(site: Site, node: Database) -> Dump:
    (copy,) = site.copies(node.id)
    lines = []
    if node.password is not None:
        lines = [f'REDISCLI_AUTH=$(cat "$CREDENTIALS_DIRECTORY/{node.password}")', "export REDISCLI_AUTH"]
    lines.append(f'redis-cli -h {LOOPBACK} -p {node.listen_port} --rdb "$new/dump.rdb"')
    return Dump(
        script=_lines(lines),
        restore=(
            f"stop {copy.unit}, put dump.rdb into {STATE}/redis-{copy.name} as its user, and start it.",
            "With appendonly the server would read its log instead: turn that off first.",
        ),
        path=(Ref(("config", "services", "redis", "package")),),
        units=(copy.unit,),
        secrets=() if node.password is None else (node.password,),
    )


def _mongodb(site: Site, node: Database) -> Dump:  # noqa: ARG001  # as its sisters
    admin = next((user for user in node.users if user.superuser and user.password is not None), None)
    command = f'mongodump --port={node.listen_port} --gzip --archive="$new/all.archive.gz"'
    lines = [command]
    if admin is not None:
        # A string of JSON is one of YAML, in which the tools of MongoDB take a password from a file.
        lines = [
            """word() { printf '"%s"' "$(sed -e 's/[\\\\"]/\\\\&/g' "$CREDENTIALS_DIRECTORY/$1")"; }""",
            f'echo "password: $(word {admin.password})" > "$RUNTIME_DIRECTORY/login"',
            f'{command} --config="$RUNTIME_DIRECTORY/login" \\',
            f"  --username={shlex.quote(admin.name)} --authenticationDatabase=admin",
        ]
    return Dump(
        script=_lines(lines),
        restore=(f"mongorestore --port={node.listen_port} --drop --gzip --archive=all.archive.gz",),
        path=(Ref(("pkgs", "mongodb-tools")),),
        units=("mongodb.service",),
        secrets=() if admin is None or admin.password is None else (admin.password,),
    )


def _sqlite(site: Site, node: Database) -> Dump:
    folder = f"{STATE}/{site.project}/{node.id}"
    return Dump(
        script=_SQLITE.format(folder=folder),
        restore=(f"stop what uses it, remove FILE-wal and FILE-shm, and put FILE back into {folder}",),
        path=(Ref(("pkgs", "sqlite")),),
        units=(),
        opens=(folder,),
        # The engine keeps a log and an index beside the file, which stay the file owner's.
        capabilities=("CAP_CHOWN", "CAP_DAC_OVERRIDE"),
    )


def _container(site: Site, node: Database) -> Dump | None:
    copies = site.copies(node.id)
    if not copies:
        return None
    run = f"podman exec {copies[0].name}"
    into = f"podman exec --interactive {copies[0].name}"
    users = {user.name: user for user in node.users}
    match node.engine:
        case DatabaseEngine.POSTGRESQL:
            user = shlex.quote(node.users[0].name if node.users else "postgres")
            line = f'{run} pg_dumpall --username={user} > "$new/all.sql"'
            restore = f"{into} psql --username={user} --dbname=postgres < all.sql"
        case DatabaseEngine.MYSQL | DatabaseEngine.MARIADB if "root" in users and users["root"].password:
            client, program = _PROGRAMS[node.engine]
            inside = 'MYSQL_PWD=$(cat "$MYSQL_ROOT_PASSWORD_FILE") exec '
            dump = f"{inside}{program} --user=root --single-transaction --routines --all-databases"
            line = f'{run} sh -c {shlex.quote(dump)} > "$new/all.sql"'
            restore = f"{into} sh -c {shlex.quote(f'{inside}{client} --user=root')} < all.sql"
        case DatabaseEngine.MONGODB if not node.users:
            line = f'{run} mongodump --gzip --archive > "$new/all.archive.gz"'
            restore = f"{into} mongorestore --drop --gzip --archive < all.archive.gz"
        case _:
            return None
    return Dump(
        script=_lines([line]),
        restore=(restore,),
        path=(Ref(("pkgs", "podman")),),
        units=(copies[0].unit,),
        podman=True,
    )


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_BY_FORM: dict[Form, Callable[[Site, Database], Dump | None]] = {
    Form.POSTGRESQL: _postgresql,
    Form.MYSQL: _mysql,
    Form.REDIS: _redis,
    Form.MONGODB: _mongodb,
    Form.SQLITE: _sqlite,
    Form.CONTAINER: _container,
}
