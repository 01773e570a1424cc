"""What is a secret somewhere in a compose file, gathered before any service is read.

Pure. A service may spell a password that only a later one names as such, so all of them are known first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nix_gen.compose.concealed import spelled_passwords
from nix_gen.compose.source import Importing
from nix_gen.compose.syntax import image_name
from nix_gen.compose.variables import read_raw, read_variables
from nix_gen.concealment import key_looks_secret, looks_secret
from nix_gen.places import Listing, Scalar, Value, children
from nix_gen.places import Mapping as Entries

_NAMING = re.compile(
    r"(?:^|_)(?:USER|USERNAME|USR|LOGIN|NAME|DB|DATABASE|DBNAME|SCHEMA|HOST|HOSTNAME|SERVER|BUCKET|VHOST|REALM)"
    r"(?:$|_)"
)
"""Names of variables whose value is a name, which is public even where it is somebody's password too."""
_LINES = ("command", "entrypoint")
_FILE_SECRET_MAX_CHARS = 4096


def gather_secrets(services: Mapping[str, Entries], root: Entries, importing: Importing) -> None:
    """Make every secret of the file known to `importing`, and every name of the file as public."""
    concealed = importing.concealed
    for name, text in importing.environment.items():
        _weigh(name, text, importing)
    for name, entries in services.items():
        _public_names(name, entries, importing)
        given = entries.entries
        for key, text in _variables(given, importing):
            _weigh(key, text, importing)
        health = given.get("healthcheck")
        tests = [health.entries.get("test")] if isinstance(health, Entries) else []
        for value in (*(given.get(key) for key in _LINES), *tests):
            for secret in spelled_passwords(" ".join(_texts(value))):
                concealed.add(secret)
    for section in ("volumes", "networks", "configs", "secrets"):
        held = root.entries.get(section)
        for name, entry in held.entries.items() if isinstance(held, Entries) else ():
            concealed.allow(name)
            if section == "secrets" and isinstance(entry, Entries):
                _secret_file(entry, importing)


def _weigh(key: str, text: str, importing: Importing) -> None:
    """Remember the value of a variable as a secret or, where it is a name, as public."""
    if looks_secret(key, text):
        importing.concealed.add(text)
    elif _NAMING.search(key.upper()) and not key_looks_secret(key):
        importing.concealed.allow(text)


def _public_names(name: str, entries: Entries, importing: Importing) -> None:
    importing.concealed.allow(name)
    image = entries.entries.get("image")
    if isinstance(image, Scalar) and "@" not in image.text.partition("/")[0]:
        for part in image_name(image.text).path.split("/"):
            importing.concealed.allow(part)


def _variables(given: Mapping[str, Value], importing: Importing) -> Iterable[tuple[str, str]]:
    """Variables of `env_file`, `environment` and the arguments of `build`, as far as they can be read."""
    files = given.get("env_file")
    for item in files.items if isinstance(files, Listing) else [files]:
        path = item.entries.get("path") if isinstance(item, Entries) else item
        raw = isinstance(item, Entries) and "raw" in _texts(item.entries.get("format"))
        text = importing.reader(path.text) if isinstance(path, Scalar) and path.text else None
        if text is not None:
            yield from (read_raw(text) if raw else read_variables(text, importing.environment)).items()
    build = given.get("build")
    arguments = build.entries.get("args") if isinstance(build, Entries) else None
    for value in (given.get("environment"), given.get("labels"), given.get("annotations"), arguments):
        if isinstance(value, Entries):
            yield from ((key, one.text) for key, one in value.entries.items() if isinstance(one, Scalar))
        elif isinstance(value, Listing):
            for text in _texts(value):
                key, equals, held = text.partition("=")
                yield from [(key, held)] * bool(equals)


def _texts(value: Value | None) -> list[str]:
    """The scalars of a value."""
    if value is None:
        return []
    if isinstance(value, Scalar):
        return [value.text]
    return [text for child in children(value) for text in _texts(child)]


def _secret_file(entry: Entries, importing: Importing) -> None:
    """The content of a compose secret, where its file lies beside the compose file."""
    path = entry.entries.get("file")
    text = importing.reader(path.text) if isinstance(path, Scalar) and path.text else None
    if text is not None and len(text) <= _FILE_SECRET_MAX_CHARS:
        importing.concealed.add(text.strip())
