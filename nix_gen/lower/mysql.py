"""MySQL and MariaDB nodes: `services.mysql`, with users that may log in from where the edges say.

Pure. The module's own users log in through the socket only. Users with a password are made by a unit of
our own for the addresses of the graph's clients; the password goes to the server on standard input, never
as an argument.
"""

from __future__ import annotations

import re

from nix_gen.ir import Multiline, Plain, Ref
from nix_gen.lower.access import access_sources, open_networks
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.mysql_replication import (
    QUOTE,
    client_program,
    is_replica,
    lower_replica,
    replication_accounts,
    replication_settings,
)
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Database, DatabaseEngine, DatabaseUser, Host
from nix_gen.replication import lineage, major_version, origin

SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Names that mean themselves in SQL quotes and in the shell of the NixOS module."""
_OPTION = ("services", "mysql")
_ROOT = "root"
_EVERYWHERE = "%"
PACKAGES = {
    DatabaseEngine.MYSQL: ("mysql84", {"8.0": "mysql80", "8.4": "mysql84"}),
    DatabaseEngine.MARIADB: (
        "mariadb",
        {"10.6": "mariadb_106", "10.11": "mariadb_1011", "11.4": "mariadb_114", "11.8": "mariadb_118"},
    ),
}
"""The usual package of each engine, and those of versions, in the pinned nixpkgs."""
_ROOT_BY_SOCKET = """\
way=$(mysql --user=root --batch --skip-column-names \\
  --execute="SELECT plugin FROM mysql.user WHERE user = 'root' AND host = 'localhost'")
if [ "$way" != auth_socket ]; then
  mysql --user=root --execute="SET sql_log_bin = 0;
    ALTER USER 'root'@'localhost' IDENTIFIED WITH auth_socket;"
fi
"""
"""MySQL's module begins with a root whom every local user may be; a MariaDB knows root by its socket.

