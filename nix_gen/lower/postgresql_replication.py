"""PostgreSQL streaming replication: what a primary offers its replicas, and how a replica becomes one.

Pure. The primary has a role and a physical slot per replica, both named `replica_<id>`; the units that make
them commit without waiting for replicas, because a synchronous replica can only come to be after them. The
replica's own unit writes the password file that `primary_conninfo` names, on every start, and receives the
primary's data once: into a directory beside its final place, complete or not at all, `PG_VERSION` last, so
that it may be killed at any moment. Which server a replica follows stands in its settings and not in
`postgresql.auto.conf` (so no `pg_basebackup -R`): a primary that moves is followed by the next activation.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.edges import Replicates, ReplicationMode
from nix_gen.ir import Multiline, Plain, Ref, Template
from nix_gen.lower.access import Source, source_addresses
from nix_gen.lower.draft import Draft
from nix_gen.lower.hardening import harden
from nix_gen.lower.replicas import RETRY_S, WAIT_S, address_of
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.nodes import Database
from nix_gen.replication import (
    AT_LEAST_AS_PRIMARY,
    Lineage,
    ancestors,
    descents,
    lineage_of,
    origin,
    replica_name,
    replicas,
    replication_password,
    setting_number,
    upstreams,
)

SUPERUSER = "postgres"
STATE_DIRECTORY = "postgresql"
SENDERS_MIN_COUNT = 10
"""PostgreSQL's own default of `max_wal_senders` and `max_replication_slots`."""
COMMIT_LOCALLY = "-c synchronous_commit=local"
"""For the units that make databases, roles and slots: they must not wait for a replica that needs them."""
_PGPASS = "pgpass"
_DATA_DIR = Ref(("config", "services", "postgresql", "dataDir"))


def is_replica(site: Site, node: Database) -> bool:
    """Whether a server copies another."""
    return bool(upstreams(site.graph, node))


def is_synchronous(site: Site, node: Database) -> bool:
    """Whether commits of a server wait for a replica."""
    return any(edge.mode is ReplicationMode.SYNC for edge, _ in replicas(site.graph, node))


def replication_settings(site: Site, node: Database) -> dict[str, Plain]:
    """Settings of a member of a lineage; of a server that is none, nothing.

    Senders and slots are the same at every member: a replica must not have fewer than its primary, and any of
    them may be promoted.
    """
    known = lineage_of(site.graph, node)
    count = len(known.members)
    if count == 1:
        return {}
    settings: dict[str, Plain] = {
        "max_wal_senders": _most(known, "max_wal_senders", 2 * count),
        "max_replication_slots": _most(known, "max_replication_slots", count),
        "wal_level": node.settings.get("wal_level", "replica"),
    }
    synchronous = [
        replica.id for edge, replica in replicas(site.graph, node) if edge.mode is ReplicationMode.SYNC
    ]
    if synchronous:
        quoted = ", ".join(f'"{name}"' for name in synchronous)
        settings["synchronous_standby_names"] = f"FIRST {len(synchronous)} ({quoted})"
    for _, primary in upstreams(site.graph, node):
        settings |= _inherited(site, node)
        address = address_of(site, node, primary)
        if address is not None:
            settings["primary_conninfo"] = _conninfo(site, node, primary, address)
            settings["primary_slot_name"] = replica_name(node)
    return settings


def _most(known: Lineage, name: str, needed_count: int) -> int:
    return max(SENDERS_MIN_COUNT, needed_count, known.most(name))


def _inherited(site: Site, node: Database) -> dict[str, Plain]:
    """What a replica must have as high as its primary, where the graph says it of the primary alone."""
    settings: dict[str, Plain] = {}
    for name in AT_LEAST_AS_PRIMARY:
        stated = [setting_number(one, name) for one in ancestors(site.graph, node)]
        known = [number for number in stated if number is not None]
        if known and name not in node.settings:
            settings[name] = max(known)
    return settings


