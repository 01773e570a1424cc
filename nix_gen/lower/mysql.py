"""MySQL and MariaDB nodes: `services.mysql`, with users that may log in from where the edges say.

Pure. The module's own users log in through the socket only. Users with a password are made by a unit of
our own for the addresses of the graph's clients; the password goes to the server on standard input, never
as an argument.
"""

from __future__ import annotations

import re

from nix_gen.ir import Multiline, Plain, Ref
from nix_gen.lower.access import access_sources
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory, mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Database, DatabaseEngine, DatabaseUser, Host

SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Names that mean themselves in SQL quotes and in the shell of the NixOS module."""
_OPTION = ("services", "mysql")
_QUOTE = r"""password() { # SECRET
  sed -e 's/\\/\\\\/g' -e "s/'/\\\\'/g" "$CREDENTIALS_DIRECTORY/$1"
}
"""
_ROOT = "root"


def lower_mysql(site: Site, draft: Draft, host: Host) -> None:
    """Write the MySQL or MariaDB server of a host."""
    for node in site.of_form(host.id, Form.MYSQL):
        assert isinstance(node, Database)
        if not _names_are_safe(site, node):
            continue
        draft.say(_OPTION, node_comment(node))
        draft.put((*_OPTION, "enable"), plain=True)
        package = "mariadb" if node.engine is DatabaseEngine.MARIADB else "mysql84"
        draft.put((*_OPTION, "package"), Ref(("pkgs", package)))
        _tell_version(draft, node)
        draft.put((*_OPTION, "settings", "mysqld"), _settings(site, node))
        if node.databases:
            draft.put((*_OPTION, "ensureDatabases"), list(node.databases))
        local = [user for user in node.users if user.password is None and user.name != _ROOT]
        if local:
            draft.put((*_OPTION, "ensureUsers"), [_local_user(node, user) for user in local])
        _data_directory(site, draft, node)
        _users(site, draft, node)
        start_after(site, draft, node, ("systemd", "services", "mysql"))


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


def _tell_version(draft: Draft, node: Database) -> None:
    if node.version is not None:
        draft.say(_OPTION, f"The graph says {node.engine} {node.version}; nixpkgs has one version of it.")


def _settings(site: Site, node: Database) -> dict[str, Plain]:
    reached = is_reached_from_outside(site, node)
    settings: dict[str, Plain] = {name.replace("-", "_"): given for name, given in node.settings.items()}
    # Names of clients are not looked up: access is granted to addresses.
    return {
        **settings,
        "bind_address": "*" if reached else LOOPBACK,
        "port": node.listen_port,
        "skip_name_resolve": True,
    }


def _local_user(node: Database, user: DatabaseUser) -> dict[str, Plain]:
    owned = ["*"] if user.superuser else [f"`{name}`" for name in user.owns if name in node.databases]
    return {
        "name": user.name,
        "ensurePermissions": {f"{name}.*": "ALL PRIVILEGES" for name in owned},
    }


def _data_directory(site: Site, draft: Draft, node: Database) -> None:
    for edge, storage in mounts_of(site, node):
        if storage.path is not None or storage.storage != "local":
            draft.put((*_OPTION, "dataDir"), directory(site, storage), f"{edge.id}.")
        else:
            draft.say(_OPTION, f"{edge.id}: the module keeps the data in /var/lib/mysql.")


def _users(site: Site, draft: Draft, node: Database) -> None:
    users = [user for user in node.users if user.password is not None]
    if not users:
        return
    sources = [LOOPBACK, *(source.address for source in access_sources(site, node))]
    statements = []
    for user in users:
        for source in dict.fromkeys(sources):
            statements += _grant(node, user, source)
    secrets = {user.password for user in users if user.password is not None}
    name = site.helper("users", node.id)
    script = f"{_QUOTE}mysql --user=root <<SQL\n" + "".join(f"{line}\n" for line in statements) + "SQL\n"
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
        f"{node.id}: logins with passwords, from the addresses of its clients only.",
    )


def _grant(node: Database, user: DatabaseUser, source: str) -> list[str]:
    account = f"'{user.name}'@'{source}'"
    secret = f"IDENTIFIED BY '$(password {user.password})'"
    lines = [f"CREATE USER IF NOT EXISTS {account};", f"ALTER USER {account} {secret};"]
    if user.superuser:
        return [*lines, f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;"]
    owned = [name for name in user.owns if name in node.databases]
    return lines + [f"GRANT ALL PRIVILEGES ON \\`{name}\\`.* TO {account};" for name in owned]
