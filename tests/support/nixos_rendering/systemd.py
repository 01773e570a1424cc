"""`systemd.services`, `.timers`, `.sockets`, ... -> unit files, as far as the generated modules write them.

The units that NixOS's own modules make (`postgresql.service`, `nginx.service`) are in no option, so a
stand-in takes their place wherever one is named: an empty oneshot, or the part that the graph adds to it.
Left out: `path` (it only sets PATH), and the wrapper around `script`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.nixos_rendering.configs import Config, option

_PROGRAM = "/bin/true"
"""Stands for every program of the Nix store, so that it exists."""
_LISTS = {
    "after": "After", "before": "Before", "wants": "Wants", "requires": "Requires", "requisite": "Requisite",
    "bindsTo": "BindsTo", "partOf": "PartOf", "conflicts": "Conflicts", "onFailure": "OnFailure",
    "upholds": "Upholds", "onSuccess": "OnSuccess",
}  # fmt: skip
_PROGRAMS = frozenset(
    {"ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost", "ExecReload", "ExecCondition"}
)
_SCRIPTS = {
    "script": "ExecStart", "preStart": "ExecStartPre", "postStart": "ExecStartPost", "preStop": "ExecStop",
    "postStop": "ExecStopPost", "reload": "ExecReload",
}  # fmt: skip
_SECTIONS = {
    "services": "Service",
    "timers": "Timer",
    "sockets": "Socket",
    "targets": "Target",
    "paths": "Path",
}
_OWN_KEYS = {
    "services": "serviceConfig",
    "timers": "timerConfig",
    "sockets": "socketConfig",
    "paths": "pathConfig",
}


_ALWAYS = frozenset(
    {"basic.target", "multi-user.target", "shutdown.target", "sysinit.target", "timers.target"}
)
"""Units that every other one is ordered by."""


def systemd_units(config: Config, folder: Path) -> list[Path]:
    """Write the unit files of a host into a folder; every unit that one of them names is there, too."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    named: set[str] = set()
    for kind, section in _SECTIONS.items():
        for name, unit in sorted((option(config, "systemd", kind, default={})).items()):
            file = folder / f"{name}.{kind.removesuffix('s')}"
            file.write_text(_unit_text(unit, kind, section), encoding="utf-8")
            written[file.name] = file
            named |= {other for key in (*_LISTS, "wantedBy", "requiredBy") for other in unit.get(key) or ()}
            if kind == "services" and unit.get("startAt"):
                timer = folder / f"{name}.timer"
                timer.write_text(_timer_text(unit["startAt"]), encoding="utf-8")
                written[timer.name] = timer
    _reverse_dependencies(config, folder)
    for other in sorted((named | _ALWAYS) - set(written)):
        _stand_in(folder / other)
    return [written[name] for name in sorted(written)]


def _unit_text(unit: dict[str, Any], kind: str, section: str) -> str:
    lines = ["[Unit]"]
    if unit.get("description"):
        lines.append(f"Description={unit['description'].replace(chr(10), ' ')}")
    for key, word in _LISTS.items():
        if unit.get(key):
            lines.append(f"{word}={' '.join(unit[key])}")
    lines += _entries(unit.get("unitConfig") or {})
    if "startLimitBurst" in unit:
        lines.append(f"StartLimitBurst={unit['startLimitBurst']}")
    if "startLimitIntervalSec" in unit:
        lines.append(f"StartLimitIntervalSec={unit['startLimitIntervalSec']}")
    if section != "Target":
        lines.append(f"[{section}]")
        own = dict(unit.get(_OWN_KEYS[kind]) or {})
        if kind == "services":
            lines += _service_lines(unit, own)
        lines += _entries(own)
        if kind == "sockets":
            lines += [f"ListenStream={address}" for address in unit.get("listenStreams") or ()]
    return "\n".join(lines) + "\n"


def _service_lines(unit: dict[str, Any], own: dict[str, Any]) -> list[str]:
    lines = [
        f"Environment={json.dumps(f'{name}={value}', ensure_ascii=False)}"
        for name, value in sorted((unit.get("environment") or {}).items())
        if value is not None
    ]
    for key, word in _SCRIPTS.items():
        if unit.get(key) and word not in own:
            lines.append(f"{word}={_PROGRAM}")
    if not any(word in own for word in ("ExecStart", "ExecStop")) and not unit.get("script"):
        # A unit of a NixOS module to which the graph only adds.
        lines.append(f"ExecStart={_PROGRAM}")
        own.setdefault("Type", "oneshot")
    return lines


def _entries(entries: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in sorted(entries.items()):
        for one in value if isinstance(value, list) else [value]:
            if one is None:
                continue
            text = ("true" if one else "false") if isinstance(one, bool) else str(one)
            lines.append(f"{name}={_program(text) if name in _PROGRAMS else text}")
    return lines


def _program(command: str) -> str:
    """A command line whose program exists: the stand-in packages of nixcheck hold none."""
    prefix = command[: len(command) - len(command.lstrip("@-:+!"))]
    words = command.removeprefix(prefix).split(maxsplit=1)
    return f"{prefix}{_PROGRAM} {words[1] if len(words) > 1 else ''}".rstrip() if words else command


def _timer_text(start_at: str | list[str]) -> str:
    times = [start_at] if isinstance(start_at, str) else start_at
    return "[Timer]\n" + "".join(f"OnCalendar={time}\n" for time in times)


def _reverse_dependencies(config: Config, folder: Path) -> None:
    """`wantedBy` and `requiredBy`: links in folders of the unit that asks, as systemd has them."""
    for kind in _SECTIONS:
        for name, unit in sorted((option(config, "systemd", kind, default={})).items()):
            for key, suffix in (("wantedBy", "wants"), ("requiredBy", "requires")):
                for other in unit.get(key) or ():
                    links: Path = folder / f"{other}.{suffix}"
                    links.mkdir(exist_ok=True)
                    file = f"{name}.{kind.removesuffix('s')}"
                    if not (links / file).is_symlink():
                        (links / file).symlink_to(f"../{file}")


def _stand_in(file: Path) -> None:
    match file.suffix:
        case ".service":
            text = f"[Service]\nType=oneshot\nRemainAfterExit=true\nExecStart={_PROGRAM}\n"
        case ".timer":
            text = "[Timer]\nOnCalendar=daily\n"
        case ".mount":
            return
        case ".socket":
            text = f"[Socket]\nListenStream=/run/{file.stem}.sock\n"
        case _:
            text = "[Unit]\nDescription=stand-in\n"
    file.write_text(text, encoding="utf-8")
