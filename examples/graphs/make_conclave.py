"""Conclave's own cluster as a deployment graph: three hosts, a nats-server and every service on each.

The permissions come from the same code that `conclave up` uses, the public keys from a store of yours:

    conclave agent add ops                  # makes a store with all keys, if there is none
    python examples/graphs/make_conclave.py .conclave/local/users.json >conclave.yaml
    conclave nix generate conclave.yaml -o cluster

Then give each host the seeds of what runs there as the secrets `conclave-<service>` (docs/security.md).
"""

import json
import sys
from pathlib import Path

import yaml

from conclave.identity import SERVICE_NAMES, service_permissions
from coordination.runtime.names import Subjects

HOSTS = {"a": "10.50.0.1", "b": "10.50.0.2", "c": "10.50.0.3"}
CREDENTIALS = "/run/conclave"


def bus(host):
    cluster = {"name": "conclave"}
    return {
        "id": f"bus-{host}", "kind": "message_bus", "host": host, "engine": "nats", "jetstream": True,
        "cluster": cluster, "settings": {"jetstream.sync_interval": "always"},
    }  # fmt: skip


def service(name, host, key):
    """One service on one host; on the others it stands by, and takes over within three seconds."""
    seed = f"{CREDENTIALS}/{name}.nk"
    return {
        "id": f"{name}-{host}", "kind": "service", "host": host, "package": "conclave", "nkey": key,
        "command": ["serve", name, "--nats", "nats://127.0.0.1:4222", "--replicas", "3"],
        "environment": {"CONCLAVE_CREDENTIALS": seed},
        "secrets": [{"name": f"conclave-{name}", "path": seed}],
        "restart": "always",
    }  # fmt: skip


def edges(name, host):
    allowed = service_permissions(name, Subjects())
    ends = {"source": f"{name}-{host}", "target": f"bus-{host}"}
    yield ends | {"kind": "depends_on"}
    yield ends | {"kind": "publishes_to", "subjects": list(allowed.publish)}
    yield ends | {
        "kind": "subscribes_to",
        "subjects": list(allowed.subscribe),
        "responds": allowed.may_answer,
    }


def graph(users):
    keys = {user["name"]: user["public_key"] for user in users["users"] if user["role"] == "service"}
    pairs = [(name, host) for name in SERVICE_NAMES for host in HOSTS]
    machines = [
        {"id": host, "kind": "host", "addresses": [address], "machine": "by-label"}
        for host, address in HOSTS.items()
    ]
    return {
        "graph": {"name": "conclave", "description": "Conclave on three hosts, any one of which may fail."},
        "nodes": [*machines, *map(bus, HOSTS), *(service(name, host, keys[name]) for name, host in pairs)],
        "edges": [edge for name, host in pairs for edge in edges(name, host)],
    }


if __name__ == "__main__":
    users_file = Path(sys.argv[1] if len(sys.argv) > 1 else ".conclave/local/users.json")
    print("# Conclave's own cluster, written by examples/graphs/make_conclave.py; the keys are examples.")
    yaml.safe_dump(
        graph(json.loads(users_file.read_text())),
        sys.stdout,
        sort_keys=False,
        default_flow_style=None,
        width=120,
    )