The module loads the plugin. Each server says this itself, so that it stands in no log that replicas read.
"""


def lower_mysql(site: Site, draft: Draft, host: Host) -> None:
    """Write the MySQL or MariaDB server of a host."""
    for node in site.of_form(host.id, Form.MYSQL):
        assert isinstance(node, Database)
        if not _names_are_safe(site, node):
            continue
        draft.say(_OPTION, node_comment(node))
        draft.put((*_OPTION, "enable"), plain=True)
        draft.put((*_OPTION, "package"), Ref(("pkgs", _package(site, node))))
        draft.put((*_OPTION, "settings", "mysqld"), _settings(site, node))
        if is_replica(site, node):
            if node.engine is DatabaseEngine.MYSQL:
                _accounts(site, draft, node, _ROOT_BY_SOCKET, set())
            lower_replica(site, draft, node)
        else:
            _own(site, draft, node)
        _data_directory(site, draft, node)
        start_after(site, draft, node, ("systemd", "services", "mysql"))


def _own(site: Site, draft: Draft, node: Database) -> None:
    """What a server has of its own, and a replica from its primary: databases and users."""
    if node.databases:
        draft.put((*_OPTION, "ensureDatabases"), list(node.databases))
    local = [user for user in node.users if user.password is None and user.name != _ROOT]
    if local:
        draft.put((*_OPTION, "ensureUsers"), [_local_user(node, user) for user in local])
    _users(site, draft, node)


def _names_are_safe(site: Site, node: Database) -> bool:
    names = [*node.databases, *(user.name for user in node.users)]
    bad = [name for name in names if not SAFE_NAME.fullmatch(name)]
    for name in bad:
        site.find(
            "unsafe-name",
            node.id,
            f"the name {name!r} of a user or database could be read as something else by the server",
            "use letters, digits, _, - and ., beginning with a letter",
        )
    return not bad


def _package(site: Site, node: Database) -> str:
    """The package of the version asked for; of an unknown one, and of none, the usual one."""
    usual, packages = PACKAGES[node.engine]
    server = node if node.version is not None else origin(site.graph, node)
    version = major_version(server)
    if not any(char.isdecimal() for char in version):
        return usual
    fitting = [known for known in packages if known == version or known.startswith(f"{version}.")]
    if fitting:
        return packages[fitting[-1]]
    site.warn(
        "version-not-packaged",
        node.id,
        f"{node.engine} {server.version} is not in the pinned nixpkgs; {usual} runs",
        f"ask for one of {', '.join(packages)}",
    )
    return usual


def _settings(site: Site, node: Database) -> dict[str, Plain]:
    reached = is_reached_from_outside(site, node)
    settings: dict[str, Plain] = {name.replace("-", "_"): given for name, given in node.settings.items()}
    # Names of clients are not looked up: access is granted to addresses.
    return {
        **replication_settings(site, node),
        **settings,
        "bind_address": "*" if reached else LOOPBACK,
        "port": node.listen_port,
        "skip_name_resolve": True,
    }


def _local_user(node: Database, user: DatabaseUser) -> dict[str, Plain]:
    owned = ["*"] if user.superuser else [_pattern(name) for name in user.owns if name in node.databases]
    return {
        "name": user.name,
        "ensurePermissions": {f"{name}.*": "ALL PRIVILEGES" for name in owned},
    }


def _pattern(database: str) -> str:
    """A database as GRANT names it, where `_` means any letter; in double quotes, or a document, of a shell.

    The module says its permissions in double quotes, where a bare backtick would begin a command.
    """
    return "\\`" + database.replace("_", "\\_") + "\\`"


def _data_directory(site: Site, draft: Draft, node: Database) -> None:
    found = data_directory(site, node)
    if found is not None:
        draft.put((*_OPTION, "dataDir"), found[1], f"{found[0].id}.")
        return
    for edge, _ in mounts_of(site, node):
        draft.say(_OPTION, f"{edge.id}: the module keeps the data in /var/lib/mysql.")


def _users(site: Site, draft: Draft, node: Database) -> None:
    """The unit that makes the accounts of clients and replicas, wherever in the lineage they log in."""
    users = [user for user in node.users if user.password is not None]
    statements, secrets = replication_accounts(site, node)
    addresses = [LOOPBACK]
    for member in lineage(site.graph, node):
        addresses += [source.address for source in access_sources(site, member)]
        addresses += [_EVERYWHERE] * bool(open_networks(member))
    for user in users:
        assert user.password is not None
        secrets.add(user.password)
        for address in dict.fromkeys(addresses):
            statements += _grant(node, user, address)
    script = _ROOT_BY_SOCKET if node.engine is DatabaseEngine.MYSQL else ""
    if statements:
        listed = "".join(f"{line}\n" for line in statements)
        script += f"{QUOTE}{client_program(node)} --user=root <<SQL\n{listed}SQL\n"
    if script:
        _accounts(site, draft, node, script, secrets)


def _accounts(site: Site, draft: Draft, node: Database, script: str, secrets: set[str]) -> None:
    """The unit that runs `script` as soon as the server answers."""
    name = site.helper("users", node.id)
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Users of {node.id}",
            "after": ["mysql.service"],
            "requires": ["mysql.service"],
            "wantedBy": ["multi-user.target"],
            "path": [Ref(("config", "services", "mysql", "package"))],
            "script": Multiline(script),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                **load_credentials(site, f"{name}.service", secrets),
            },
        },
        *_said(node, script),
    )
    harden(draft, ("systemd", "services", name))


def _said(node: Database, script: str) -> list[str]:
    words = []
    if _ROOT_BY_SOCKET in script:
        words.append(f"{node.id}: the module makes a root without a password, so only root may be it.")
    if script != _ROOT_BY_SOCKET:
        is_open = f"@'{_EVERYWHERE}'" in script
        whence = "anywhere, since it is published" if is_open else "the addresses of its clients only"
        words.append(f"{node.id}: logins with passwords, from {whence}.")
    return words


def _grant(node: Database, user: DatabaseUser, source: str) -> list[str]:
    account = f"'{user.name}'@'{source}'"
    secret = f"IDENTIFIED BY '$(password {user.password})'"
    lines = [f"CREATE USER IF NOT EXISTS {account};", f"ALTER USER {account} {secret};"]
    if user.superuser:
        return [*lines, f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;"]
    owned = [name for name in user.owns if name in node.databases]
    return lines + [f"GRANT ALL PRIVILEGES ON {_pattern(name)}.* TO {account};" for name in owned]
