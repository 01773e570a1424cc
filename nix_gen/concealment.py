"""Which texts are secrets: those of a compose file are left out of its graph, those of a graph are found.

Pure. Errs on the side of hiding: a value that only looks secret costs its operator one file, a leaked one
costs more.
"""

from __future__ import annotations

import re

_SECRET_KEY = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|ENCRYPTION_?KEY|CREDENTIAL"
    r"|(?:^|[_.-])(?:PASS|PWD|PW)(?:$|[_.-])"
    r"|(?:FERNET|APP|MASTER|SIGNING|LICENSE|CRYPTO|JWT|ENC|ANON|SERVICE|ROLE|AUTH|VAULT|HMAC|COOKIE|SESSION|SERVER)"
    r"_?KEY(?:$|_BASE)|ERLANG_COOKIE|HTPASSWD|(?:^|_)SALT$|(?:NEO4J|REDISCLI|BASIC|HTTP)_?AUTH$"
)
_TELLING = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{8,1000}\.[\w-]{8,4000}\.[\w-]|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[opsur]_\w{30,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20}|\bxox[abeoprs]-\w{8,}|\b[rs]k_(?:live|test)_\w{8,}"
    r"|\$apr1\$\S|\$2[aby]\$\d\d\$\S"
)
"""Values that are secret under any name: keys, signed tokens, hashes of passwords."""
_ANY_KEY = re.compile(r"(?:^|[_.-])KEY$")
_OPEN_KEY = re.compile(
    r"PUBLIC|PUBLISHABLE|SITE|PARTITION|PRIMARY|FOREIGN|SORT|CACHE|ROUTING|GROUP|INDEX|OBJECT|SSH_HOST|HOST_?KEY"
)
"""Keys that are shown to everybody, or that only find something."""
_RANDOM = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+_-][A-Za-z0-9+/=_-]{15,1023}")
"""One word of letters and digits that nobody would choose."""
_RANDOM_MIN_CHARS = 8
"""Different characters in such a word, at least."""
_MEASURE = re.compile(
    r"(?:MINUTES?|SECONDS?|HOURS?|DAYS?|TTL|LENGTH|SIZE|EXPIR\w*|LIFETIME|DURATION|AGE|MIN|MAX|COUNT|LIMIT)$"
)
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "none", "disabled", "0", "1"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/\s:@]{0,255}:[^/\s@]{1,1023}@")
"""A URL with a password. The bounds keep the search linear in long texts."""
_REFERENCE = r"""["']?\$(?!apr1\$)[A-Za-z_{(]"""
"""What stands for a value that the container itself looks up."""
_INLINE = re.compile(
    rf"(?:password|passwd|pwd|secret|token|api[_-]?key)\s*[=:](?!\s*{_REFERENCE})\s*[^\s;&,]", re.IGNORECASE
)
_FLAG = re.compile(
    r"(?P<flag>--?[\w-]*(?:password|passwd|requirepass|masterauth|secret|token|api[_-]?key)[\w-]*)"
    r"(?P<joint>=|$)(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PLACES = ("file", "path", "dir")
"""Ends of flags that say where a secret lies."""


def key_looks_secret(key: str) -> bool:
    """Whether a variable of this name holds a secret. `..._FILE` holds a path, which is not one."""
    upper = key.upper()
    return bool(_SECRET_KEY.search(upper)) and not upper.endswith(("_FILE", "_PATH", "_DIR", "_URL"))


def looks_secret(key: str, value: str) -> bool:
    """Whether a variable of this name and value is a secret, or a text with a secret inside."""
    if _URL.search(value) or _INLINE.search(value) or _TELLING.search(value):
        return True
    if _is_random_key(key.upper(), value):
        return True
    if not key_looks_secret(key) or not value or value.lower() in _WORDS:
        return False
    return not (value.isdecimal() and len(value) <= 9 and _MEASURE.search(key.upper()))


def _is_random_key(upper: str, value: str) -> bool:
    """Whether `SOMETHING_KEY` holds what looks drawn rather than chosen: the name alone tells too little."""
    if not _ANY_KEY.search(upper) or _OPEN_KEY.search(upper):
        return False
    return _RANDOM.fullmatch(value) is not None and len(set(value)) >= _RANDOM_MIN_CHARS


_ASSIGNED = re.compile(
    r"(?:^|[\s{,;(])[\"']?([A-Za-z_][\w.-]*)[\"']?[ \t]*[:=][ \t]*[\"']?([^\s\"'#;]{4,})", re.MULTILINE
)
"""`name = value`, `name: value`, `"name": "value"` in a file of settings."""
_TAGGED = re.compile(r"<([A-Za-z_][\w.-]*)>\s*([^<>\s]{4,})\s*</")
"""`<name>value</name>` in a file of settings."""
_WORDED = re.compile(
    r"^[ \t]*(?:requirepass|masterauth|password|passwd)[ \t]+[^\s#;${]{4,}"
    r"|\bAuthorization:?\s+[\"']?(?:Basic|Bearer)\s+[\w+/=.-]{8,}"
    r"|\b(?:PASSWORD|IDENTIFIED\s+BY)\s+['\"][^'\"$]{4,}",
    re.MULTILINE | re.IGNORECASE,
)
"""Secrets as redis, web servers and SQL write them."""
_REFERRED = re.compile(
    r"\$|%[({A-Z]|<|/|\{\{|\{env|file:|env:|null|none|true|false|required|optional", re.IGNORECASE
)
"""What begins a value that names where the secret is, or says that there is none."""


def names_a_place(value: str) -> bool:
    """Whether a value names where a secret is (`/run/secrets/x`, `$PASSWORD`), or says that there is none."""
    return _REFERRED.match(value) is not None


def holds_secret(text: str) -> bool:
    """Whether a file of settings holds a secret: a key, a URL with a password, `password = ...`."""
    if _URL.search(text) or _TELLING.search(text) or _WORDED.search(text):
        return True
    return any(
        key_looks_secret(found[1]) and not _REFERRED.match(found[2]) and looks_secret(found[1], found[2])
        for pattern in (_ASSIGNED, _TAGGED)
        for found in pattern.finditer(text)
    )


def secret_arguments(arguments: tuple[str, ...]) -> list[tuple[int, str]]:
    """Arguments of a command that carry a secret: index and the secret itself."""
    found: list[tuple[int, str]] = []
    for index, argument in enumerate(arguments):
        match = _FLAG.fullmatch(argument)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if match is None:
            inline = " " not in argument and (_INLINE.search(argument) or _TELLING.search(argument))
            if _URL.search(argument) or inline:
                found.append((index, argument))
        elif match["flag"].lower().endswith(_PLACES):
            continue
        elif match["joint"] == "=" and _is_text(match["value"]):
            found.append((index, match["value"]))
        elif match["joint"] == "" and _is_text(following) and not following.startswith("-"):
            found.append((index + 1, following))
    return found


def _is_text(value: str) -> bool:
    return bool(value) and re.match(_REFERENCE, value) is None
