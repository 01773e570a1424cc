"""Readers for single keys of a compose service: image, build, environment, health check, restart, resources.

Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

from nix_gen.compose.source import Importing, left_open
from nix_gen.compose.syntax import cpu_milli, duration_ms, size_bytes
from nix_gen.compose.variables import read_raw, read_variables
from nix_gen.concealment import key_looks_secret, looks_secret
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.nodes import Build, HealthCheck, Resources, Restart
from nix_gen.places import Listing, Scalar, Value
from nix_gen.places import Mapping as Entries
from nix_gen.scalars import DURATION_MAX_MS, REPLICAS_MAX_COUNT

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_IMAGE_HEAD = re.compile(r"^[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentEntry:
    """One environment variable of a service."""

    value: str
    line: int
    secret: bool
    """Whether the value must not be carried as text."""
    variable: str | None = None
    """The variable of the compose file that is the whole value, if one is."""


def image(value: Value | None, node_id: str, where: str, importing: Importing) -> str | None:
    """The image reference; what an unset variable left malformed is mended, with a warning."""
    text = importing.text(value, f"{where}, image")
    if text is None or value is None:
        return None
    mended = _IMAGE_HEAD.sub("", text.strip()).rstrip(":@/")
    mended = re.sub(r"/:|:@", lambda match: match[0][-1], mended)
    if not isinstance(value, Scalar) or (mended == text and text):
        return text
    if not mended or not value.unset:
        cause = f" because {' and '.join(value.unset)} has no value" if value.unset else ""
        mend = "write a reference such as registry/name:tag, and its variables into .env"
        importing.problem(
            f"{where}, image", f"{quoted(text)} is no image reference{cause}", mend, line=value.line
        )
        return None
    importing.note(
        "image-decided",
        node_id,
        f"the image {quoted(text)} lacks the value of {', '.join(value.unset)}; {quoted(mended)} is used",
        f"write {value.unset[0]}=... into .env beside the file",
        line=value.line,
        severity=Severity.WARNING,
    )
    return mended


def build(value: Value | None, node_id: str, where: str, importing: Importing) -> Build | None:
    """The build section; only what names the image's source is kept."""
    if value is None or (isinstance(value, Scalar) and value.value is None):
        return None
    if isinstance(value, Scalar):
        context = _public(value.text, node_id, value.line, importing)
        return _built({"context": context}, where, value.line, importing)
    entries = importing.entries(value, f"{where}, build")
    fields: dict[str, object] = {}
    for key in ("context", "dockerfile", "target"):
        text = importing.text(entries.entries.get(key), f"{where}, build.{key}")
        if text:
            fields[key] = _public(text, node_id, entries.line, importing)
    arguments = importing.pairs(entries.entries.get("args"), f"{where}, build.args")
    kept = {
        key: scalar.text
        for key, scalar in arguments.items()
        if _ENV_NAME.fullmatch(key)
        and scalar.value is not None
        and not looks_secret(key, scalar.text)
        and not importing.concealed.inside(scalar.text)
    }
    fields["args"] = kept
    for key in sorted(arguments.keys() - kept.keys()):
        importing.dropped(
            node_id, f"the build argument {quoted(key)}", "give it to the build", line=arguments[key].line
        )
    for key in sorted(entries.entries.keys() - {"context", "dockerfile", "target", "args"}):
        line = entries.key_lines.get(key, entries.line)
        importing.dropped(node_id, f"'build.{quoted(key)[1:-1]}'", "give it to the build", line=line)
    return _built(fields, where, entries.line, importing)


def _public(text: str, node_id: str, line: int, importing: Importing) -> str:
    """The text, or nothing but `.` where it holds a secret (a repository's address with a token)."""
    if not looks_secret("", text) and not importing.concealed.inside(text):
        return text
    importing.dropped(
        node_id, "a build source with a secret in it", "build the image elsewhere", line=line, warn=True
    )
    return "."


def _built(fields: dict[str, object], where: str, line: int, importing: Importing) -> Build | None:
    built: Build | None = importing.built(Build, f"{where}, build", line=line, **fields)
    return built


