"""Loki: keeps the logs that alloy sends it, on its own disk, for a time.

Pure. One process with everything in it, as it is meant for a single host: the store is a directory, the
index is TSDB with the schema v13, and the compactor deletes what is older than the retention.

The configuration is a file that Nix writes, not `services.loki.configuration`: the module puts that into a
shell script between apostrophes, where an apostrophe in a setting would run as a command at build time.
"""

from __future__ import annotations

from nix_gen.ir import Call, Plain, Ref, Str, attrs
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.words import listen_address, loki_duration
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Host, Monitoring

DATA = "/var/lib/loki"
CONFIG = "loki.json"
"""JSON is YAML."""
RETENTION_MS = 31 * 24 * 3600 * 1000
SCHEMA_FROM = "2024-01-01"
"""Any day before the first log; a schema is valid from a day on."""
_OPTION = ("services", "loki")


def lower_loki(site: Site, draft: Draft, host: Host) -> None:
    """Write the loki of a host."""
    for node in site.of_form(host.id, Form.LOKI):
        assert isinstance(node, Monitoring)
        folder, comments = DATA, [node_comment(node)]
        options: dict[str, Plain] = {"enable": True}
        own = data_directory(site, node)
        if own is not None:
            folder = options["dataDir"] = own[1]
            comments.append(f"{own[0].id}.")
        else:
            comments += [
                f"{edge.id}: the module keeps the data in {DATA}." for edge, _ in mounts_of(site, node)
            ]
        address = listen_address(site, host, node)
        text = Call(Ref(("builtins", "toJSON")), (attrs(configuration(site, node, folder, address)),))
        options["configFile"] = Call(Ref(("pkgs", "writeText")), (Str(CONFIG), text))
        draft.put(_OPTION, options, *comments)
        start_after(site, draft, node, ("systemd", "services", "loki"))


def configuration(site: Site, node: Monitoring, folder: str, address: str) -> dict[str, Plain]:
    """The configuration, with the node's own settings by dotted path laid over it."""
    held: dict[str, Plain] = {
        "auth_enabled": False,
        "server": {
            "http_listen_address": address.strip("[]"),
            "http_listen_port": node.listen_port,
            "grpc_listen_address": LOOPBACK,
        },
        "common": {
            "instance_addr": LOOPBACK,
            "path_prefix": folder,
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {
                    "chunks_directory": f"{folder}/chunks",
                    "rules_directory": f"{folder}/rules",
                }
            },
        },
        "schema_config": {
            "configs": [
                {
                    "from": SCHEMA_FROM,
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {"retention_period": loki_duration(node.retention_ms or RETENTION_MS)},
        "compactor": {
            "working_directory": f"{folder}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "analytics": {"reporting_enabled": False},
    }
    for name in sorted(node.settings):
        if not _lay(held, name.split("."), node.settings[name]):
            site.find(
                "bad-setting",
                node.id,
                f"the setting {name!r} is no path in loki's configuration that holds one value",
                "write it as `limits_config.ingestion_rate_mb`",
            )
    return held


def _lay(held: dict[str, Plain], path: list[str], given: bool | int | str) -> bool:  # noqa: FBT001
    """Put a value at a path; False where something else stands in the way."""
    branch = held
    for name in path[:-1]:
        inner = branch.setdefault(name, {})
        if not name or not isinstance(inner, dict):
            return False
        branch = inner
    if not path[-1] or isinstance(branch.get(path[-1]), dict | list):
        return False
    branch[path[-1]] = given
    return True
