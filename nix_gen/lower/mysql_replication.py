"""Replication of MySQL and MariaDB by global transaction ids: accounts, and a replica's first copy.

Pure. The options `services.mysql.replication` would put the password into the store, and begin at a place in
a log that nobody can know beforehand. Here a replica copies its primary once, by a dump, and follows it from
exactly there; a mark in its data directory says that the copy is complete, so the unit may be killed at
any moment. The password goes to the server and to the programs in files and on standard input.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from nix_gen.edges import Replicates
from nix_gen.ir import Multiline, Plain, Ref
from nix_gen.lower.access import source_addresses
from nix_gen.lower.draft import Draft
from nix_gen.lower.hardening import harden
from nix_gen.lower.replicas import RETRY_S, WAIT_S, address_of
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.nodes import Database, DatabaseEngine
from nix_gen.replication import (
    descents,
    lineage,
    replica_name,
    replication_password,
    upstreams,
)

QUOTE = r"""password() { # SECRET
  sed -e 's/\\/\\\\/g' -e "s/'/\\\\'/g" "$CREDENTIALS_DIRECTORY/$1"
}
"""
"""A shell function that gives a secret as the inside of a string of SQL."""
LOG_S = 30 * 24 * 3600
"""How long a server keeps the log that its replicas read. MySQL's default; MariaDB's is for ever."""
_RIGHTS = (
    "REPLICATION SLAVE, REPLICATION CLIENT, SELECT, RELOAD, LOCK TABLES, PROCESS, EVENT, TRIGGER, SHOW VIEW"
)
_DATA_DIR = Ref(("config", "services", "mysql", "dataDir"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How an engine says the same thing; the data of a dump must not enter the log of the replica itself."""

    client: str
    admin: str
    dumper: str
    stop: str
    forget: str
    follow: str
    begin: str
    dump: str
    unlogged: str = ""
    close: str = ""
    open: str = ""


_MARIADB = _Words(
    client="mariadb",
    admin="mariadb-admin",
    dumper="mariadb-dump",
    stop="STOP SLAVE;",
    forget="RESET SLAVE ALL; RESET MASTER;",
    follow="CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='{user}', "
    "MASTER_PASSWORD='$(password {secret})', MASTER_CONNECT_RETRY=10, MASTER_USE_GTID=slave_pos;",
    begin="START SLAVE;",
    dump="--gtid --master-data=1 --ignore-table=mysql.gtid_slave_pos",
    unlogged="SET SESSION sql_log_bin = 0;",
)
_MYSQL = _Words(
    client="mysql",
    admin="mysqladmin",
    dumper="mysqldump",
    stop="STOP REPLICA;",
    forget="RESET REPLICA ALL; RESET BINARY LOGS AND GTIDS;",
    follow="CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port}, SOURCE_USER='{user}', "
    "SOURCE_PASSWORD='$(password {secret})', SOURCE_CONNECT_RETRY=10, SOURCE_AUTO_POSITION=1, "
    "GET_SOURCE_PUBLIC_KEY=1;",
    begin="START REPLICA;",
    dump="--set-gtid-purged=ON --get-server-public-key",
    close="SET GLOBAL super_read_only = ON;",
    open="SET GLOBAL super_read_only = OFF;",
)


def client_program(node: Database) -> str:
    """The program that speaks SQL with a server of a node's engine."""
    return _words(node).client


def _words(node: Database) -> _Words:
    return _MARIADB if node.engine is DatabaseEngine.MARIADB else _MYSQL


def is_replica(site: Site, node: Database) -> bool:
    """Whether a server copies another."""
    return bool(upstreams(site.graph, node))


