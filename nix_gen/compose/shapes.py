"""What compose refuses before it looks at any meaning: keys it does not know, and values of the wrong kind.

Pure. Source: the JSON schema of the compose specification, as far as keys of services and of the file go.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.compose.source import Importing
from nix_gen.errors import quoted
from nix_gen.graph_file import near
from nix_gen.places import Mapping as Entries
from nix_gen.places import Scalar, Value

_TEXTS = """
container_name domainname hostname image ipc mac_address network_mode pid platform runtime user userns_mode
working_dir
"""
_LISTS = """
cap_add cap_drop configs device_cgroup_rules devices expose external_links group_add links ports profiles
secrets security_opt volumes volumes_from
"""
_COLLECTIONS = "annotations depends_on environment extra_hosts labels networks sysctls"
_KINDS = {
    **dict.fromkeys(_TEXTS.split(), "text"),
    **dict.fromkeys(_LISTS.split(), "a list"),
    **dict.fromkeys(_COLLECTIONS.split(), "a list or a mapping"),
}
"""What compose takes for a key, where `Importing` takes more."""


def check_keys(entries: Entries, known: Iterable[str], where: str, importing: Importing) -> None:
    """Report keys that compose does not know; those that begin with `x-` are anybody's."""
    for key in sorted(entries.entries.keys() - {*known}):
        if not key.startswith("x-"):
            line = entries.key_lines.get(key, entries.line)
            what = f"has the key {quoted(key)}, which compose does not know"
            importing.problem(where, what, f"{near(key, known)}remove it or mend its name", line=line)


def check_kinds(entries: Entries, where: str, importing: Importing) -> None:
    """Report values of a service that are a number or a text where compose asks for something else."""
    for key, kind in _KINDS.items():
        value = entries.entries.get(key)
        if isinstance(value, Scalar) and value.value is not None:
            wrong = not isinstance(value.value, str) if kind == "text" else not value.unset
            if wrong:
                _wrong(value, f"{where}, {key}", kind, importing)
    health = entries.entries.get("healthcheck")
    test = health.entries.get("test") if isinstance(health, Entries) else None
    if isinstance(test, Scalar) and not isinstance(test.value, str | type(None)):
        _wrong(test, f"{where}, healthcheck.test", "a command or a list of its words", importing)


def _wrong(value: Value, where: str, wanted: str, importing: Importing) -> None:
    shown = quoted(value.text) if isinstance(value, Scalar) else "another kind"
    importing.problem(where, f"is {shown}, where {wanted} is needed", f"write {wanted}", line=value.line)
