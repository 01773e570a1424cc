"""The keys of a compose service that only a container has, as `ContainerOptions`.

Pure. A value that docker takes and the graph has no word for becomes a warning, never silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from pydantic import ValidationError

from nix_gen.compose import devices
from nix_gen.compose.source import Importing, left_open
from nix_gen.compose.syntax import duration_ms, size_bytes
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.nodes import ContainerOptions
from nix_gen.places import Mapping as Entries
from nix_gen.places import Value
from nix_gen.scalars import DURATION_MAX_MS

_SERVICE_MODE = re.compile(r"(service|container):(.+)")
_BOOLEANS = ("init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty")
_WORDS = {
    "cgroup": "cgroup",
    "cgroup_parent": "cgroup_parent",
    "cpuset": "cpuset",
    "domainname": "domain_name",
    "platform": "platform",
    "runtime": "runtime",
    "userns_mode": "userns",
    "uts": "uts",
}
_LISTS = {
    "device_cgroup_rules": "device_cgroup_rules",
    "dns": "dns",
    "dns_opt": "dns_options",
    "dns_search": "dns_search",
    "group_add": "group_add",
}
_NUMBERS = {
    "cpu_shares": "cpu_shares",
    "mem_swappiness": "memory_swappiness",
    "oom_score_adj": "oom_score_adj",
}
_MICROSECONDS = {
    "cpu_period": "cpu_period_us",
    "cpu_quota": "cpu_quota_us",
    "cpu_rt_period": "cpu_rt_period_us",
    "cpu_rt_runtime": "cpu_rt_runtime_us",
}
_SIZES = {"memswap_limit": "memory_swap_bytes", "shm_size": "shm_size_bytes"}
_PULL = {"always": "always", "never": "never", "missing": "missing", "if_not_present": "missing"}
_DRIVERS = frozenset({"journald", "json-file", "k8s-file", "none"})
_LOG_OPTIONS = frozenset({"max-size", "path", "tag", "label"})
_EITHER = "add it to the host's configuration if the service needs it"


@dataclass(slots=True, kw_only=True)
class ContainerReading:
    """The container options of one service, while they are read."""

    node_id: str
    where: str
    importing: Importing
    ids: dict[str, str]
    """Node ids by the names of services and of their containers."""
    fields: dict[str, object] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    """Keys that said something, with their lines."""

    def keep(self, key: str, name: str, held: object, line: int) -> None:
        """Take a value over if the graph has a word for it; else warn."""
        try:
            ContainerOptions.model_validate({name: held})
        except ValidationError:
            self.drop(key, held, line)
            return
        self.fields[name] = held
        self.keys[key] = line

    def drop(self, key: str, held: object, line: int, mend: str = _EITHER) -> None:
        """Say that a value is left out."""
        shown = ", ".join(map(str, held)) if isinstance(held, list) else str(held)
        what = f"'{key}' of {self.where} ({quoted(shown)[1:-1]})"
        self.importing.dropped(self.node_id, what, mend, line=line, warn=True)


def read_container(reading: ContainerReading, given: dict[str, Value]) -> None:
    """Read every key of a service that is a container option."""
    _plain(reading, given)
    _measured(reading, given)
    _modes(reading, given)
    for key, read in _READERS.items():
        value = given.get(key)
        if value is not None and not left_open(value):
            read(reading, value)
    devices.read_devices(reading, given)


def _texts(reading: ContainerReading, value: Value, key: str) -> list[str]:
    texts = reading.importing.texts(value, f"{reading.where}, {key}")
    return [text for text in texts if text]


def _plain(reading: ContainerReading, given: dict[str, Value]) -> None:
    importing, where = reading.importing, reading.where
    for key in _BOOLEANS:
        value = given.get(key)
        if value is not None and importing.boolean(value, f"{where}, {key}"):
            reading.keep(key, key, True, value.line)
    for key, name in _WORDS.items():
        value = given.get(key)
        text = importing.text(value, f"{where}, {key}")
        if text and value is not None:
            reading.keep(key, name, text, value.line)
    for key, name in _LISTS.items():
        value = given.get(key)
        if value is not None and (texts := _texts(reading, value, key)):
            reading.keep(key, name, texts, value.line)
    for key in ("cap_add", "cap_drop"):
        value = given.get(key)
        if value is not None and (texts := _texts(reading, value, key)):
            reading.keep(key, key, [text.upper().removeprefix("CAP_") for text in texts], value.line)


def _measured(reading: ContainerReading, given: dict[str, Value]) -> None:
    importing = reading.importing
    for key, name, read in (
        *((key, name, _number) for key, name in _NUMBERS.items()),
        *((key, name, _microseconds) for key, name in _MICROSECONDS.items()),
        *((key, name, _size) for key, name in _SIZES.items()),
        ("stop_grace_period", "stop_grace_ms", _grace),
    ):
        value = given.get(key)
        place = f"{reading.where}, {key}"
        text = importing.text(value, place)
        if not text or value is None:
            continue
        number = importing.attempt(
            partial(read, text), place, "write a number with its unit", line=value.line
        )
        if number is not None and not (name in {"cpu_shares", "cpu_quota_us"} and number <= 0):
            reading.keep(key, name, number, value.line)


def _number(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise ValueError(f"{quoted(text)} is not a whole number")
    return int(text)


def _microseconds(text: str) -> int:
    return _number(text) if re.fullmatch(r"-?[0-9]+", text) else duration_ms(text) * 1000


def _size(text: str) -> int:
    return -1 if text == "-1" else size_bytes(text)


def _grace(text: str) -> int:
    return min(duration_ms(text), DURATION_MAX_MS)


def _modes(reading: ContainerReading, given: dict[str, Value]) -> None:
    """`pid` and `ipc`, which may name another service. `network_mode` is read with the networks."""
    for key in ("pid", "ipc"):
        value = given.get(key)
        text = reading.importing.text(value, f"{reading.where}, {key}")
        if text and value is not None:
            mode = node_mode(reading, text)
            reading.keep(key, key, text if mode is None else mode, value.line)


def node_mode(reading: ContainerReading, text: str) -> str | None:
    """`node:<id>` for `service:<name>` and `container:<name>` of this project; None for anything else."""
    found = _SERVICE_MODE.fullmatch(text)
    node_id = None if found is None else reading.ids.get(found[2])
    return None if node_id is None else f"node:{node_id}"


def _security(reading: ContainerReading, value: Value) -> None:
    kept = []
    for text in _texts(reading, value, "security_opt"):
        name, colon, setting = text.replace("=", ":", 1).partition(":")
        one = {"systempaths:unconfined": "unmask=ALL", "no-new-privileges:true": "no-new-privileges"}.get(
            f"{name}{colon}{setting}", f"{name}={setting}" if colon else name
        )
        if name == "seccomp" and setting not in {"unconfined", ""} and not setting.startswith("/"):
            mend = "bring the profile to the host and name it by its path"
            reading.drop("security_opt", text, value.line, mend)
        elif not _fits("security_opt", [one]):
            reading.drop("security_opt", text, value.line)
        else:
            kept.append(one)
    if kept:
        reading.keep("security_opt", "security_opt", kept, value.line)


def _fits(name: str, held: object) -> bool:
    try:
        ContainerOptions.model_validate({name: held})
    except ValidationError:
        return False
    return True


def _sysctls(reading: ContainerReading, value: Value) -> None:
    pairs = reading.importing.pairs(value, f"{reading.where}, sysctls")
    reading.keep("sysctls", "sysctls", {key: scalar.text for key, scalar in pairs.items()}, value.line)


def _annotations(reading: ContainerReading, value: Value) -> None:
    pairs = reading.importing.pairs(value, f"{reading.where}, annotations")
    reading.keep("annotations", "annotations", {key: one.text for key, one in pairs.items()}, value.line)


def _storage(reading: ContainerReading, value: Value) -> None:
    pairs = reading.importing.pairs(value, f"{reading.where}, storage_opt")
    reading.keep("storage_opt", "storage_opt", {key: one.text for key, one in pairs.items()}, value.line)


def _ulimits(reading: ContainerReading, value: Value) -> None:
    importing, place = reading.importing, f"{reading.where}, ulimits"
    limits = []
    for name, entry in importing.entries(value, place).entries.items():
        if isinstance(entry, Entries):
            texts = {key: importing.text(one, f"{place}.{name}") for key, one in entry.entries.items()}
            soft, hard = texts.get("soft"), texts.get("hard")
        else:
            soft = hard = importing.text(entry, f"{place}.{name}")
        soft, hard = soft or hard, hard or soft
        if soft is None or hard is None:
            continue
        numbers = importing.attempt(
            lambda soft=soft, hard=hard: (_number(soft), _number(hard)),  # type: ignore[misc]
            f"{place}.{name}",
            "write a number, or soft and hard",
            line=entry.line,
        )
        if numbers is not None:
            limits.append({"name": name, "soft": numbers[0], "hard": numbers[1]})
    if limits:
        reading.keep("ulimits", "ulimits", limits, value.line)


def _extra_hosts(reading: ContainerReading, value: Value) -> None:
    entries = []
    for name, text in _host_pairs(reading, value):
        address = text.strip("[]")
        if address == "host-gateway":
            entries.append({"name": name})
            reading.importing.note(
                "host-reached",
                reading.node_id,
                f"{reading.where} reaches its host as {quoted(name)}, whose firewall lets nothing through",
                "open the port in the host's configuration, or make the program a node with an edge",
                line=value.line,
                severity=Severity.WARNING,
            )
        elif _fits("extra_hosts", [{"name": name, "address": address}]):
            entries.append({"name": name, "address": address})
        else:
            reading.drop("extra_hosts", f"{name}:{text}", value.line, "write NAME:ADDRESS")
    if entries:
        reading.keep("extra_hosts", "extra_hosts", entries, value.line)


def _host_pairs(reading: ContainerReading, value: Value) -> Iterator[tuple[str, str]]:
    importing, place = reading.importing, f"{reading.where}, extra_hosts"
    if isinstance(value, Entries):
        for name, entry in value.entries.items():
            for text in importing.texts(entry, f"{place}.{name}"):
                yield name, text
        return
    for item in importing.items(value, place):
        text = importing.text(item, place) or ""
        if left_open(item) or not text:
            continue
        name, _, address = text.replace("=", ":", 1).partition(":")
        yield name.strip(), address.strip()


def _mac_address(reading: ContainerReading, value: Value) -> None:
    text = reading.importing.text(value, f"{reading.where}, mac_address") or ""
    if text:
        reading.keep("mac_address", "mac_address", text.lower().replace("-", ":"), value.line)


def _logging(reading: ContainerReading, value: Value) -> None:
    importing, place = reading.importing, f"{reading.where}, logging"
    entries = importing.entries(value, place).entries
    driver = importing.text(entries.get("driver"), f"{place}.driver") or ("json-file" if entries else "")
    pairs = importing.pairs(entries.get("options"), f"{place}.options")
    if not driver:
        return
    if driver not in _DRIVERS:
        mend = "the journal of the host has the output; ship it from there"
        reading.drop("logging", driver, value.line, mend)
        return
    kept = {key: scalar.text for key, scalar in pairs.items() if key in _LOG_OPTIONS}
    left = sorted(pairs.keys() - kept.keys()) + sorted(entries.keys() - {"driver", "options"})
    if left:
        what = f"the logging option {quoted(', '.join(left))[1:-1]} of {reading.where}"
        importing.dropped(reading.node_id, what, "set it on the host", line=value.line)
    reading.keep("logging", "logging", {"driver": driver, "options": kept}, value.line)


def _pull(reading: ContainerReading, value: Value) -> None:
    text = reading.importing.text(value, f"{reading.where}, pull_policy") or ""
    if text in _PULL:
        reading.keep("pull_policy", "pull", _PULL[text], value.line)
    elif re.fullmatch(r"daily|weekly|every_.+", text):
        what = f"the period {quoted(text)} of 'pull_policy' of {reading.where}"
        mend = "nothing to do: a newer image is fetched at every start"
        reading.importing.dropped(reading.node_id, what, mend, line=value.line)
        reading.keep("pull_policy", "pull", "newer", value.line)
    elif text and text != "build":
        reading.drop("pull_policy", text, value.line, "write always, missing or never")


def _blkio(reading: ContainerReading, value: Value) -> None:
    importing, place = reading.importing, f"{reading.where}, blkio_config"
    entries = importing.entries(value, place).entries
    rates: list[dict[str, object]] = []
    for key, entry in entries.items():
        found = re.fullmatch(r"device_(read|write)_(bps|iops)", key)
        if key == "weight":
            weight = importing.integer(entry, f"{place}.weight")
            if weight is not None:
                reading.keep("blkio_config", "blkio_weight", weight, entry.line)
        elif found is None:
            reading.drop(f"blkio_config.{key}", "of single devices", entry.line)
        else:
            for item in importing.items(entry, f"{place}.{key}"):
                one = importing.entries(item, f"{place}.{key}").entries
                path, rate = (importing.text(one.get(name), f"{place}.{key}") for name in ("path", "rate"))
                number = importing.attempt(
                    partial(_size, rate or ""), f"{place}.{key}", "write path and rate", line=item.line
                )
                rates.append({"kind": f"{found[1]}-{found[2]}", "path": path, "rate": number})
    if rates:
        reading.keep("blkio_config", "device_rates", rates, value.line)


_READERS: dict[str, Callable[[ContainerReading, Value], None]] = {
    "annotations": _annotations,
    "blkio_config": _blkio,
    "extra_hosts": _extra_hosts,
    "logging": _logging,
    "mac_address": _mac_address,
    "pull_policy": _pull,
    "security_opt": _security,
    "storage_opt": _storage,
    "sysctls": _sysctls,
    "ulimits": _ulimits,
}
