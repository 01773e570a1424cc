"""Two compose files, or two services, as one: the specification's rules of merging.

Pure. Mappings merge, lists follow each other, and of two scalars the upper one stands; the exceptions are
tables below. `!reset` takes a key away, `!override` replaces a value whole. Source: compose specification,
"Merge and override".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nix_gen.places import Listing, Scalar, Value
from nix_gen.places import Mapping as Entries

_REPLACED = frozenset({("command",), ("entrypoint",), ("healthcheck", "test"), ("provider",)})
_PAIRED = frozenset(
    {
        ("annotations",),
        ("build", "additional_contexts"),
        ("build", "args"),
        ("build", "labels"),
        ("deploy", "labels"),
        ("environment",),
        ("labels",),
        ("storage_opt",),
        ("sysctls",),
    }
)
"""Lists of `KEY=VALUE` that stand for mappings."""
_NAMED = frozenset({("depends_on",), ("models",), ("networks",)})
"""Lists of names that stand for mappings."""
_LISTED = frozenset({("dns",), ("dns_opt",), ("dns_search",), ("env_file",), ("label_file",), ("tmpfs",)})
"""Scalars that stand for lists of one."""
Path = tuple[str, ...]


def merged(below: Entries, above: Entries, path: Path = ()) -> Entries:
    """Two mappings as one.

    Args:
        below: the file or service that is overridden.
        above: what overrides it.
        path: where both stand in a compose file: nothing, or `services` and a name.
    """
    entries = dict(below.entries)
    for key in above.key_lines.keys() - above.entries.keys():
        entries.pop(key, None)  # `!reset` leaves a line and no value
    for key, value in above.entries.items():
        inner = (*path, key)
        entries[key] = _merged_value(entries[key], value, inner) if key in entries else value
    lines = {**below.key_lines, **above.key_lines}
    kept = {key: line for key, line in lines.items() if key in entries}
    return Entries(entries, above.line, above.column, kept)


def _merged_value(below: Value, above: Value, path: Path) -> Value:
    rule = path[2:] if path[:1] == ("services",) else ()
    other_driver = rule == ("logging",) and _driver(above) not in {None, _driver(below)}
    if above.replaces or rule in _REPLACED or other_driver or _is_null(below):
        return above
    if _is_null(above):
        return below
    spelled = _SPELLINGS.get(rule)
    if spelled is not None:
        below, above = spelled(below), spelled(above)
    if isinstance(below, Entries) and isinstance(above, Entries):
        return merged(below, above, path)
    if isinstance(below, Listing) and isinstance(above, Listing):
        return Listing([*below.items, *above.items], above.line, above.column)
    return above


def _is_null(value: Value) -> bool:
    return isinstance(value, Scalar) and value.value is None and not value.text.strip("~")


def _paired(value: Value) -> Value:
    """A list of `KEY=VALUE` as a mapping, so that it merges with one."""
    if not isinstance(value, Listing):
        return value
    entries: dict[str, Value] = {}
    for item in value.items:
        if not isinstance(item, Scalar):
            return value
        key, equals, text = item.text.partition("=")
        entries[key] = replace(item, value=text if equals else None, text=text)
    return Entries(entries, value.line, value.column, {key: entry.line for key, entry in entries.items()})


def _named(value: Value) -> Value:
    if not isinstance(value, Listing) or not all(isinstance(item, Scalar) for item in value.items):
        return value
    entries: dict[str, Value] = {
        item.text: Scalar(None, "", item.line, item.column)
        for item in value.items
        if isinstance(item, Scalar)
    }
    return Entries(entries, value.line, value.column, {key: entry.line for key, entry in entries.items()})


def _listed(value: Value) -> Value:
    return value if isinstance(value, Listing) else Listing([value], value.line, value.column)


def _built(value: Value) -> Value:
    if not isinstance(value, Scalar):
        return value
    return Entries({"context": value}, value.line, value.column, {"context": value.line})


def _hosts(value: Value) -> Value:
    if not isinstance(value, Entries):
        return value
    items: list[Value] = []
    for name, entry in value.entries.items():
        for one in entry.items if isinstance(entry, Listing) else [entry]:
            if isinstance(one, Scalar):
                text = f"{name}={one.text}"
                items.append(replace(one, value=text, text=text))
    return Listing(items, value.line, value.column)


def _driver(value: Value) -> str | None:
    driver = value.entries.get("driver") if isinstance(value, Entries) else None
    return driver.text if isinstance(driver, Scalar) else None


_SPELLINGS: dict[Path, Callable[[Value], Value]] = {
    **dict.fromkeys(_PAIRED, _paired),
    **dict.fromkeys(_NAMED, _named),
    **dict.fromkeys(_LISTED, _listed),
    ("build",): _built,
    ("extra_hosts",): _hosts,
}
"""How two spellings of one thing become one that merges."""
