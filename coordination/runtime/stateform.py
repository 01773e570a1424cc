"""How a state is written and read in parts, so that neither takes the time of whoever does something else.

A state may be hundreds of megabytes of JSON, which take seconds, and a leader that is away for longer than
its lease is none any more. So a container that the state holds is copied when the snapshot is taken, which
for 100,000 entries takes a millisecond, and its entries are written some at a time. That is right as long as
they cannot change meanwhile: which types are so is worked out from the annotations. Whatever may change is
copied as well, or written at once. Pure.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from coordination.runtime.jsonwalk import JsonWalk

_PART_BYTES: Final = 64 * 1024
"""About as much is written, or read, at a time: a millisecond or less."""
_FIRST_ENTRIES: Final = 16
_MAX_ENTRIES: Final = 512
"""Entries written together; so many, or as many as give a part."""
_PLAIN: Final = (str, bytes, int, float, bool, NoneType, Enum, datetime)
_CONTAINERS: Final = (dict, OrderedDict, list)


def is_fixed(hint: Any) -> bool:
    """Whether values of this type never change: plain ones, and frozen dataclasses.

    What a frozen dataclass holds is taken for fixed, too: nobody changes a record in place.
    """
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Annotated, Union, UnionType):
        return all(is_fixed(each) for each in (options[:1] if origin is Annotated else options))
    if origin is tuple:
        return all(each is Ellipsis or is_fixed(each) for each in options)
    if origin is not None or not isinstance(hint, type):
        return origin is Literal
    if is_dataclass(hint):
        return bool(hint.__dataclass_params__.frozen)  # type: ignore[attr-defined]
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return all(is_fixed(each) for each in get_type_hints(hint, include_extras=True).values())
    return issubclass(hint, _PLAIN)


class _Entries:
    """How one container of a state is copied, and written and read some entries at a time."""

    def __init__(self, hint: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(hint)
        self._make: Callable[[Any], Any] = get_origin(hint)
        self.is_mapping = self._make is not list
        inner = get_args(hint)[-1]
        self._copies_inner: Callable[[Any], Any] | None = None if is_fixed(inner) else get_origin(inner)

    @staticmethod
    def suit(hint: Any) -> bool:
        """Whether `hint` is a container whose entries can be kept from changing by a copy."""
        if get_origin(hint) not in _CONTAINERS:
            return False
        inner = get_args(hint)[-1]
        of_fixed = get_origin(inner) in _CONTAINERS and all(is_fixed(each) for each in get_args(inner))
        return is_fixed(inner) or of_fixed

    def copied(self, container: Any) -> Any:
        """What `container` holds now."""
        copy = self._copies_inner
        if copy is None:
            return container.copy()
        if self.is_mapping:
            return {key: copy(inner) for key, inner in container.items()}
        return [copy(inner) for inner in container]

    def written(self, container: Any) -> Iterator[bytes]:
        """The JSON of `container`, some entries at a time."""
        write = self._adapter.serializer.to_json
        entries = iter(container.items() if self.is_mapping else container)
        count, lead = _FIRST_ENTRIES, b"{" if self.is_mapping else b"["
        while some := self._make(islice(entries, count)):
            part = lead + write(some, warnings="error")[1:-1]
            yield part
            lead = b","
            if len(part) > _PART_BYTES:
                count = max(count // 2, 1)
            elif len(part) < _PART_BYTES // 2:
                count = min(count * 2, _MAX_ENTRIES)
        if lead != b",":
            yield lead
        yield b"}" if self.is_mapping else b"]"

    def read(self, walk: JsonWalk) -> Generator[None, None, Any]:
        """The container that stands next; yields after each part.

        Raises:
            ValueError: It is not there, or not JSON, or an entry is not of its type.
        """
        whole = _validated(self._adapter, {} if self.is_mapping else [])
        some: Any = {} if self.is_mapping else []
        begin = walk.position
        for key in walk.members() if self.is_mapping else walk.items():
            if self.is_mapping:
                some[key] = walk.value()
            else:
                some.append(walk.value())
            if walk.position - begin > _PART_BYTES:
                _extend(whole, _validated(self._adapter, some))
                some.clear()
                begin = walk.position
                yield
        _extend(whole, _validated(self._adapter, some))
        return whole


class _MisshapenError(ValueError):
    """A value is not of its type; says where and how, but not what it is."""

    def __init__(self, error: ValidationError) -> None:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"])[:80]
        super().__init__(f"{place}: {first['msg'][:200]}" if place else first["msg"][:200])
        self.is_inside = bool(place)


def _validated(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validator.validate_python(value)
    except ValidationError as error:
        raise _MisshapenError(error) from None


def _extend(whole: Any, some: Any) -> None:
    if isinstance(whole, dict):
        whole.update(some)
    else:
        whole.extend(some)


class StateForm:
    """The written form of one type: the JSON that pydantic makes of it, but in parts.

    Args:
        state_type: A dataclass, whose containers of fixed entries are written and read in parts and all else
            at once; or any other type, which is written and read at once.
    """

    def __init__(self, state_type: type) -> None:
        self._state_type = state_type
        self._parts: dict[str, _Entries | TypeAdapter[Any]] = {}
        self._whole = None if is_dataclass(state_type) else TypeAdapter[Any](state_type)
        if self._whole is not None:
            return
        hints = get_type_hints(state_type, include_extras=True)
        for each in fields(state_type):
            hint = hints[each.name]
            self._parts[each.name] = _Entries(hint) if _Entries.suit(hint) else TypeAdapter(hint)

    def parts(self, state: Any) -> Iterator[bytes]:
        """The JSON of `state` as it is now, however it changes before the last part is taken.

        Raises:
            ValueError: A field holds what its type does not allow; also while the parts are taken.
        """
        if self._whole is not None:
            return iter((self._whole.serializer.to_json(state, warnings="error"),))
        return written(self.members(state))

    def members(self, state: Any) -> list[tuple[str, Iterator[bytes]]]:
        """As `parts`, field by field.

        Raises:
            ValueError: As for `parts`.
        """
        members: list[tuple[str, Iterator[bytes]]] = []
        for name, part in self._parts.items():
            value = getattr(state, name)
            if isinstance(part, _Entries):
                members.append((name, part.written(part.copied(value))))
            else:
                members.append((name, iter((part.serializer.to_json(value, warnings="error"),))))
        return members

    def read(self, walk: JsonWalk) -> Generator[None, None, Any]:
        """The state that stands next; yields after each part. Fields that are not known are left out.

        Raises:
            ValueError: It is not there, or not JSON, or a field is not of its type.
        """
        if self._whole is not None:
            return _validated(self._whole, walk.value())
        values: dict[str, Any] = {}
        for name in walk.members():
            yield from self.read_member(name, walk, values)
        return self.made(values)

    def read_member(self, name: str, walk: JsonWalk, values: dict[str, Any]) -> Generator[None, None, None]:
        """Add the field that stands next to `values`, if there is one of that name; yields after each part.

        Raises:
            ValueError: It is not JSON, or not of the field's type.
        """
        part = self._parts.get(name)
        try:
            if isinstance(part, _Entries):
                values[name] = yield from part.read(walk)
            elif part is not None:
                values[name] = _validated(part, walk.value())
            else:
                walk.value()
        except _MisshapenError as error:
            raise ValueError(f"{name}.{error}" if error.is_inside else f"{name}: {error}") from None

    def made(self, values: dict[str, Any]) -> Any:
        """The state with these fields.

        Raises:
            ValueError: One is missing that has no default.
        """
        try:
            return self._state_type(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None


def written(members: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    """The JSON of an object, from the names and the JSON of its members."""
    lead = b"{"
    for name, parts in members:
        yield lead + json.dumps(name).encode() + b":"
        yield from parts
        lead = b","
    yield b"}"


@lru_cache(maxsize=64)
def form_of(state_type: type) -> StateForm:
    """The form of `state_type`; made once, because that takes milliseconds and a takeover must not wait."""
    return StateForm(state_type)