def _conninfo(site: Site, node: Database, primary: Database, address: str) -> str:
    """How a replica connects; ids, addresses and paths here need no quotes."""
    return (
        f"host={address} port={primary.listen_port} user={replica_name(node)} "
        f"passfile=/run/{_unit(site, node)}/{_PGPASS} application_name={node.id}"
    )


def _unit(site: Site, node: Database) -> str:
    return site.helper("replica", node.id)


def replication_rules(site: Site, node: Database) -> list[str]:
    """Lines of pg_hba.conf: each replica as its own role, from the addresses of its host."""
    lines = []
    for edge, replica in replicas(site.graph, node):
        addresses = source_addresses(site, replica.id, node.id)
        lines += [f"# {edge.id}"] * bool(addresses)
        for address in addresses:
            network = Source(address=address, label="").network
            lines.append(f'host replication "{replica_name(replica)}" {network} scram-sha-256')
    return lines


def replication_roles(site: Site, node: Database) -> tuple[list[str], set[str]]:
    """SQL that makes the roles of every replica below a server, and the secrets with their passwords.

    The origin makes them all: what a replica has it has from there, the roles of its own replicas too.
    """
    lines: list[str] = []
    secrets: set[str] = set()
    if is_replica(site, node):
        return lines, secrets
    for edge, replica in descents(site.graph, node):
        name, secret = replica_name(replica), replication_password(edge)
        secrets.add(secret)
        absent = f"WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')"
        lines += [
            f"SELECT 'CREATE ROLE \"{name}\"' {absent} \\gexec",
            f'\\set password `cat "$CREDENTIALS_DIRECTORY"/{secret}`',
            f"ALTER ROLE \"{name}\" WITH LOGIN REPLICATION PASSWORD :'password';",
        ]
    return lines, secrets


def replication_slots(site: Site, node: Database) -> list[str]:
    """SQL that makes a slot per replica of a server, and drops those of replicas that are no more."""
    names = [replica_name(replica) for _, replica in replicas(site.graph, node)]
    if not names:
        return []
    listed = ", ".join(f"'{name}'" for name in names)
    lines = [
        "\\o /dev/null",
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'",
        rf"  AND slot_name LIKE 'replica\_%' AND slot_name NOT IN ({listed}) AND NOT active;",
    ]
    for name in names:
        absent = f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{name}')"
        lines.append(f"SELECT pg_create_physical_replication_slot('{name}') {absent};")
    return lines


def lower_replica(site: Site, draft: Draft, node: Database) -> None:
    """Write the units of a replica: one receives its data, one makes the slots of its own replicas."""
    for edge, primary in upstreams(site.graph, node):
        address = address_of(site, node, primary)
        if address is not None:
            _receive(site, draft, node, edge, _Primary(address, primary))
            # NixOS waits in this unit until the server is writable, which a replica never is.
            draft.put(
                ("systemd", "services", "postgresql-setup", "unitConfig", "ConditionPathExists"),
                [Template(("!", _DATA_DIR, "/standby.signal"))],
                f"{node.id}: what NixOS sets up in a server, a replica has from {primary.id}.",
            )
    slots = replication_slots(site, node)
    if slots and is_replica(site, node):
        _slots(site, draft, node, slots)


@dataclass(frozen=True, slots=True)
class _Primary:
    address: str
    node: Database


