"""One import in progress: the interpolated values of a compose file, and what there is to say about them.

Pure. Faults are collected, not raised one by one; whatever is not carried over becomes a note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from nix_gen.compose.concealed import Concealed
from nix_gen.compose.variables import TemplateError, interpolate
from nix_gen.concealment import key_looks_secret
from nix_gen.errors import GraphFileError, Problem, quoted
from nix_gen.findings import Finding, Severity
from nix_gen.graph_file import said
from nix_gen.places import Listing, Scalar, Value
from nix_gen.places import Mapping as Entries
from nix_gen.scalars import Part

TEXT_TOTAL_MAX_CHARS = 32 * 1024 * 1024
"""What interpolation may grow all texts of a file to."""
ID_MAX_CHARS = 63
SECRET_MAX_CHARS = 127
R = TypeVar("R")
_WHOLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_.-]*=)?\$(?:\{([A-Za-z_]\w*)[^{}]*\}|([A-Za-z_]\w*))")
"""`${NAME...}` or `$NAME`, alone or as the value of `KEY=`."""
_FOLDERS = {"PWD": ".", "HOME": "~"}
"""Variables every shell has, as compose writes what they stand for, where a path is meant."""
_PATH_KEYS = (("volumes",), ("build",), ("env_file",))
_PATH_SECTIONS = (("volumes",), ("configs",), ("secrets",))
_TRUE = frozenset({"true", "yes", "on", "y", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "0", ""})


class Importing:
    """Collects notes, problems and names while a compose file is read."""

    def __init__(
        self, file: str, environment: Mapping[str, str], reader: Callable[[str], str | None] | None
    ) -> None:
        self.file = file
        self.environment = environment
        self.reader = reader or (lambda _: None)
        self.reads = reader is not None
        """Whether there is a folder in which a file can be missing."""
        self.project = ""
        self.ids: frozenset[str] = frozenset()
        """Node ids of the services."""
        self.names: dict[str, str] = {}
        """Node ids by the names of services and of their containers."""
        self.shared: dict[str, str] = {}
        """Names of secrets by the values that several services have in common."""
        self.concealed = Concealed()
        self.incomplete = False
        """Whether a file that this one includes was not read, so that names may lead nowhere."""
        self.variables: dict[str, str] = {}
        """Variables of the file by the secrets they hold, where one is the whole value of a variable."""
        self.files_count = 0
        """Other compose files read so far."""
        self.hidden_variables: set[str] = set()
        """Variables that ended up as secret references, whose absence is therefore no loss."""
        self._notes: list[Finding] = []
        self._problems: list[Problem] = []
        self._unset: dict[str, int] = {}
        self._chars_count = 0

    def note(
        self,
        code: str,
        place: str,
        message: str,
        mend: str,
        *,
        line: int | None,
        severity: Severity = Severity.INFO,
    ) -> None:
        """Say what was decided or not carried over."""
        self._notes.append(
            Finding(code=code, severity=severity, place=place, message=message, mend=mend, line=line)
        )

    def dropped(self, place: str, what: str, mend: str, *, line: int | None, warn: bool = False) -> None:
        """Say that something was not carried over."""
        severity = Severity.WARNING if warn else Severity.INFO
        self.note(
            "not-carried-over", place, f"{what} is not carried over", mend, line=line, severity=severity
        )

    def problem(self, where: str, what: str, mend: str, *, line: int | None) -> None:
        """Say what is wrong; the import goes on to find the rest and then fails."""
        self._problems.append(Problem(file=self.file, line=line, where=where, what=what, mend=mend))

    def check(self) -> None:
        """Fail if anything was wrong so far.

        Raises:
            GraphFileError: with all problems, by line.
        """
        if self._problems:
            hidden = (self._told(problem) for problem in self._problems)
            raise GraphFileError(*sorted(hidden, key=lambda problem: problem.line or 0))

    def notes(self) -> tuple[Finding, ...]:
        """All notes, by line."""
        for name, line in self._unset.items():
            if name not in self.hidden_variables:
                self.note(
                    "unset-variable",
                    self.project,
                    f"the variable {name} is not set, so its place stays empty",
                    f"write {name}=... into .env beside the file",
                    line=line,
                    severity=Severity.WARNING,
                )
            self.hidden_variables.add(name)
        hide = self.concealed.redacted
        told = (replace(note, message=hide(note.message), mend=hide(note.mend)) for note in self._notes)
        return tuple(sorted(told, key=lambda note: (note.line or 0, note.code, note.place, note.message)))

    def _told(self, problem: Problem) -> Problem:
        """The problem without the text of any secret."""
        hide = self.concealed.redacted
        return replace(problem, where=hide(problem.where), what=hide(problem.what), mend=hide(problem.mend))

    def interpolated(self, value: Value, path: tuple[str, ...] = ()) -> Value:
        """The value with all its texts interpolated. Keys stay as they are."""
        if isinstance(value, Scalar):
            return self._interpolated_text(value, path) if "$" in value.text else value
        if isinstance(value, Listing):
            items = [self.interpolated(item, path) for item in value.items]
            return Listing(items, value.line, value.column, replaces=value.replaces)
        entries = {
            key: entry if not path and key.startswith("x-") else self.interpolated(entry, (*path, key))
            for key, entry in value.entries.items()
        }
        return Entries(entries, value.line, value.column, value.key_lines, replaces=value.replaces)

    def _interpolated_text(self, scalar: Scalar, path: tuple[str, ...]) -> Scalar:
        environment = self.environment
        if path[2:3] in _PATH_KEYS or path[:1] in _PATH_SECTIONS:
            environment = {**_FOLDERS, **environment}
        try:
            result = interpolate(scalar.text, environment)
        except TemplateError as error:
            self.problem(".".join(path), str(error), "mend it, or write '$$' for a '$'", line=scalar.line)
            return scalar
        self._chars_count += len(result.text)
        if self._chars_count > TEXT_TOTAL_MAX_CHARS:
            self.problem(
                "", "grows too large when its variables are filled in", "use fewer", line=scalar.line
            )
            self.check()
        for name in result.unset:
            self._unset.setdefault(name, scalar.line)
        if result.required and not self._may_be_missing(scalar, path):
            name, text = result.required[0]
            what = f"needs the variable {name}" + (f" ({quoted(text)[1:-1]})" if text else "")
            self.problem(
                ".".join(path), what, f"write {name}=... into .env beside the file", line=scalar.line
            )
        missing = (*result.unset, *(name for name, _ in result.required))
        whole = _WHOLE.fullmatch(scalar.text)
        variable = None if whole is None else whole[1] or whole[2]
        return Scalar(
            result.text,
            result.text,
            scalar.line,
            scalar.column,
            unset=missing,
            variable=variable,
            owed=bool(result.required),
            replaces=scalar.replaces,
        )

    @staticmethod
    def _may_be_missing(scalar: Scalar, path: tuple[str, ...]) -> bool:
        """A required variable may be missing where its value becomes a secret reference.

        That is a variable of a service named like a secret, or one whose whole value it is.
        """
        if path[:1] != ("services",) or path[2:3] != ("environment",):
            return False
        key = path[3] if len(path) > 3 else scalar.text.partition("=")[0]
        return key_looks_secret(key) or _WHOLE.fullmatch(scalar.text) is not None

    def secret_name(self, node_id: str, key: str, variable: str | None = None, value: str = "") -> str:
        """Name of the secret behind a variable of a service: `db.postgres_password`.

        A value that several services spell out has one name (`shared`).

        Where the value is one variable of the file (`${DB_PASSWORD}`), every service that uses it shares
        one secret, named after the project: `shop.db_password`. No node id and no compose secret has a dot.
        """
        if variable is None and value in self.shared:
            return self.shared[value]
        if variable is None and self.concealed.known(value):
            variable = self.variables.get(value)
        scope, last = node_id, key.lower().strip("-")
        if variable is not None:
            scope = f"{self.project}.variables" if self.project in self.ids else self.project
            last = variable.lower()
        name = f"{scope}.{last}"
        if len(name) <= SECRET_MAX_CHARS:
            return name
        return f"{name[: SECRET_MAX_CHARS - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def text(self, value: Value | None, where: str) -> str | None:
        """A scalar as text; None for null or absence."""
        if value is None or (isinstance(value, Scalar) and value.value is None):
            return None
        if isinstance(value, Scalar):
            return value.text
        self._wrong(value, where, "text")
        return None

    def boolean(self, value: Value | None, where: str) -> bool:
        """A scalar as true or false; absent is false."""
        text = (self.text(value, where) or "").lower()
        if text not in _TRUE | _FALSE and value is not None:
            self._wrong(value, where, "true or false")
        return text in _TRUE

    def integer(self, value: Value | None, where: str) -> int | None:
        """A scalar as a whole number from 0."""
        text = self.text(value, where)
        if text is None or value is None or left_open(value):
            return None
        if not re.fullmatch(r"[0-9]{1,18}", text):
            self._wrong(value, where, "a whole number")
            return None
        return int(text)

    def entries(self, value: Value | None, where: str) -> Entries:
        """A mapping; an empty one for null or absence."""
        if isinstance(value, Entries):
            return value
        if value is not None and not (isinstance(value, Scalar) and value.value is None):
            self._wrong(value, where, "a mapping")
        return Entries({}, 1 if value is None else value.line, 1)

    def items(self, value: Value | None, where: str) -> list[Value]:
        """A list; a single scalar counts as a list of one, null and absence as an empty one."""
        if isinstance(value, Listing):
            return value.items
        if value is None or (isinstance(value, Scalar) and value.value is None):
            return []
        if isinstance(value, Scalar):
            return [value]
        self._wrong(value, where, "a list")
        return []

    def texts(self, value: Value | None, where: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(self.text(item, where) or "" for item in self.items(value, where))

    def pairs(self, value: Value | None, where: str) -> dict[str, Scalar]:
        """A mapping of scalars, or a list of `KEY=VALUE` and `KEY`; null is a scalar of value None."""
        if isinstance(value, Entries):
            pairs = {}
            for key, entry in value.entries.items():
                if isinstance(entry, Scalar):
                    pairs[key] = entry
                else:
                    self._wrong(entry, f"{where}.{key}", "text")
            return pairs
        pairs = {}
        for item in self.items(value, where):
            if not isinstance(item, Scalar):
                self._wrong(item, where, "KEY=VALUE")
                continue
            key, equals, text = item.text.partition("=")
            pairs[key] = replace(item, value=text if equals else None, text=text)
        return pairs

    def _wrong(self, value: Value, where: str, wanted: str) -> None:
        seen = "a mapping" if isinstance(value, Entries) else "a list"
        seen = quoted(value.text) if isinstance(value, Scalar) else seen
        self.problem(where, f"is {seen}, where {wanted} is needed", f"write {wanted}", line=value.line)

    def attempt(self, read: Callable[[], R], where: str, mend: str, *, line: int) -> R | None:
        """What `read` returns; a `ValueError` of it becomes a problem."""
        try:
            return read()
        except ValidationError as error:
            self._invalid(error, where, line)
        except ValueError as error:
            self.problem(where, str(error), mend, line=line)
        return None

    def built(self, kind: type[Any], where: str, /, *, line: int, **fields: object) -> Any:
        """A node or edge of this kind, or None with a problem where a field is not valid.

        The last to look: where a secret still stands in the text of a field, a stand-in takes its place.
        """
        assert issubclass(kind, Part)
        for name, held in fields.items():
            fields[name] = hidden = without(held, self.concealed)
            if hidden != held:
                what = f"the text of a secret in {quoted(name)} of {where}"
                self.dropped(self.project, what, "give it by a variable or a file", line=line, warn=True)
        return self.attempt(lambda: kind.model_validate(fields), where, "mend the value", line=line)

    def _invalid(self, error: ValidationError, where: str, line: int) -> None:
        for detail in error.errors(include_url=False):
            what, mend = said(detail, None)
            field = ".".join(str(step) for step in detail["loc"])
            self.problem(f"{where}{', ' if field else ''}{quoted(field)[1:-1]}", what, mend, line=line)


def without(held: Any, concealed: Concealed) -> Any:
    """A value of plain texts, lists and mappings with a stand-in for every secret in it."""
    if isinstance(held, str):
        return concealed.redacted(held) if concealed.inside(held) else held
    if isinstance(held, list | tuple):
        return type(held)(without(item, concealed) for item in held)
    if isinstance(held, dict):
        return {key: without(item, concealed) for key, item in held.items()}
    return held


def left_open(value: Value | None) -> bool:
    """Whether a value is empty because a variable has none."""
    return isinstance(value, Scalar) and not value.text.strip() and bool(value.unset)


def identified(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Ids for names, `[a-z0-9][a-z0-9_-]{0,62}`, each its own, whatever order the names come in.

    A name that is an id keeps it. Another is written in lower case with `-` for what an id may not hold; if
    that is taken or too long it ends in six digits of the name's SHA-256.
    """
    names = sorted(set(names))
    used = set(taken)
    ids: dict[str, str] = {}
    for exact in (True, False):
        for name in names:
            slug = _slug(name)
            if name in ids or (exact and slug != name):
                continue
            if slug in used or len(slug) > ID_MAX_CHARS or not slug:
                digest = hashlib.sha256(name.encode()).hexdigest()
                length = 6
                while (
                    slug_of := f"{slug[: ID_MAX_CHARS - 1 - length]}-{digest[:length]}".lstrip("-_")
                ) in used:
                    length += 1
                slug = slug_of
            ids[name] = slug
            used.add(slug)
    return ids


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).lstrip("-_")


def host_name(text: str) -> str:
    """A text as the name of a host and graph, without `-` or `_` at the ends; empty if nothing is left."""
    return _slug(text)[:ID_MAX_CHARS].rstrip("-_")
