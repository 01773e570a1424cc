"""Command-line flags of known servers, as settings under the server's own names.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nix_gen.compose.images import FACTS, Program
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing
from nix_gen.errors import quoted

_NATS_NAMES = {
    "js": "jetstream",
    "jetstream": "jetstream",
    "m": "http_port",
    "http_port": "http_port",
    "p": "port",
    "port": "port",
    "cluster_name": "cluster_name",
}
_NATS_SWITCHES = frozenset({"js", "jetstream", "D", "DV", "V", "debug", "trace", "tls"})


@dataclass(slots=True)
class Flags:
    """Settings by name; a flag without a value is true."""

    values: dict[str, str | bool] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    """Arguments that are no setting."""


def runs_server(program: Program, command: tuple[str, ...] | None) -> bool:
    """Whether a container command starts the server itself, rather than a client or a shell."""
    return not command or command[0].startswith("-") or command[0] in FACTS[program].servers


def read_flags(program: Program, source: ServiceSource, importing: Importing) -> Flags:
    """Flags of the command of a service; what is no flag becomes a note."""
    arguments = list(source.command or ())
    if arguments and arguments[0] in FACTS[program].servers:
        arguments.pop(0)
    readers = {Program.POSTGRESQL: _postgres, Program.REDIS: _redis, Program.NATS: _nats}
    flags = readers.get(program, _mysql)(arguments)
    for argument in flags.strange:
        mend = "give it to the service on the host"
        what = f"the argument {quoted(argument)} of {source.where}"
        importing.dropped(source.id, what, mend, line=source.line, warn=True)
    return flags


def _assign(flags: Flags, text: str) -> None:
    name, equals, value = text.partition("=")
    flags.values[name] = value if equals else True


def _mysql(arguments: list[str]) -> Flags:
    flags = Flags()
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            _assign(flags, argument[2:])
        else:
            flags.strange.append(argument)
    return flags


def _postgres(arguments: list[str]) -> Flags:
    flags = Flags()
    rest = iter(arguments)
    for argument in rest:
        if argument == "-c":
            _assign(flags, next(rest, ""))
        elif argument.startswith("-c"):
            _assign(flags, argument[2:])
        elif argument == "-p":
            flags.values["port"] = next(rest, "")
        elif argument.startswith("--") and "=" in argument:
            name, _, value = argument[2:].partition("=")
            flags.values[name.replace("-", "_")] = value
        else:
            flags.strange.append(argument)
    flags.values.pop("", None)
    return flags


def _redis(arguments: list[str]) -> Flags:
    flags = Flags()
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            name = name.lower()
            flags.values[name] = value if equals else True
        elif name:
            before = flags.values[name]
            flags.values[name] = argument if isinstance(before, bool) else f"{before} {argument}"
        else:
            flags.strange.append(argument)
    return flags


def _nats(arguments: list[str]) -> Flags:
    flags = Flags()
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-"):
            flags.strange.append(argument)
        elif name in _NATS_SWITCHES or equals:
            _keep_nats(flags, name, value if equals else True)
        else:
            _keep_nats(flags, name, next(rest, ""))
    return flags


def _keep_nats(flags: Flags, name: str, value: str | Literal[True]) -> None:
    """A flag that has a field in the graph is kept; of another only the name, for its value may be secret."""
    if name in _NATS_NAMES:
        flags.values[_NATS_NAMES[name]] = value
    else:
        flags.strange.append(f"--{name}")
