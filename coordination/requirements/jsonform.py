"""The JSON form of requirements. Pure: takes and gives plain data.

A requirement is its text, or an object with lists ``hard`` and ``preferred``, whose items are the text of
one term or an object with ``name``, ``op``, ``value`` and, if preferred, ``weight``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from coordination.requirements.grammar import parse, parse_term
from coordination.requirements.requirement import Requirement
from coordination.requirements.terms import (
    MAX_ITEMS,
    MAX_TERMS,
    MAX_VALUE_CHARS,
    Name,
    Number,
    Op,
    Preference,
    Scalar,
    Term,
    TermError,
    Value,
    shown,
)
from coordination.requirements.tokens import RequirementSyntaxError

_OPS: Final = {**{op.value: op for op in Op}, "==": Op.EQ}


class RequirementFormError(ValueError):
    """Plain data is no requirement.

    Attributes:
        path: What is to be mended, such as ``hard[1].op``; empty for the whole.
        message: What is wrong with it, and what may stand there.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path: Final = path
        self.message: Final = message


def from_json(form: Any) -> Requirement:
    """Read a requirement from what JSON gives: a string or an object.

    Raises:
        RequirementFormError: It is none; the error says which part.
    """
    if isinstance(form, str):
        try:
            return parse(form)
        except RequirementSyntaxError as error:
            raise RequirementFormError("", _placed(error)) from None
    _require_object(form, "", {"hard", "preferred"}, "a requirement is a string or an object")
    hard = tuple(_hard(each, f"hard[{place}]") for place, each in enumerate(_list(form, "hard")))
    preferred = tuple(
        _preferred(each, f"preferred[{place}]") for place, each in enumerate(_list(form, "preferred"))
    )
    try:
        return Requirement(hard, preferred)
    except ValueError as error:
        raise RequirementFormError("", str(error)) from None


def to_json(requirement: Requirement) -> dict[str, list[Any]]:
    """The object that reads back as an equal requirement.

    A term whose number JSON would not keep as written (``3.10``) is given as text.
    """
    form: dict[str, list[Any]] = {"hard": [_term_form(term, None) for term in requirement.hard]}
    if requirement.preferred:
        form["preferred"] = [_term_form(each.term, each.weight) for each in requirement.preferred]
    return form


def _list(form: Mapping[str, Any], key: str) -> list[Any]:
    items = form.get(key, [])
    if not isinstance(items, (list, tuple)):
        raise RequirementFormError(key, "is a list of terms")
    if len(items) > MAX_TERMS:
        raise RequirementFormError(key, f"a requirement has at most {MAX_TERMS} terms, not {len(items)}")
    return list(items)


def _hard(form: Any, path: str) -> Term:
    if isinstance(form, str):
        term, weight = _lone_term(form, path)
        if weight is not None:
            raise RequirementFormError(path, "only what is preferred has a weight")
        return term
    _require_object(form, path, {"name", "op", "value"}, "a term is a string or an object")
    return _term(form, path)


def _preferred(form: Any, path: str) -> Preference:
    if isinstance(form, str):
        term, weight = _lone_term(form, path)
        return Preference(term, weight if weight is not None else 1)
    _require_object(form, path, {"name", "op", "value", "weight"}, "a preference is a string or an object")
    term = _term(form, path)
    try:
        return Preference(term, form.get("weight", 1))
    except TermError as error:
        raise RequirementFormError(f"{path}.{error.part}", error.message) from None


def _lone_term(text: str, path: str) -> tuple[Term, int | None]:
    try:
        return parse_term(text)
    except RequirementSyntaxError as error:
        raise RequirementFormError(path, _placed(error)) from None


def _term(form: Mapping[str, Any], path: str) -> Term:
    if "name" not in form:
        raise RequirementFormError(f"{path}.name", "is missing; name a capability or a label")
    name, op = form["name"], form.get("op", Op.EXISTS.value)
    if not isinstance(name, str):
        raise RequirementFormError(f"{path}.name", "is a string")
    if not isinstance(op, str) or op not in _OPS:
        given = shown(op) if isinstance(op, str) else "this"
        known = ", ".join(each.value for each in Op)
        raise RequirementFormError(f"{path}.op", f"{given} is no operator; there are {known}")
    value = _value(form.get("value"), f"{path}.value")
    try:
        return Term(Name.read(name), _OPS[op], value)
    except TermError as error:
        item = "" if error.item is None else f"[{error.item}]"
        raise RequirementFormError(f"{path}.{error.part}{item}", error.message) from None


def _value(value: Any, path: str) -> Value:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        return _scalar(value, path)
    if len(value) > MAX_ITEMS:
        raise RequirementFormError(path, f"a list has 1 to {MAX_ITEMS} items, not {len(value)}")
    return tuple(_scalar(each, f"{path}[{place}]") for place, each in enumerate(value))


def _scalar(value: Any, path: str) -> Scalar:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return Number(repr(float(value)))
    # A number of so many bits has so many digits at least; longer ones are not even written out.
    if isinstance(value, int) and value.bit_length() <= 4 * MAX_VALUE_CHARS:
        try:
            return Number(str(int(value)))
        except (ValueError, OverflowError):
            pass
    raise RequirementFormError(
        path, f"is a string, true, false, or a number of at most {MAX_VALUE_CHARS} digits"
    )


def _require_object(form: Any, path: str, known: set[str], what: str) -> None:
    if not isinstance(form, Mapping):
        raise RequirementFormError(path, f"{what}, not {_kind(form)}")
    unknown = sorted(str(key) for key in form if key not in known)
    if unknown:
        raise RequirementFormError(
            f"{path}.{unknown[0][:60]}".lstrip("."), f"is unknown; there are {', '.join(sorted(known))}"
        )


def _kind(form: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", type(None): "null"}
    return kinds.get(type(form), "this")


def _placed(error: RequirementSyntaxError) -> str:
    """The error on one line, as it travels."""
    near = error.text[error.offset : error.offset + 20]
    place = f"at {shown(near)}" if near else "at the end"
    return f"{error.message} (character {error.offset}, {place})"


def _term_form(term: Term, weight: int | None) -> Any:
    value = list(term.value) if isinstance(term.value, tuple) else [term.value]
    numbers = [each for each in value if isinstance(each, Number)]
    if any(repr(each.value) != each.text for each in numbers):
        return str(term) + (f" weight {weight}" if weight is not None and weight != 1 else "")
    form: dict[str, Any] = {"name": str(term.name).strip('"'), "op": term.op.value}
    if term.value is not None:
        items = [each.value if isinstance(each, Number) else each for each in value]
        form["value"] = items if isinstance(term.value, tuple) else items[0]
    return form if weight is None else {**form, "weight": weight}
