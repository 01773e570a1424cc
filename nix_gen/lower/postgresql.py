"""PostgreSQL nodes: `services.postgresql`, with users, databases and access rules from the graph.

Pure. NixOS makes roles and databases; passwords and other owners are set by a unit of our own between the
module's set-up and `postgresql.target`, so that whoever waits for the target finds them. A password is
read by psql itself from the unit's credentials: it is never an argument, never in the log, never in the
store.
"""

from __future__ import annotations

import re

from nix_gen.ir import Function, ListOf, Multiline, Plain, Ref, force
from nix_gen.lower.access import access_sources, open_networks
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.order import start_after
from nix_gen.lower.postgresql_replication import (
    COMMIT_LOCALLY,
    SUPERUSER,
    is_replica,
    is_synchronous,
    lower_replica,
    psql,
    replication_roles,
    replication_rules,
    replication_settings,
    replication_slots,
)
from nix_gen.lower.reach import is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Database, DatabaseUser, Host
from nix_gen.replication import ancestors, major_version, origin

MAJORS = range(13, 19)
"""Major versions packaged in the pinned nixpkgs."""
SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Names that mean themselves in SQL quotes, in pg_hba.conf and in the shell of the NixOS module."""
_HBA_KEYWORDS = frozenset({"all", "sameuser", "samerole", "samegroup", "replication"})
_SET_BY_MODULE = frozenset({"listen_addresses", "hba_file", "ident_file", "log_destination"})
_OPTION = ("services", "postgresql")
_UNLOGGED = ["SET log_statement = 'none';", "SET log_min_error_statement = 'panic';"]
"""An `ALTER ROLE` holds a password in clear, which the server must not log, even if the statement fails."""


def lower_postgresql(site: Site, draft: Draft, host: Host) -> None:
    """Write the PostgreSQL server of a host."""
    for node in site.of_form(host.id, Form.POSTGRESQL):
        assert isinstance(node, Database)
        if not _names_are_safe(site, node):
            continue
        draft.say(_OPTION, node_comment(node))
        draft.put((*_OPTION, "enable"), plain=True)
        _package(site, draft, node)
        _settings(site, draft, node)
        if is_reached_from_outside(site, node):
            draft.put(
                (*_OPTION, "enableTCPIP"), True, "On every address; the firewall says who gets through."
            )
        if is_replica(site, node):
            lower_replica(site, draft, node)
        else:
            _own(site, draft, node)
        _authentication(site, draft, node)
        _data_directory(site, draft, node)
        start_after(site, draft, node, ("systemd", "services", "postgresql"))


def _own(site: Site, draft: Draft, node: Database) -> None:
    """What a server has of its own, and a replica from its primary: databases, users, passwords."""
    if node.databases:
        draft.put((*_OPTION, "ensureDatabases"), list(node.databases))
    if node.users:
        draft.put((*_OPTION, "ensureUsers"), [_user(node, user) for user in node.users])
    _roles(site, draft, node)


def _settings(site: Site, draft: Draft, node: Database) -> None:
    settings: dict[str, Plain] = {
        name: force(given) if name in _SET_BY_MODULE else given
        for name, given in node.settings.items()
        if name != "port"
    }
    replication = replication_settings(site, node)
    draft.put((*_OPTION, "settings"), {**settings, **replication, "port": node.listen_port})
    if is_synchronous(site, node):
        draft.put(
            ("systemd", "services", "postgresql-setup", "environment", "PGOPTIONS"),
            COMMIT_LOCALLY,
            f"{node.id}: its synchronous replicas come to be after this, so this must not wait for them.",
        )


def _names_are_safe(site: Site, node: Database) -> bool:
    names = [*node.databases, *(user.name for user in node.users)]
    bad = [name for name in names if not SAFE_NAME.fullmatch(name) or name in _HBA_KEYWORDS]
    for name in bad:
        site.find(
            "unsafe-name",
            node.id,
            f"the name {name!r} of a user or database could be read as something else by the server",
            "use letters, digits, _, - and ., beginning with a letter",
        )
    return not bad


def _package(site: Site, draft: Draft, node: Database) -> None:
    _extensions(site, draft, node)
    server = node if node.version is not None else origin(site.graph, node)
    if server.version is None:
        return
    major = major_version(server)
    if major.isdecimal() and int(major) in MAJORS:
        draft.put((*_OPTION, "package"), Ref(("pkgs", f"postgresql_{major}")))
    elif any(char.isdecimal() for char in major):
        site.warn(
            "version-not-packaged",
            node.id,
            f"PostgreSQL {server.version} is not in the pinned nixpkgs; "
            "the default of the state version runs",
            f"ask for a version from {MAJORS[0]} to {MAJORS[-1]}",
        )


def _extensions(site: Site, draft: Draft, node: Database) -> None:
    """Packages of extensions; a replica needs what its primary loads."""
    names = sorted({name for one in (node, *ancestors(site.graph, node)) for name in one.extensions})
    if names:
        packages = ListOf(tuple(Ref((name,)) for name in names))
        draft.put((*_OPTION, "extensions"), Function(tuple(names), packages))


def _user(node: Database, user: DatabaseUser) -> dict[str, Plain]:
    entry: dict[str, Plain] = {"name": user.name}
    if user.name in user.owns and user.name in node.databases:
        entry["ensureDBOwnership"] = True
    if user.superuser and user.name != SUPERUSER:
        entry["ensureClauses"] = {"superuser": True}
    return entry


def _authentication(site: Site, draft: Draft, node: Database) -> None:
    rules = _rules(origin(site.graph, node))
    lines = []
    for source in access_sources(site, node):
        if f"# {source.label}" not in lines:
            lines.append(f"# {source.label}")
        lines += [f"host {rule} {source.network} scram-sha-256" for rule in rules]
    lines += replication_rules(site, node)
    lines += _public_rules(site, node)
    if lines:
        draft.write((*_OPTION, "authentication"), lines)


def _public_rules(site: Site, node: Database) -> list[str]:
    """Lines of pg_hba.conf for clients from outside: whoever has a password, where a port is published."""
    rules = _rules_of(origin(site.graph, node), with_password=True)
    lines = [f"host {rule} {network} scram-sha-256" for network in open_networks(node) for rule in rules]
    return [f"# {node.id} is published", *lines] if lines else []


def _rules(node: Database) -> list[str]:
    """`database user` pairs of pg_hba.conf, quoted so that no name is a keyword."""
    return _rules_of(node, with_password=False) if node.users else ["all all"]


def _rules_of(node: Database, *, with_password: bool) -> list[str]:
    rules = []
    for user in node.users:
        if with_password and user.password is None:
            continue
        owned = [name for name in user.owns if name in node.databases]
        databases = '"' + '","'.join(owned) + '"' if owned and not user.superuser else "all"
        rules.append(f'{databases} "{user.name}"')
    return rules


def _data_directory(site: Site, draft: Draft, node: Database) -> None:
    found = data_directory(site, node)
    if found is not None:
        draft.put((*_OPTION, "dataDir"), found[1], f"{found[0].id}.")
        return
    for edge, _ in mounts_of(site, node):
        draft.say(_OPTION, f"{edge.id}: the module keeps the data below /var/lib/postgresql.")


def _roles(site: Site, draft: Draft, node: Database) -> None:
    """The unit that sets passwords and owners and makes what replicas need, if there is any of it."""
    lines, secrets = replication_roles(site, node)
    for user in node.users:
        if user.password is not None:
            secrets.add(user.password)
            lines += [
                f'\\set password `cat "$CREDENTIALS_DIRECTORY"/{user.password}`',
                f"ALTER ROLE \"{user.name}\" WITH LOGIN PASSWORD :'password';",
            ]
        others = [name for name in user.owns if name in node.databases and name != user.name]
        lines += [f'ALTER DATABASE "{name}" OWNER TO "{user.name}";' for name in others]
    lines += replication_slots(site, node)
    if not lines:
        return
    after = ["postgresql-setup.service"]
    script = [*psql(node), *(_UNLOGGED if secrets else []), *lines, "SQL"]
    name = site.helper("users", node.id)
    unit: dict[str, Plain] = {
        "description": f"Passwords and owners in {node.id}",
        "after": after,
        "requires": after,
        "before": ["postgresql.target"],
        "requiredBy": ["postgresql.target"],
        "path": [Ref(("config", "services", "postgresql", "package"))],
        "script": Multiline("".join(f"{line}\n" for line in script)),
        "serviceConfig": {
            "Type": "oneshot",
            "RemainAfterExit": True,
            "User": SUPERUSER,
            **load_credentials(site, f"{name}.service", secrets),
        },
    }
    if is_synchronous(site, node):
        unit["environment"] = {"PGOPTIONS": COMMIT_LOCALLY}
    draft.put(
        ("systemd", "services", name),
        unit,
        f"{node.id}: psql reads the passwords from the unit's credentials, before postgresql.target.",
    )
    harden(draft, ("systemd", "services", name))
