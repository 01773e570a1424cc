"""Shell lines that look a secret up in a variable of their container, instead of spelling it.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import basename

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
_SCRIPT_FLAG = re.compile(r"-[a-z]*c")


def script_index(entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None) -> int | None:
    """Where in `entrypoint` and `command`, taken as one list, the script of a shell stands."""
    words = (*(entrypoint or ()), *(command or ()))
    for index, word in enumerate(words[:4]):
        if basename(word) in _SHELLS:
            flags = [at for at in range(index + 1, len(words)) if _SCRIPT_FLAG.fullmatch(words[at])]
            return flags[0] + 1 if flags and flags[0] + 1 < len(words) else None
    return None


def looking_up(line: str, secrets: re.Pattern[str], variable: Callable[[str], str | None]) -> str:
    """The line with `${VAR}` for each secret that `variable` knows a variable of, quoted as its place asks.

    Args:
        line: text for a shell.
        secrets: matches the secrets.
        variable: gives the name of the variable that holds a secret; None leaves the secret as it is.
    """
    parts: list[str] = []
    quote, position = "", 0
    while position < len(line):
        found = secrets.match(line, position)
        name = None if found is None or not found[0] else variable(found[0])
        if found is not None and name is not None:
            parts.append(_QUOTED[quote].format(name))
            position = found.end()
            continue
        char = line[position]
        if char == "\\" and quote != "'":
            parts.append(line[position : position + 2])
            position += 2
            continue
        if char == quote:
            quote = ""
        elif char in {"'", '"'} and not quote:
            quote = char
        parts.append(char)
        position += 1
    return "".join(parts)


_QUOTED = {"": '"${{{}}}"', '"': "${{{}}}", "'": "'\"${{{}}}\"'"}
"""A variable in a shell line outside quotes, inside double and inside single ones."""