def environment(
    given: dict[str, Value], node_id: str, where: str, importing: Importing
) -> dict[str, EnvironmentEntry]:
    """Variables of `env_file` and `environment`, the latter winning, each marked secret or not."""
    found: dict[str, EnvironmentEntry] = {}
    for item in importing.items(_as_list(given.get("env_file")), f"{where}, env_file"):
        for key, text in _env_file(item, node_id, where, importing).items():
            found[key] = _entry(key, text, item.line, importing)
    for key, scalar in importing.pairs(given.get("environment"), f"{where}, environment").items():
        value = _valued(key, scalar, node_id, importing)
        if value is not None:
            entry = _entry(key, value, scalar.line, importing, unset=scalar.unset, owed=scalar.owed)
            found[key] = replace(entry, variable=scalar.variable)
            hidden = entry.secret or importing.concealed.known(entry.value)
            if hidden and entry.value and scalar.variable:
                importing.variables.setdefault(entry.value, scalar.variable)
            if scalar.owed and not key_looks_secret(key):
                importing.note(
                    "unset-variable",
                    node_id,
                    f"the variable {quoted(key)} must have a value; the host gives it, as a secret",
                    f"write {scalar.variable}=... into .env beside the file",
                    line=scalar.line,
                    severity=Severity.WARNING,
                )
    for key in sorted(found):
        if not _ENV_NAME.fullmatch(key) or len(key) > 255 or "\0" in found[key].value:
            importing.dropped(
                node_id, f"the variable {quoted(key)}", "rename it", line=found[key].line, warn=True
            )
            del found[key]
    return found


def _as_list(value: Value | None) -> Value | None:
    return Listing([value], value.line, value.column) if isinstance(value, Entries) else value


def _valued(key: str, scalar: Scalar, node_id: str, importing: Importing) -> str | None:
    """The text of a variable; one given by name only comes from the import's environment."""
    if scalar.value is not None:
        return scalar.text
    if key in importing.environment:
        return importing.environment[key]
    if key_looks_secret(key):
        return ""
    importing.note(
        "unset-variable",
        node_id,
        f"the variable {quoted(key)} takes its value from whoever starts the service, and there is none here",
        f"write {key}=... into .env beside the file",
        line=scalar.line,
        severity=Severity.WARNING,
    )
    return None


def _entry(
    key: str,
    text: str,
    line: int,
    importing: Importing,
    *,
    unset: tuple[str, ...] = (),
    owed: bool = False,
) -> EnvironmentEntry:
    secret = owed or looks_secret(key, text) or (key_looks_secret(key) and (bool(unset) or text == ""))
    if secret:
        importing.hidden_variables.update(unset)
        importing.concealed.add(text)
    return EnvironmentEntry(value=text, line=line, secret=secret)


def _env_file(
    item: Value, node_id: str, where: str, importing: Importing, kind: str = "env_file"
) -> dict[str, str]:
    """Variables of a file beside; a missing one that may be missing is passed over, as compose does."""
    given = item.entries if isinstance(item, Entries) else {}
    required = given.get("required")
    may_miss = required is not None and not importing.boolean(required, f"{where}, {kind}.required")
    stated = importing.text(given.get("format"), f"{where}, {kind}.format") or ""
    path = importing.entries(item, where).entries.get("path") if isinstance(item, Entries) else item
    name = importing.text(path, f"{where}, {kind}")
    text = importing.reader(name) if name else None
    if text is None and may_miss:
        return {}
    if text is None:
        importing.note(
            "file-not-read",
            node_id,
            f"the {kind} {quoted(name)} is not below this file's folder; its variables are missing",
            "put it beside this file and import again",
            line=item.line,
            severity=Severity.WARNING,
        )
        return {}
    return read_raw(text) if stated == "raw" else read_variables(text, importing.environment)


def health_check(value: Value | None, node_id: str, where: str, importing: Importing) -> HealthCheck | None:
    """The health check; None where there is none or it is disabled."""
    entries = importing.entries(value, f"{where}, healthcheck")
    given = entries.entries
    test = given.get("test")
    if importing.boolean(given.get("disable"), f"{where}, healthcheck.disable") or test is None:
        if given and test is None and "disable" not in given:
            importing.dropped(
                node_id, "the timing of the image's own health check", "write 'test:'", line=entries.line
            )
        return None
    fields = _test(test, where, importing)
    if fields is None:
        return None
    for key, name in (
        ("interval", "interval_ms"),
        ("timeout", "timeout_ms"),
        ("start_period", "start_period_ms"),
    ):
        text = importing.text(given.get(key), f"{where}, healthcheck.{key}")
        if text:
            line = given[key].line
            read = importing.attempt(
                partial(duration_ms, text),
                f"{where}, healthcheck.{key}",
                "write 1m30s",
                line=line,
            )
            fields[name] = min(read or 0, DURATION_MAX_MS)
    retries = importing.integer(given.get("retries"), f"{where}, healthcheck.retries")
    fields["retries"] = min(retries or 3, 1_000_000)
    known = {"test", "interval", "timeout", "start_period", "retries", "disable"}
    for key in sorted(given.keys() - known):
        importing.dropped(
            node_id, f"'healthcheck.{quoted(key)[1:-1]}'", "do without it", line=given[key].line
        )
    # Its secrets are still text here: a shell may look them up, once all variables are known.
    place = f"{where}, healthcheck"
    return importing.attempt(
        lambda: HealthCheck.model_validate(fields), place, "mend the value", line=entries.line
    )


