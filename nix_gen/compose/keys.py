"""The keys of the compose specification, and what becomes of each.

Pure data; docs/compose.md shows the same table, and a test holds the two together. Source: compose
specification, "Services top-level element".
"""

from __future__ import annotations

_OPTION = "container option of the same meaning"
_NOT_CARRIED = "not carried over; a note says so"

SERVICE_KEYS = {
    "annotations": _OPTION,
    "attach": _NOT_CARRIED,
    "blkio_config": _OPTION,
    "build": "`build` of the node; the image must be built and loaded by its operator",
    "cap_add": _OPTION,
    "cap_drop": _OPTION,
    "cgroup": _OPTION,
    "cgroup_parent": _OPTION,
    "command": "`command`; flags of a native service become its settings",
    "configs": "`files` of the node; a secret reference where the text looks like a secret",
    "container_name": "one of the `aliases`",
    "cpu_count": _NOT_CARRIED,
    "cpu_percent": _NOT_CARRIED,
    "cpu_period": _OPTION,
    "cpu_quota": _OPTION,
    "cpu_rt_period": _OPTION,
    "cpu_rt_runtime": _OPTION,
    "cpu_shares": _OPTION,
    "cpus": "`resources`",
    "cpuset": _OPTION,
    "credential_spec": _NOT_CARRIED,
    "depends_on": "`depends_on` edges with their condition; a required one restarts its dependents",
    "deploy": "`replicas`, `resources`, `restart`, devices; a note names the rest",
    "develop": _NOT_CARRIED,
    "device_cgroup_rules": _OPTION,
    "devices": _OPTION,
    "dns": _OPTION,
    "dns_opt": _OPTION,
    "dns_search": _OPTION,
    "domainname": _OPTION,
    "entrypoint": "`entrypoint`",
    "env_file": "`environment` and secret references, from files beside the compose file",
    "environment": "`environment`; what looks like a secret becomes a reference by name",
    "expose": "`ports` that are not published",
    "extends": "resolved before anything else",
    "external_links": _NOT_CARRIED,
    "extra_hosts": _OPTION,
    "gpus": "devices by their CDI names",
    "group_add": _OPTION,
    "healthcheck": "`health_check`",
    "hostname": "`hostname`, and one of the `aliases`",
    "image": "`image`, or a native service of a known program",
    "init": _OPTION,
    "ipc": _OPTION,
    "isolation": _NOT_CARRIED,
    "label_file": "`labels`",
    "labels": "`labels`",
    "links": "`depends_on` and `connects_to` edges, and an alias",
    "logging": "container option; other drivers than podman's become a note",
    "mac_address": _OPTION,
    "mem_limit": "`resources`",
    "mem_reservation": "`resources`",
    "mem_swappiness": _OPTION,
    "memswap_limit": _OPTION,
    "models": _NOT_CARRIED,
    "network_mode": "`network` of the container options: bridge, host, none or that of another node",
    "networks": "`networks` of the container options, where they keep containers apart; `aliases`",
    "oom_kill_disable": _OPTION,
    "oom_score_adj": _OPTION,
    "pid": _OPTION,
    "pids_limit": "`resources`",
    "platform": _OPTION,
    "ports": "`ports`, published",
    "post_start": _NOT_CARRIED,
    "pre_stop": _NOT_CARRIED,
    "privileged": _OPTION,
    "profiles": "a service whose profiles are not enabled is left out; a note says so",
    "provider": _NOT_CARRIED,
    "pull_policy": _OPTION,
    "read_only": _OPTION,
    "restart": "`restart`, with the limit of `on-failure`",
    "runtime": _OPTION,
    "scale": "`replicas`",
    "secrets": "secret references",
    "security_opt": _OPTION,
    "shm_size": _OPTION,
    "stdin_open": _OPTION,
    "stop_grace_period": _OPTION,
    "stop_signal": "`stop_signal`",
    "storage_opt": _OPTION,
    "sysctls": _OPTION,
    "tmpfs": "mounts of memory",
    "tty": _OPTION,
    "ulimits": _OPTION,
    "use_api_socket": _NOT_CARRIED,
    "user": "`user`",
    "userns_mode": _OPTION,
    "uts": _OPTION,
    "volumes": "named: storage nodes and `mounts_volume` edges; small text files: `files`; others: mounts",
    "volumes_from": "the mounts of the other service",
    "working_dir": "`working_dir`",
}
"""Every service key, and what it becomes."""
HANDLED = frozenset(key for key, becomes in SERVICE_KEYS.items() if becomes != _NOT_CARRIED)
"""Service keys that are read."""
KNOWN = frozenset(SERVICE_KEYS)
"""Every service key."""
_WEIGHTY = """
cap_add devices external_links gpus ipc network_mode pid post_start pre_stop privileged provider read_only
runtime security_opt shm_size sysctls use_api_socket userns_mode
"""
WEIGHTY = frozenset(_WEIGHTY.split())
"""Service keys without which, where they are not carried over, the service may not work: warnings."""
TOP_LEVEL_KEYS = {
    "configs": "files of the services that use them",
    "include": "the services of the other file",
    "models": _NOT_CARRIED,
    "name": "name of the graph",
    "networks": "networks of the containers, where they keep some apart",
    "secrets": "references by name",
    "services": "nodes",
    "version": "ignored, as the specification says",
    "volumes": "storage nodes",
}
"""Every top-level key, and what it becomes."""
TOP_LEVEL = frozenset(TOP_LEVEL_KEYS)
