"""`services.redis.servers.<name>` -> the two files a redis reads.

After nixos/modules/services/databases/redis.nix, which writes the settings into the store and the password
beside them when the unit starts. Left out: paths of the Nix store and what no generated flake sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.nixos_rendering.configs import Config, option

_SAVE = [[900, 1], [300, 10], [60, 10_000]]


def redis_conf(config: Config, name: str, folder: Path) -> str:
    """What NixOS writes into the store for a server that keeps its data in `folder`."""
    server = option(config, "services", "redis", "servers", name, default={})
    settings: dict[str, Any] = {
        "port": server.get("port", 0),
        "daemonize": False,
        "supervised": "no",  # systemd, on NixOS
        "loglevel": "notice",
        "databases": 16,
        "maxclients": 10_000,
        "save": [f"{after} {changes}" for after, changes in server.get("save", _SAVE)] or '""',
        "dbfilename": "dump.rdb",
        "dir": str(folder),
        "appendOnly": bool(server.get("appendOnly")),
        "appendfsync": "everysec",
    }
    bind = server.get("bind", "127.0.0.1")
    if bind is not None:
        settings["bind"] = bind
    slave_of = server.get("slaveOf")
    if slave_of:
        settings["slaveof"] = f"{slave_of['ip']} {slave_of['port']}"
    settings |= server.get("settings", {})
    return "".join(_lines(key, value) for key, value in sorted(settings.items()))


def _lines(key: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_lines(key, item) for item in value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{key} {value}\n"