def _test(test: Value, where: str, importing: Importing) -> dict[str, object] | None:
    if isinstance(test, Scalar):
        return {"shell": test.text} if test.text else None
    parts = importing.texts(test, f"{where}, healthcheck.test")
    match parts:
        case () | ("NONE", *_):
            return None
        case ("CMD-SHELL", *rest) if "".join(rest):
            return {"shell": " ".join(rest)}
        case ("CMD", _, *_):
            return {"command": parts[1:]}
    what = "starts with neither CMD, CMD-SHELL nor NONE, or names no program"
    importing.problem(
        f"{where}, healthcheck.test", what, 'write ["CMD", "program", "argument"]', line=test.line
    )
    return None


def restart(given: dict[str, Value], node_id: str, where: str, importing: Importing) -> Restart | None:
    """The restart policy, from `restart` or `deploy.restart_policy.condition`."""
    text = importing.text(given.get("restart"), f"{where}, restart")
    if text is not None:
        policy, _, count = text.partition(":")
        policy = "no" if policy in {"false", ""} else policy
        if policy not in set(Restart):
            mend = f"write one of {', '.join(Restart)}"
            importing.problem(
                f"{where}, restart", f"{quoted(text)} is no restart policy", mend, line=given["restart"].line
            )
            return None
        if count and (
            policy != Restart.ON_FAILURE or not count.isdecimal() or not 0 < int(count[:7]) <= 1_000_000
        ):
            importing.dropped(
                node_id, f"the limit of {quoted(count)} restarts", "do without it", line=given["restart"].line
            )
        return Restart(policy)
    deploy = importing.entries(given.get("deploy"), f"{where}, deploy").entries
    policy_of = importing.entries(deploy.get("restart_policy"), f"{where}, deploy.restart_policy").entries
    condition = importing.text(policy_of.get("condition"), f"{where}, deploy.restart_policy.condition")
    return {"none": Restart.NO, "on-failure": Restart.ON_FAILURE, "any": Restart.ALWAYS}.get(condition or "")


def resources(given: dict[str, Value], node_id: str, where: str, importing: Importing) -> Resources | None:
    """Limits from `deploy.resources` and the older keys beside it."""
    deploy = importing.entries(given.get("deploy"), f"{where}, deploy")
    section = importing.entries(deploy.entries.get("resources"), f"{where}, deploy.resources").entries
    limits = importing.entries(section.get("limits"), f"{where}, deploy.resources.limits").entries
    reserved = importing.entries(
        section.get("reservations"), f"{where}, deploy.resources.reservations"
    ).entries
    fields: dict[str, object] = {}
    for name, read, value in (
        ("cpu_limit_milli", cpu_milli, _either(limits, "cpus", given, "cpus", where, importing)),
        ("memory_limit_bytes", size_bytes, _either(limits, "memory", given, "mem_limit", where, importing)),
        (
            "memory_reservation_bytes",
            size_bytes,
            _either(reserved, "memory", given, "mem_reservation", where, importing),
        ),
        ("pids_limit_count", int, _either(limits, "pids", given, "pids_limit", where, importing)),
    ):
        text = importing.text(value, f"{where}, resources")
        if not text or value is None or text in {"0", "-1"}:
            continue
        fields[name] = importing.attempt(
            partial(read, text),
            f"{where}, resources",
            "write a number with its unit",
            line=value.line,
        )
    for key in sorted(deploy.entries.keys() - {"resources", "replicas", "restart_policy"}):
        line = deploy.key_lines.get(key, deploy.line)
        if key == "mode" and importing.text(deploy.entries[key], where) == "replicated":
            continue
        importing.dropped(node_id, f"'deploy.{quoted(key)[1:-1]}'", "place and update by host", line=line)
    for key in sorted(
        (reserved.keys() - {"memory", "devices"}) | (limits.keys() - {"cpus", "memory", "pids"})
    ):
        importing.dropped(
            node_id, f"the resource {quoted(key)}", "reserve it on the host", line=deploy.line, warn=True
        )
    if not fields:
        return None
    built: Resources | None = importing.built(Resources, f"{where}, resources", line=deploy.line, **fields)
    return built