def _receive(site: Site, draft: Draft, node: Database, edge: Replicates, primary: _Primary) -> None:
    secret = replication_password(edge)
    name = _unit(site, node)
    service: dict[str, Plain] = {
        "Type": "oneshot",
        "RemainAfterExit": True,
        "User": SUPERUSER,
        "Group": SUPERUSER,
        **load_credentials(site, f"{name}.service", [secret]),
        "RuntimeDirectory": name,
        "RuntimeDirectoryMode": "0700",
        "StateDirectory": STATE_DIRECTORY,
        "StateDirectoryMode": "0750",
        "ReadWritePaths": [Template(("-", _DATA_DIR))],
        "TimeoutStartSec": "infinity",
        "Restart": "on-failure",
        "RestartMode": "direct",
        "RestartSec": RETRY_S,
    }
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"{node.id} as a replica of {primary.node.id}",
            "after": ["network-online.target"],
            "wants": ["network-online.target"],
            "before": ["postgresql.service"],
            "requiredBy": ["postgresql.service"],
            "path": [Ref(("config", "services", "postgresql", "package"))],
            "environment": {"PGDATA": _DATA_DIR},
            "script": Multiline(_script(node, secret, primary)),
            "serviceConfig": service,
            "unitConfig": {"RequiresMountsFor": _DATA_DIR, "StartLimitIntervalSec": 0},
        },
        f"{edge.id}: writes the password file that primary_conninfo names, and receives the data once.",
    )
    harden(draft, ("systemd", "services", name))


def _script(node: Database, secret: str, primary: _Primary) -> str:
    name = replica_name(node)
    port = primary.node.listen_port
    return f"""\
pgpass="$RUNTIME_DIRECTORY/{_PGPASS}"
password=$(sed -e 's/[\\\\:]/\\\\&/g' "$CREDENTIALS_DIRECTORY/{secret}")
printf '*:*:*:{name}:%s\\n' "$password" > "$pgpass"

if [ -e "$PGDATA/PG_VERSION" ]; then
  if [ ! -e "$PGDATA/standby.signal" ]; then
    echo "{node.id} follows nobody: it was promoted, or was a server of its own before." >&2
    echo "To follow {primary.node.id}, move $PGDATA away and restart postgresql.service." >&2
  fi
  exit 0
fi

mkdir --parents --mode=0700 "$PGDATA"
if [ ! -d "$PGDATA/.received" ]; then
  until pg_isready --quiet --host={primary.address} --port={port}; do
    if [ "$SECONDS" -ge {WAIT_S} ]; then
      echo "{primary.node.id} does not answer at {primary.address} port {port}" >&2
      exit 1
    fi
    sleep 1
  done
  rm --recursive --force "$PGDATA/.receiving"
  pg_basebackup --no-password --pgdata="$PGDATA/.receiving" --checkpoint=fast --slot={name} \\
    --dbname="host={primary.address} port={port} user={name} passfile=$pgpass application_name={node.id}"
  touch "$PGDATA/.receiving/standby.signal"
  mv --no-target-directory "$PGDATA/.receiving" "$PGDATA/.received"
fi

# Complete from here on. PG_VERSION comes last: without it this unit begins again where it was.
find "$PGDATA/.received" -mindepth 1 -maxdepth 1 ! -name PG_VERSION \\
  -exec mv --target-directory="$PGDATA" {{}} +
sync --file-system "$PGDATA"
mv "$PGDATA/.received/PG_VERSION" "$PGDATA"
rmdir "$PGDATA/.received"
"""


def _slots(site: Site, draft: Draft, node: Database, slots: list[str]) -> None:
    script = [*psql(node), *slots, "SQL"]
    unit = ("systemd", "services", site.helper("slots", node.id))
    draft.put(
        unit,
        {
            "description": f"Slots of the replicas of {node.id}",
            "after": ["postgresql.service"],
            "requires": ["postgresql.service"],
            "before": ["postgresql.target"],
            "requiredBy": ["postgresql.target"],
            "path": [Ref(("config", "services", "postgresql", "package"))],
            "script": Multiline("".join(f"{line}\n" for line in script)),
            "serviceConfig": {"Type": "oneshot", "RemainAfterExit": True, "User": SUPERUSER},
        },
        f"{node.id} has replicas of its own; their roles come from {origin(site.graph, node).id}.",
    )
    harden(draft, unit)


def psql(node: Database) -> list[str]:
    """The line that begins a script of SQL for a server of this host, up to a line `SQL`."""
    command = f"psql --no-psqlrc --quiet --port={node.listen_port} --set=ON_ERROR_STOP=1 --dbname=postgres"
    return [f"{command} <<'SQL'"]
