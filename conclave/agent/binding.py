"""Which arguments a handler gets, decided once when it is decorated. Pure.

Three kinds of parameters: those annotated with a context class get the context; the content that others
sent goes, validated by pydantic, to the rest, either whole to one parameter or key by key to parameters of
the same names. A signature that no content could ever satisfy is refused at once.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from coordination.runtime.errors import UsageError

_MAX_PROBLEM_CHARS: Final = 200
_MAX_PLACE_CHARS: Final = 100
_OBJECT_ORIGINS: Final = (dict, Mapping)
_TYPED_DICT_MARK: Final = "__required_keys__"
"""What a TypedDict has, whether it is of `typing` or of `typing_extensions` (before Python 3.12 pydantic
takes only the latter's)."""
_TYPED_DICT_PROBLEM: Final = "typed-dict-version"
"""Pydantic's code for that."""


class HandlerContext:
    """What a handler may have beside the content: parameters annotated with a subclass get it."""

    __slots__ = ()


class ContentError(ValueError):
    """What others sent does not fit what the handler takes; the message names the field and may be sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """A handler's parameters, resolved.

    Attributes:
        contexts: Names of the parameters that get the context.
        content: The other named parameters, with their annotations; `inspect.Parameter.empty` without one.
        rest: Annotation of ``**kwargs``; None if there is none.
    """

    name: str
    contexts: tuple[str, ...]
    content: Mapping[str, inspect.Parameter]
    rest: inspect.Parameter | None

    def only_parameter(self) -> inspect.Parameter | None:
        """The one parameter for content; None if there are none.

        Raises:
            UsageError: There are several, or ``**kwargs``.
        """
        if len(self.content) > 1 or self.rest is not None:
            raise UsageError(
                f"handler {self.name}: it takes one parameter for the content, and may take a context; "
                f"it has: {', '.join([*self.content, *([self.rest.name] if self.rest else [])])}"
            )
        return next(iter(self.content.values()), None)


def read_signature(
    function: Callable[..., Any], *, context: type[HandlerContext], namespace: Mapping[str, Any] | None = None
) -> Signature:
    """Resolve the parameters of a handler.

    Args:
        function: The handler.
        context: The context class that handlers of its kind are called with.
        namespace: Names that annotations may use beside those of the handler's module: the local names of
            the function in which it is defined.

    Raises:
        UsageError: A parameter can never get a value, or an annotation cannot be resolved.
    """
    name = getattr(function, "__qualname__", None) or type(function).__name__
    parameters = _resolved(function, name, namespace)
    if parameters and parameters[0].name == "self" and parameters[0].annotation is inspect.Parameter.empty:
        raise UsageError(
            f"handler {name}: it takes self, so it is a method without an object; decorate the method of an "
            'object, agent.task("name")(thing.method), or a function'
        )
    contexts, content, rest = [], {}, None
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            rest = parameter
        elif parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise UsageError(
                f"handler {name}: parameter {parameter.name!r} is passed by position, but handlers are "
                "called by name"
            )
        elif wanted := _context_class(parameter.annotation):
            if not issubclass(context, wanted):
                raise UsageError(
                    f"handler {name}: parameter {parameter.name!r} is a {wanted.__name__}, but handlers of "
                    f"this kind get a {context.__name__}"
                )
            contexts.append(parameter.name)
        else:
            content[parameter.name] = parameter
    return Signature(name, tuple(contexts), content, rest)


def _resolved(
    function: Callable[..., Any], name: str, namespace: Mapping[str, Any] | None
) -> list[inspect.Parameter]:
    """The parameters with annotations that are objects, not text."""
    called = function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
    try:
        parameters = list(inspect.signature(function).parameters.values())
        # Local names must not hide the module's builtins, so they come first and the rest stays reachable.
        hints = typing.get_type_hints(called, localns=dict(namespace or {}), include_extras=True)
    except NameError as error:
        raise UsageError(
            f"handler {name}: an annotation names {error.name!r}, which is not defined where the handler is"
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"handler {name}: its signature cannot be read: {error}") from None
    return [
        parameter.replace(annotation=hints.get(parameter.name, inspect.Parameter.empty))
        for parameter in parameters
    ]


def _context_class(annotation: Any) -> type[HandlerContext] | None:
    """The context class that `annotation` names, also as one of several possibilities."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, HandlerContext):
            return option
    return None


def _options(annotation: Any) -> Sequence[Any]:
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _options(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [
            each for option in get_args(annotation) if option is not NoneType for each in _options(option)
        ]
    return [annotation]


class Binding:
    """The arguments of a handler that takes a JSON object: the payload of a task.

    A single parameter annotated with a pydantic model, a dataclass, a TypedDict or a mapping gets the whole
    object. Otherwise keys go to parameters of the same names; a key without a parameter is refused, unless
    there is ``**kwargs``.

    Args:
        signature: The handler's.
        takes_all: Refuse keys without a parameter; else they are left out.

    Raises:
        UsageError: The signature is impossible.
    """

    def __init__(self, signature: Signature, *, takes_all: bool = True) -> None:
        self._signature = signature
        self._takes_all = takes_all
        self._whole = _whole_parameter(signature)
        if self._whole is not None:
            self._adapter = adapter_for(signature.name, self._whole)
        else:
            self._adapter = _model_of(signature)
        self._fields = [(_field_name(number), name) for number, name in enumerate(signature.content)]
        self._takes_nothing = not signature.content and signature.rest is None
        self._rest: TypeAdapter[dict[str, Any]] | None = None
        if signature.rest is not None:
            value = _annotation(signature.rest)
            self._rest = _adapter(signature.name, signature.rest.name, dict[str, value])  # type: ignore[valid-type]

    def arguments(self, payload: Mapping[str, Any], context: HandlerContext | None) -> dict[str, Any]:
        """The keyword arguments for one call.

        Args:
            payload: What was sent.
            context: For the parameters that take it; None if there are none.

        Raises:
            ContentError: `payload` is not what the handler takes.
        """
        arguments: dict[str, Any] = dict.fromkeys(self._signature.contexts, context)
        if not payload and self._takes_nothing:
            return arguments
        if self._whole is not None:
            arguments[self._whole.name] = validated(self._adapter, to_json(payload))
            return arguments
        known: Mapping[str, Any] = payload
        unknown: dict[str, Any] = {}
        if not payload.keys() <= self._signature.content.keys():
            known = {key: value for key, value in payload.items() if key in self._signature.content}
            unknown = {key: value for key, value in payload.items() if key not in known}
        if self._rest is not None:
            clash = next((key for key in self._signature.contexts if key in unknown), None)
            if clash is not None:
                raise ContentError(f"{clash}: this name is taken")
            arguments.update(validated(self._rest, to_json(unknown)))
        elif unknown and self._takes_all:
            raise ContentError(f"{_shown(next(iter(unknown)))}: no such field; {self._takes()}")
        model = validated(self._adapter, to_json(known))
        # By attribute and not by `model_dump`: values stay what validation made of them.
        for name, parameter in self._fields:
            arguments[parameter] = getattr(model, name)
        return arguments

    def _takes(self) -> str:
        names = ", ".join(self._signature.content)
        return f"there are: {names}" if names else "none is taken"


def _field_name(number: int) -> str:
    """Of the parameter at place `number`: parameters may be called as no field may."""
    return f"p{number}"


def _whole_parameter(signature: Signature) -> inspect.Parameter | None:
    """The parameter that gets the whole object, if there is one."""
    if len(signature.content) != 1 or signature.rest is not None:
        return None
    parameter = next(iter(signature.content.values()))
    options = _options(parameter.annotation)
    return parameter if options and all(map(_is_object, options)) else None


def _is_object(annotation: Any) -> bool:
    """Whether values of this type are written as JSON objects."""
    origin = get_origin(annotation) or annotation
    if origin in _OBJECT_ORIGINS or hasattr(origin, _TYPED_DICT_MARK):
        return True
    return isinstance(origin, type) and (
        issubclass(origin, (BaseModel, Mapping)) or dataclasses.is_dataclass(origin)
    )


def _model_of(signature: Signature) -> TypeAdapter[Any]:
    """A model with one field for each parameter. The aliases let a parameter be called as it likes."""
    fields: dict[str, Any] = {}
    for number, (name, parameter) in enumerate(signature.content.items()):
        annotation = _annotation(parameter)
        _adapter(signature.name, name, annotation)  # names the parameter that cannot be
        if isinstance(parameter.default, FieldInfo):
            field = (Annotated[annotation, parameter.default], Field(alias=name))
        elif parameter.default is inspect.Parameter.empty:
            field = (annotation, Field(alias=name))
        else:
            field = (annotation, Field(default=parameter.default, alias=name))
        fields[_field_name(number)] = field
    model = create_model("Payload", __config__=ConfigDict(extra="forbid"), **fields)
    return TypeAdapter(model)


def adapter_for(handler: str, parameter: inspect.Parameter) -> TypeAdapter[Any]:
    """What validates the content for `parameter`.

    Raises:
        UsageError: No JSON could ever become such a value.
    """
    return _adapter(handler, parameter.name, _annotation(parameter))


def _annotation(parameter: inspect.Parameter) -> Any:
    return Any if parameter.annotation is inspect.Parameter.empty else parameter.annotation


def _adapter(handler: str, name: str, annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except PydanticUndefinedAnnotation as error:
        raise UsageError(
            f"handler {handler}: the type of {name!r} names {error.name!r}, which is not defined yet"
        ) from None
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        if isinstance(error, PydanticUserError) and error.code == _TYPED_DICT_PROBLEM:
            raise UsageError(
                f"handler {handler}: parameter {name!r} has a TypedDict of typing; before Python 3.12 take "
                "that of typing_extensions: from typing_extensions import TypedDict"
            ) from None
        if hasattr(annotation, _TYPED_DICT_MARK) and isinstance(error, PydanticUserError):
            raise UsageError(f"handler {handler}: parameter {name!r}: {error.message}") from None
        shown = getattr(annotation, "__name__", str(annotation))
        raise UsageError(
            f"handler {handler}: parameter {name!r} is a {shown}, which cannot come from JSON; what the "
            "agent has is in its context (annotate a parameter with a context class)"
        ) from None


def validated(adapter: TypeAdapter[Any], content: bytes | str) -> Any:
    """`content`, which is JSON, as the value of the adapter's type.

    Raises:
        ContentError: It is none; names the first field in question, and shows a value only if a validator
            of the handler's own types does.
    """
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"][:_MAX_PROBLEM_CHARS]
        raise ContentError(f"{_shown(place)}: {text}" if place else text) from None


def _shown(place: str) -> str:
    """A place in the content, cut: the names in it are the sender's."""
    return place if len(place) <= _MAX_PLACE_CHARS else f"{place[:_MAX_PLACE_CHARS]}…"
