"""`services.nats` -> nats.conf, which is JSON.

After nixos/modules/services/networking/nats.nix: the settings of the graph, merged over what the module sets
itself. Left out: its users, directories and sandbox.
"""

from __future__ import annotations

from typing import Any

from tests.support.nixos_rendering.configs import Config, option

_PORT = 4222
_DATA_DIR = "/var/lib/nats"


def nats_json(config: Config) -> dict[str, Any] | None:
    """The document that nats-server reads, or None where the host has none."""
    service = option(config, "services", "nats", default={})
    if not service.get("enable"):
        return None
    store = {"store_dir": service.get("dataDir", _DATA_DIR)} if service.get("jetstream") else {}
    own: dict[str, Any] = {
        "server_name": service.get("serverName", "nats"),
        "port": service.get("port", _PORT),
        "jetstream": store,
    }
    return _merged(own, service.get("settings", {}))


def _merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Sets are merged member by member, as the module's JSON type does; what is forced replaces."""
    merged = dict(own)
    for name, value in given.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
