"""How an engine is told its users, databases and settings when it runs as a container.

Pure. The official images read them from variables on their first start, passwords from files.
"""

from __future__ import annotations

from nix_gen.lower.agents import agent_environment
from nix_gen.lower.bus_containers import bus_extras
from nix_gen.lower.extras import Extras
from nix_gen.lower.site import Site
from nix_gen.lower.words import SECRETS
from nix_gen.nodes import (
    DATABASE_PORTS,
    Agent,
    Database,
    DatabaseEngine,
    DatabaseUser,
    MessageBus,
    Running,
)

_LETS_IN = frozenset({"POSTGRES_HOST_AUTH_METHOD", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"})
"""Variables of the image by which a graph says itself who gets in."""
_MONGODB_ROOT = frozenset({"MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_USERNAME_FILE"})
_REDIS_START = """\
password=$(sed -e 's/[\\"]/\\\\&/g' {file})
exec "$@" <<END
requirepass "$password"
END
"""


def engine_extras(site: Site, node: Running) -> Extras:
    """The variables, arguments and secret files of a database or message bus container."""
    extras = Extras()
    match node:
        case Database(engine=DatabaseEngine.POSTGRESQL):
            _postgresql(site, node, extras)
        case Database(engine=DatabaseEngine.MYSQL | DatabaseEngine.MARIADB):
            _mysql(node, extras)
        case Database(engine=DatabaseEngine.REDIS):
            _redis(node, extras)
        case Database(engine=DatabaseEngine.MONGODB):
            _mongodb(site, node, extras)
        case MessageBus():
            bus_extras(site, node, extras)
        case Agent():
            extras.environment |= agent_environment(site, node)
        case _:
            return extras
    if isinstance(node, Database):
        _tell_surplus(site, node)
    return extras


def _tell_surplus(site: Site, node: Database) -> None:
    ordinary = [user for user in node.users if not _is_root(user)]
    if len(ordinary) > 1 or len(node.databases) > 1:
        site.warn(
            "first-user-only",
            node.id,
            f"runs as a container, whose image makes one user and one database of {len(node.users)} and "
            f"{len(node.databases)}",
            "make the others by hand, or let the node run natively: no mounts, first of its engine on a host",
        )


def _is_root(user: DatabaseUser) -> bool:
    return user.name == "root"


def _set(settings: dict[str, bool | int | str], prefix: str, joint: str = "=") -> list[str]:
    return [f"{prefix}{name}{joint}{_setting(settings[name])}" for name in sorted(settings)]


def _setting(given: bool | int | str) -> str:  # noqa: FBT001  # a setting may be a truth value
    return ("on" if given else "off") if isinstance(given, bool) else str(given)


def _postgresql(site: Site, node: Database, extras: Extras) -> None:
    user = node.users[0] if node.users else None
    if user is not None:
        extras.environment["POSTGRES_USER"] = user.name
    if node.databases:
        extras.environment["POSTGRES_DB"] = node.databases[0]
    if user is not None and user.password is not None:
        extras.password("POSTGRES_PASSWORD_FILE", user.password)
    elif not _LETS_IN & {*node.environment, *(secret.env for secret in node.secrets)}:
        site.find(
            "database-open",
            node.id,
            "is a container, whose image lets in whoever reaches it unless the first user has a password",
            "name a secret as the password of its first user, or let it be the only PostgreSQL of its host",
        )
    if node.listen_port != DATABASE_PORTS[node.engine]:
        extras.environment["PGPORT"] = str(node.listen_port)
    for word in _set(node.settings, ""):
        extras.command += ["-c", word]


def _mysql(node: Database, extras: Extras) -> None:
    root = next((user for user in node.users if _is_root(user)), None)
    user = next((user for user in node.users if not _is_root(user)), None)
    if root is not None and root.password is not None:
        extras.password("MYSQL_ROOT_PASSWORD_FILE", root.password)
    else:
        extras.environment["MYSQL_RANDOM_ROOT_PASSWORD"] = "yes"  # noqa: S105  # a switch of the image
    if node.databases:
        extras.environment["MYSQL_DATABASE"] = node.databases[0]
    if user is not None and user.password is not None:
        extras.environment["MYSQL_USER"] = user.name
        extras.password("MYSQL_PASSWORD_FILE", user.password)
    if node.listen_port != DATABASE_PORTS[node.engine]:
        extras.command.append(f"--port={node.listen_port}")
    extras.command += _set(node.settings, "--")


def _redis(node: Database, extras: Extras) -> None:
    words = ["redis-server", "--port", str(node.listen_port)]
    for name in sorted(node.settings):
        given = node.settings[name]
        words += [f"--{name}", ("yes" if given else "no") if isinstance(given, bool) else str(given)]
    if node.password is None:
        extras.command = words if len(words) > 3 or node.listen_port != 6379 else []
        return
    extras.secrets.add(node.password)
    # The server reads its settings (`-`) from what the shell writes: arguments are there for all to read.
    extras.command = ["sh", "-c", _REDIS_START.format(file=f"{SECRETS}/{node.password}"), words[0], *words]
    extras.command.insert(5, "-")


def _mongodb(site: Site, node: Database, extras: Extras) -> None:
    user = next((user for user in node.users if user.superuser and user.password is not None), None)
    given = {*node.environment, *(secret.env for secret in node.secrets)}
    if user is None and node.users and not _MONGODB_ROOT & given:
        site.find(
            "no-administrator",
            node.id,
            "none of its users is an administrator, so nobody could make them, and the server would ask for "
            "no password",
            f"it needs a user with `superuser` and `password`, beside {node.users[0].name}",
        )
    if user is not None and user.password is not None:
        extras.environment["MONGO_INITDB_ROOT_USERNAME"] = user.name
        extras.password("MONGO_INITDB_ROOT_PASSWORD_FILE", user.password)
    if node.databases:
        extras.environment["MONGO_INITDB_DATABASE"] = node.databases[0]
    if node.listen_port != DATABASE_PORTS[node.engine]:
        extras.command = ["mongod", "--port", str(node.listen_port)]
    if node.settings:
        site.warn(
            "settings-not-used",
            node.id,
            "mongod takes no settings by name on its command line",
            "mount a mongod.conf",
        )
