"""Variable interpolation and `.env` files as the compose specification defines them.

Pure. Which variables exist is an argument. Source: compose specification, "Interpolation" and "Environment
files".
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field

from nix_gen.scalars import VALUE_MAX_CHARS

NESTING_MAX_COUNT = 16
"""How deep `${A:-${B:-...}}` may go."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", "-", ":?", "?", ":+", "+")
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:[=:]\s*(.*))?", re.DOTALL)
_DOUBLE_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "$": "$$"}


@dataclass(slots=True)
class Interpolated:
    """One text after interpolation, and what was missing for it."""

    text: str = ""
    unset: list[str] = field(default_factory=list)
    """Variables without a value that were replaced by nothing."""
    required: list[tuple[str, str]] = field(default_factory=list)
    """Variables that must have a value (`${VAR:?text}`) and have none, with the text."""
    variables: list[str] = field(default_factory=list)
    """Every variable named."""


class TemplateError(ValueError):
    """A `${` that is not closed, or holds no name or an unknown operator."""


def interpolate(text: str, environment: Mapping[str, str], depth: int = 0) -> Interpolated:
    """Replace the variables in a text.

    A `$` that begins neither `$$`, `$NAME` nor `${` stays as it is.

    Raises:
        TemplateError: what stands after `${` is no variable.
    """
    if depth > NESTING_MAX_COUNT:
        raise TemplateError(f"'${{' is nested deeper than {NESTING_MAX_COUNT} levels")
    result = Interpolated()
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            parts.append("$")
            position = dollar + 2
        elif following == "{":
            end = _closing(text, dollar + 2)
            parts.append(_braced(text[dollar + 2 : end], environment, result, depth))
            position = end + 1
        elif name := _NAME.match(text, dollar + 1):
            parts.append(_plain(name[0], environment, result))
            position = name.end()
        else:
            parts.append("$")
            position = dollar + 1
    parts.append(text[position:])
    result.text = "".join(parts)
    return result


def _closing(text: str, start: int) -> int:
    depth, position = 1, start
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise TemplateError("'${' is not closed")


def _plain(name: str, environment: Mapping[str, str], result: Interpolated) -> str:
    result.variables.append(name)
    if name not in environment:
        result.unset.append(name)
    return environment.get(name, "")


def _braced(body: str, environment: Mapping[str, str], result: Interpolated, depth: int) -> str:
    found = _NAME.match(body)
    if found is None:
        raise TemplateError("'${' is not followed by the name of a variable")
    name, rest = found[0], body[found.end() :]
    if not rest:
        return _plain(name, environment, result)
    operator = next((one for one in _OPERATORS if rest.startswith(one)), None)
    if operator is None:
        raise TemplateError(f"'${{{name}' is followed by something that is no operator")
    result.variables.append(name)
    value = environment.get(name)
    present = bool(value) if operator.startswith(":") else value is not None
    argument = rest[len(operator) :]
    if operator.endswith("+"):
        return _nested(argument, environment, result, depth) if present else ""
    if present:
        return value or ""
    if operator.endswith("-"):
        return _nested(argument, environment, result, depth)
    message = interpolate(argument, environment, depth + 1).text
    result.required.append((name, message))
    return ""


def _nested(argument: str, environment: Mapping[str, str], result: Interpolated, depth: int) -> str:
    inner = interpolate(argument, environment, depth + 1)
    result.unset += inner.unset
    result.required += inner.required
    result.variables += inner.variables
    return inner.text


def read_variables(text: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read a `.env` or `env_file`: `NAME=value` lines, comments, `export`, quoted values over several lines.

    Values in no or double quotes may use variables of earlier lines and of `environment`; lines that assign
    nothing are passed over, as docker does. A value over `VALUE_MAX_CHARS` is cut there.
    """
    variables: dict[str, str] = {}
    known = ChainMap(variables, dict(environment or {}))
    lines = iter(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"))
    for line in lines:
        stripped = line.strip()
        found = _ASSIGNMENT.fullmatch(stripped)
        if not stripped or stripped.startswith("#") or found is None:
            continue
        name, written = found[1], found[2]
        if written is None:
            if environment and name in environment:
                variables[name] = environment[name]
            continue
        quote = written[:1] if written[:1] in {"'", '"'} else ""
        while quote and _end_of_quote(written, quote) < 0:
            following = next(lines, None)
            if following is None:
                break
            written += "\n" + following
        variables[name] = _assigned(written, quote, known)[:VALUE_MAX_CHARS]
    return variables


def read_raw(text: str) -> dict[str, str]:
    """Read an `env_file` of the format `raw`: everything after the first `=` is the value, as it stands."""
    variables: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"):
        name, equals, value = line.partition("=")
        if equals and _NAME.fullmatch(name.strip()) and not line.lstrip().startswith("#"):
            variables[name.strip()] = value[:VALUE_MAX_CHARS]
    return variables


def _end_of_quote(written: str, quote: str) -> int:
    position = 1
    while position < len(written):
        if written[position] == "\\" and quote == '"':
            position += 1
        elif written[position] == quote:
            return position
        position += 1
    return -1


def _assigned(written: str, quote: str, known: Mapping[str, str]) -> str:
    end = _end_of_quote(written, quote) if quote else -1
    if quote and end > 0:
        body = written[1:end]
        if quote == "'":
            return body
        body = _DOUBLE_ESCAPE.sub(
            lambda match: _ESCAPED.get(match[1], match[1] if match[1] != "$" else "$$"), body
        )
    else:
        body = re.split(r"\s#", f" {written}", maxsplit=1)[0].strip()
    try:
        return interpolate(body, known).text
    except TemplateError:
        return body
