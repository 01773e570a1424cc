"""The keys of the compose specification, and which of them the graph has a place for.

Pure data. Source: compose specification, "Services top-level element".
"""

from __future__ import annotations

_HANDLED = """
build command configs container_name cpus depends_on deploy entrypoint env_file environment expose extends
healthcheck hostname image labels links mem_limit mem_reservation networks pids_limit ports profiles restart
scale secrets stop_signal tmpfs user volumes working_dir
"""
_WEIGHTY = """
cap_add cap_drop devices external_links extra_hosts gpus group_add ipc network_mode pid platform post_start
pre_stop privileged provider read_only runtime security_opt shm_size sysctls userns_mode volumes_from
"""
_LIGHT = """
annotations attach blkio_config cgroup cgroup_parent cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period
cpu_rt_runtime cpu_shares cpuset credential_spec develop device_cgroup_rules dns dns_opt dns_search domainname
init isolation label_file logging mac_address mem_swappiness memswap_limit models name oom_kill_disable
oom_score_adj pull_policy stdin_open stop_grace_period storage_opt tty ulimits use_api_socket uts
"""

HANDLED = frozenset(_HANDLED.split())
"""Service keys that are read."""
WEIGHTY = frozenset(_WEIGHTY.split())
"""Service keys that are not carried over and without which the service may not work: warnings."""
KNOWN = HANDLED | WEIGHTY | frozenset(_LIGHT.split())
"""Every service key."""
TOP_LEVEL = frozenset(
    ["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"]
)
"""Every top-level key."""