def _either(
    new: dict[str, Value], new_key: str, old: dict[str, Value], old_key: str, where: str, importing: Importing
) -> Value | None:
    """A key of `deploy`, or the older key that means the same; a fault where they differ."""
    one, other = new.get(new_key), old.get(old_key)
    if isinstance(one, Scalar) and isinstance(other, Scalar) and one.text and other.text:
        if one.text != other.text:
            what = f"says {quoted(other.text)} in '{old_key}' and {quoted(one.text)} in 'deploy'"
            importing.problem(where, what, "keep one of them", line=other.line)
        return one
    return other if one is None or left_open(one) else one


def replicas(given: dict[str, Value], where: str, importing: Importing) -> int:
    """How many instances: `scale` or `deploy.replicas`, at most `REPLICAS_MAX_COUNT`."""
    deploy = importing.entries(given.get("deploy"), f"{where}, deploy").entries
    value = _either(deploy, "replicas", given, "scale", where, importing)
    count = importing.integer(value, f"{where}, replicas")
    if count is not None and value is not None and count > REPLICAS_MAX_COUNT:
        what = f"{count} replicas are over the limit of {REPLICAS_MAX_COUNT}"
        importing.problem(f"{where}, replicas", what, "use fewer", line=value.line)
        return 1
    return 1 if count is None else count


def labels(given: dict[str, Value], node_id: str, where: str, importing: Importing) -> dict[str, str]:
    """Labels of the container; those that hold secrets are left out."""
    found = {}
    pairs: dict[str, Scalar] = {}
    for item in importing.items(given.get("label_file"), f"{where}, label_file"):
        held = _env_file(item, node_id, where, importing, kind="label_file")
        pairs |= {key: Scalar(text, text, item.line, 1) for key, text in held.items()}
    pairs |= importing.pairs(given.get("labels"), f"{where}, labels")
    for key, scalar in pairs.items():
        hidden = looks_secret(key, scalar.text) or importing.concealed.inside(f"{key}={scalar.text}")
        if hidden or re.search(r"[\s=\0]", key) or not key:
            importing.dropped(
                node_id, f"the label {quoted(key)}", "set it on the host", line=scalar.line, warn=True
            )
        else:
            found[key] = scalar.text if scalar.value is not None else ""
    return found


def restart_count(given: dict[str, Value], node_id: str, where: str, importing: Importing) -> int | None:
    """How often a failed service is started again: `restart: on-failure:N`, or `max_attempts` of deploy."""
    text = importing.text(given.get("restart"), f"{where}, restart") or ""
    deploy = importing.entries(given.get("deploy"), f"{where}, deploy").entries
    policy = importing.entries(deploy.get("restart_policy"), f"{where}, deploy.restart_policy").entries
    for key in sorted(policy.keys() - {"condition", "max_attempts"}):
        what = f"'deploy.restart_policy.{quoted(key)[1:-1]}' of {where}"
        importing.dropped(node_id, what, "systemd starts it again at once", line=policy[key].line)
    if text:
        for key in sorted(policy.keys() & {"condition", "max_attempts"}):
            what = f"'deploy.restart_policy.{key}' of {where}"
            importing.dropped(node_id, what, "'restart' says it", line=policy[key].line)
        count = text.partition(":")[2]
        return int(count[:6]) if count.isdecimal() and int(count[:6]) > 0 else None
    number = importing.integer(policy.get("max_attempts"), f"{where}, deploy.restart_policy.max_attempts")
    return min(number, 1_000_000) if number else None


def misplaced(mode: str, fields: dict[str, object]) -> list[tuple[str, str]]:
    """Options that the network mode leaves no room for, taken out: the key, and what to do instead."""
    found: list[tuple[str, str]] = []
    sysctls = fields.get("sysctls")
    if mode == "host" and isinstance(sysctls, dict):
        own = {key: held for key, held in sysctls.items() if not re.match(r"net[./]", key)}
        if own != sysctls:
            found.append(("sysctls", "set boot.kernel.sysctl of the host, whose network it shares"))
            fields["sysctls"] = own
    lent = ("dns", "dns_search", "dns_options", "extra_hosts") if mode.startswith("node:") else ()
    for name in (*lent, *(("mac_address",) if mode != "bridge" else ())):
        if fields.pop(name, None) is not None:
            key = "dns_opt" if name == "dns_options" else name
            found.append((key, "say it of the service whose network it shares"))
    return found
