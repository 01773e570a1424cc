"""Compose documents from the specification's own keys: for each a few values that say something."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MEANINGFUL: dict[str, list[Any]] = {
    "annotations": [{"a.b": "c"}, ["a=b"]],
    "attach": [True],
    "blkio_config": [{"weight": 300}, {"device_read_bps": [{"path": "/dev/sda", "rate": "1mb"}]}],
    "build": ["./dir", {"context": ".", "target": "x", "args": ["A=b"]}],
    "cap_add": [["NET_ADMIN"], ["CAP_CHOWN", "ALL"]],
    "cap_drop": [["ALL"]],
    "cgroup": ["host"],
    "cgroup_parent": ["m-executor"],
    "command": ["run --it", ["run", "$$HOME"]],
    "configs": [["conf"], [{"source": "conf", "target": "/etc/c", "mode": "0440"}]],
    "container_name": ["own-name"],
    "cpu_count": [2],
    "cpu_percent": [50],
    "cpu_period": ["100ms", 100000],
    "cpu_quota": ["50ms"],
    "cpu_rt_period": ["1400us"],
    "cpu_rt_runtime": ["400us"],
    "cpu_shares": [512],
    "cpus": [1.5, "0.25"],
    "cpuset": ["0-2,4"],
    "credential_spec": [{"file": "c.json"}],
    "depends_on": [["peer"], {"peer": {"condition": "service_healthy", "restart": True}}],
    "deploy": [
        {"replicas": 2},
        {"placement": {"constraints": ["a"]}},
        {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": 1}]}}},
        {"restart_policy": {"condition": "on-failure", "max_attempts": 3}},
    ],
    "develop": [{"watch": []}],
    "device_cgroup_rules": [["c 1:3 mr"]],
    "devices": [["/dev/dri"], ["/dev/a:/dev/b:r"], ["vendor.com/gpu=all"], [{"source": "/dev/x"}]],
    "dns": ["1.1.1.1", ["8.8.8.8", "9.9.9.9"]],
    "dns_opt": [["ndots:2"]],
    "dns_search": ["example.org"],
    "domainname": ["example.org"],
    "entrypoint": ["/run.sh", ["/run.sh", "-x"], []],
    "env_file": ["gone.env", [{"path": "there.env"}]],
    "environment": [{"A": "1"}, ["B=2"], {"DB_PASSWORD": "hidden-text"}],
    "expose": [["3000"], [3000, "8000-8002/udp"]],
    "extends": [{"service": "peer"}],
    "external_links": [["other"]],
    "extra_hosts": [["a:10.0.0.1"], {"b": "10.0.0.2"}, ["host.docker.internal:host-gateway"]],
    "gpus": ["all", [{"driver": "nvidia", "count": 2}]],
    "group_add": [["video", 44]],
    "healthcheck": [{"test": "true", "interval": "5s"}, {"test": ["CMD", "x"], "start_interval": "1s"}],
    "hostname": ["named"],
    "image": ["registry.example/other:2"],
    "init": [True],
    "ipc": ["host", "shareable", "service:peer"],
    "isolation": ["default"],
    "label_file": ["gone.labels"],
    "labels": [{"a": "b"}, ["c=d"], ["token=hidden-text"]],
    "links": [["peer:other"]],
    "logging": [
        {"driver": "syslog"},
        {"driver": "json-file", "options": {"max-size": "1m", "max-file": "2"}},
    ],
    "mac_address": ["02:42:ac:11:65:43"],
    "mem_limit": ["512m"],
    "mem_reservation": ["64m"],
    "mem_swappiness": [10],
    "memswap_limit": ["1g", -1],
    "models": [["llm"]],
    "network_mode": ["host", "none", "service:peer"],
    "networks": [["front"], {"back": {"aliases": ["x"], "ipv4_address": "10.1.2.3"}}],
    "oom_kill_disable": [True],
    "oom_score_adj": [100],
    "pid": ["host"],
    "pids_limit": [100],
    "platform": ["linux/amd64"],
    "ports": [["8080:80"], ["127.0.0.1:53:53/udp"], [{"target": 80, "published": "8080"}], ["9000"]],
    "post_start": [[{"command": "x"}]],
    "pre_stop": [[{"command": "x"}]],
    "privileged": [True],
    "profiles": [["debug"]],
    "provider": [{"type": "cloud"}],
    "pull_policy": ["always", "daily"],
    "read_only": [True],
    "restart": ["always", "on-failure:3", "no"],
    "runtime": ["runsc"],
    "scale": [3, 0],
    "secrets": [["key"], [{"source": "key", "target": "/k", "uid": "1"}]],
    "security_opt": [["no-new-privileges:true"], ["seccomp:unconfined"]],
    "shm_size": ["64m"],
    "stdin_open": [True],
    "stop_grace_period": ["1m30s"],
    "stop_signal": ["SIGUSR1"],
    "storage_opt": [{"size": "1G"}],
    "sysctls": [{"net.core.somaxconn": 1024}, ["kernel.shmmax=1"]],
    "tmpfs": ["/run", ["/tmp:size=64m,mode=700"]],
    "tty": [True],
    "ulimits": [{"nofile": 1024}, {"nofile": {"soft": 1, "hard": 2}}],
    "use_api_socket": [True],
    "user": ["1000:1000"],
    "userns_mode": ["host", "keep-id"],
    "uts": ["host"],
    "volumes": [
        ["data:/data"],
        ["./dir:/etc/dir:ro"],
        ["/abs:/abs:z"],
        ["/anonymous"],
        [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1024}}],
        [{"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}}],
        ["./small.conf:/etc/small.conf"],
    ],
    "volumes_from": [["peer:ro"], ["container:gone"]],
    "working_dir": ["/code"],
}
"""For every service key values whose absence must be seen, in the graph or in the notes."""
IMAGES = ("app:1", "postgres:17", "redis", "nats:2", "nginx", "grafana/grafana", "rabbitmq:4")
_ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    -1,
    1.5,
    True,
    [],
    {},
    [None],
    [[]],
    {"a": None},
    {"a": [{}]},
    "${A",
    "$$",
    "a:b:c:d:e",
    "\x85",
)
"""Values no key was made for, or some were."""


def document(services: dict[str, Any]) -> dict[str, Any]:
    """A compose document in which every name that the values above use exists."""
    peer = {"image": "peer", "volumes": ["shared:/shared"], "environment": {"PEER": "1"}}
    return {
        "name": "shop",
        "services": {"peer": peer, **services},
        "volumes": {"data": {}, "shared": {}},
        "networks": {"front": {}, "back": {"internal": True}},
        "secrets": {"key": {"file": "./key.txt"}},
        "configs": {"conf": {"content": "a = b\n"}},
    }


def services(without: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """One service of some keys, each with a meaningful value."""
    left_out = {"image", *without}
    keys = {key: st.sampled_from(held) for key, held in MEANINGFUL.items() if key not in left_out}
    return st.fixed_dictionaries({"image": st.sampled_from(IMAGES)}, optional=keys)


def odd_documents() -> st.SearchStrategy[Any]:
    """Documents with one or more values that are wrong, or at the edge of being right."""
    odd = st.sampled_from(_ODD) | st.text(max_size=20) | st.integers()
    value = st.one_of(odd, st.lists(odd, max_size=3), st.dictionaries(st.text(max_size=8), odd, max_size=3))
    service = st.dictionaries(st.sampled_from(sorted(MEANINGFUL)), value, max_size=6)
    wrong = st.tuples(services(), service).map(lambda both: {**both[0], **both[1]})
    section = st.sampled_from(
        ["volumes", "networks", "secrets", "configs", "include", "name", "models", "x-a"]
    )
    return st.builds(
        lambda one, changes: {**document({"web": one}), **changes},
        wrong | value,
        st.dictionaries(section, value, max_size=2),
    )
