"""`services.postgresql` -> postgresql.conf, pg_hba.conf, pg_ident.conf.

After nixos/modules/services/databases/postgresql.nix. Left out: the check of the configuration at build time,
and paths of the Nix store.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.nixos_rendering.configs import Config, option

_HBA_DEFAULT = """\
local all postgres         peer map=postgres
local all all              peer
host  all all 127.0.0.1/32 md5
host  all all ::1/128      md5
"""


def postgresql_conf(config: Config, folder: Path) -> str:
    """The settings of a server whose access rules lie in `folder` (`pg_hba.conf`, `pg_ident.conf`)."""
    service = option(config, "services", "postgresql", default={})
    given = {name: value for name, value in service.get("settings", {}).items() if value is not None}
    settings = {
        "hba_file": str(folder / "pg_hba.conf"),
        "ident_file": str(folder / "pg_ident.conf"),
        "jit": False,
        "listen_addresses": "*" if service.get("enableTCPIP") else "localhost",
        "log_destination": "stderr",
        "log_line_prefix": "[%p] ",
        "port": 5432,
    }
    return "".join(f"{name} = {_value(value)}\n" for name, value in sorted((settings | given).items()))


def _value(given: object) -> str:
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, str):
        return "'" + given.replace("'", "''") + "'"
    return str(given)


def pg_hba(config: Config) -> str:
    """Who may log in from where: the host's own lines above those of NixOS."""
    own: str = option(config, "services", "postgresql", "authentication", default="")
    return own + _HBA_DEFAULT


def pg_ident(config: Config) -> str:
    """Which users of the system are which of the server."""
    own: str = option(config, "services", "postgresql", "identMap", default="")
    return "postgres postgres postgres\n" + own