def replication_settings(site: Site, node: Database) -> dict[str, Plain]:
    """Settings of a member of a lineage; of a server that is none, nothing."""
    if len(lineage(site.graph, node)) == 1:
        return {}
    settings: dict[str, Plain] = {
        "server_id": 1 + int.from_bytes(hashlib.sha256(node.id.encode()).digest()[:4]) % (2**32 - 2),
        "log_bin": "binlog",
        "log_slave_updates": "ON",
        "binlog_expire_logs_seconds": LOG_S,
    }
    if node.engine is DatabaseEngine.MARIADB:
        settings["gtid_strict_mode"] = "ON"
    else:
        settings |= {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"}
    if is_replica(site, node):
        settings |= {"read_only": "ON", "relay_log": "relay"}
    return settings


def replication_accounts(site: Site, node: Database) -> tuple[list[str], set[str]]:
    """SQL that makes the accounts of every replica below a server, and the secrets with their passwords."""
    lines: list[str] = []
    secrets: set[str] = set()
    for edge, replica in descents(site.graph, node):
        secret = replication_password(edge)
        secrets.add(secret)
        for address in source_addresses(site, replica.id, edge.target):
            account = f"'{replica_name(replica)}'@'{address}'"
            lines += [
                f"CREATE USER IF NOT EXISTS {account};",
                f"ALTER USER {account} IDENTIFIED BY '$(password {secret})';",
                f"GRANT {_RIGHTS} ON *.* TO {account};",
            ]
    return lines, secrets


def lower_replica(site: Site, draft: Draft, node: Database) -> None:
    """Write the unit that copies the primary once and follows it."""
    for edge, primary in upstreams(site.graph, node):
        address = address_of(site, node, primary)
        if address is None:
            continue
        secret = replication_password(edge)
        name = site.helper("replica", node.id)
        # The server that everybody on the host could enter as root is first closed to them.
        closed = [f"{site.helper('users', node.id)}.service"] * (node.engine is DatabaseEngine.MYSQL)
        draft.put(
            ("systemd", "services", name),
            {
                "description": f"{node.id} as a replica of {primary.id}",
                "after": ["mysql.service", *closed, "network-online.target"],
                "wants": ["network-online.target"],
                "requires": ["mysql.service", *closed],
                "wantedBy": ["multi-user.target"],
                "path": [Ref(("config", "services", "mysql", "package"))],
                "environment": {"DATA_DIRECTORY": _DATA_DIR},
                "script": Multiline(_script(edge, node, primary, address)),
                "serviceConfig": {
                    "Type": "oneshot",
                    "RemainAfterExit": True,
                    **load_credentials(site, f"{name}.service", [secret]),
                    "RuntimeDirectory": name,
                    "RuntimeDirectoryMode": "0700",
                    # The server knows root by its name, and its directory belongs to another user.
                    "CapabilityBoundingSet": "CAP_DAC_OVERRIDE",
                    "PrivateUsers": False,
                    "ReadWritePaths": [_DATA_DIR],
                    "TimeoutStartSec": "infinity",
                    "Restart": "on-failure",
                    "RestartSec": RETRY_S,
                },
                "unitConfig": {"StartLimitIntervalSec": 0},
            },
            f"{edge.id}: copies the primary once, and follows it from there.",
        )
        harden(draft, ("systemd", "services", name))


def _script(edge: Replicates, node: Database, primary: Database, address: str) -> str:
    words = _words(node)
    secret, user, port = replication_password(edge), replica_name(node), primary.listen_port
    follow = words.follow.format(host=address, port=port, user=user, secret=secret)
    client = (
        f'--defaults-extra-file="$RUNTIME_DIRECTORY/client.cnf" --host={address} --port={port} --user={user}'
    )
    lines = [words.stop, follow, words.begin, *filter(None, [words.close])]
    listed = "\n".join(lines)
    return f"""\
set -o pipefail
{QUOTE}printf '[client]\\npassword="%s"\\n' \\
  "$(sed -e 's/[\\\\"]/\\\\&/g' "$CREDENTIALS_DIRECTORY/{secret}")" > "$RUNTIME_DIRECTORY/client.cnf"

if [ ! -e "$DATA_DIRECTORY/.copied" ]; then
  until {words.admin} {client} --silent ping; do
    if [ "$SECONDS" -ge {WAIT_S} ]; then
      echo "{primary.id} does not answer at {address} port {port}" >&2
      exit 1
    fi
    sleep 1
  done
  {words.client} --user=root <<'SQL'
  {" ".join(filter(None, (words.open, words.stop, words.forget)))}
SQL
  {{
    echo '{words.unlogged}'
    {words.dumper} {client} --all-databases --single-transaction --routines --events \\
      --triggers {words.dump}
    echo 'FLUSH PRIVILEGES;'
  }} | {words.client} --user=root
  touch "$DATA_DIRECTORY/.copied"
fi

{words.client} --user=root <<SQL
{listed}
SQL
"""
