"""`services.mysql.settings` -> my.cnf.

After nixos/modules/services/databases/mysql.nix. Left out: paths of the Nix store.
"""

from __future__ import annotations

from tests.support.nixos_rendering.configs import Config, option


def my_cnf(config: Config) -> str:
    """The settings of the server, section by section."""
    sections = option(config, "services", "mysql", "settings", default={})
    return "".join(
        f"[{section}]\n" + "".join(f"{name}={_value(value)}\n" for name, value in sorted(given.items()))
        for section, given in sorted(sections.items())
    )


def _value(given: object) -> str:
    return str(given).lower() if isinstance(given, bool) else str(given)
