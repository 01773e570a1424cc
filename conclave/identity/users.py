"""The users of one store, as they are kept and as the server reads them. Public keys only: no secret."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from conclave.identity.permissions import (
    ANSWER_EXPIRY_S,
    ANSWERS_PER_REQUEST,
    OPERATOR,
    SERVICE_NAMES,
    Permissions,
    agent_permissions,
    foreign_permissions,
    require_agent_id,
    service_permissions,
    witness_permissions,
)
from coordination.runtime.errors import ConclaveError, UsageError
from coordination.runtime.names import Id, Subjects

PublicKey = Annotated[str, StringConstraints(pattern=r"^U[A-Z2-7]{55}\z")]
"""The public half of an nkey user, 56 characters."""
Role = Literal["operator", "service", "agent", "foreign"]
"""``foreign``: a client of the Synadia Agent Protocol, which may find and prompt agents and nothing else."""
GUESTS: Final[tuple[Role, ...]] = ("agent", "foreign")
"""Those who come and go; the others are there as long as the store."""
_AUTHENTICATION_TIMEOUT_S: Final = 10
"""The default of 2 s refuses good clients while a small machine starts everything at once."""


class User(BaseModel):
    """Somebody whom the server lets in."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: Id
    role: Role
    public_key: PublicKey

    @model_validator(mode="after")
    def _check_name(self) -> User:
        match self.role:
            case "operator":
                fits = self.name == OPERATOR
            case "service":
                fits = self.name in SERVICE_NAMES
            case "agent" | "foreign":
                try:
                    fits = bool(require_agent_id(self.name))
                except UsageError:
                    fits = False
        if not fits:
            raise ValueError(f"{self.name!r} is no name for the role {self.role}")
        return self


class Users(BaseModel):
    """All users of one store."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    prefix: Id
    """First token of the subjects that the permissions name."""
    users: tuple[User, ...] = ()

    @model_validator(mode="after")
    def _check_unique(self) -> Users:
        for what in ("name", "public_key"):
            count = Counter(getattr(user, what) for user in self.users)
            twice = [value for value, times in count.items() if times > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]} is there twice")
        return self

    @property
    def agents(self) -> tuple[User, ...]:
        """The agents and the foreign clients, by name."""
        return tuple(sorted((user for user in self.users if user.role in GUESTS), key=lambda user: user.name))

    def find(self, name: str) -> User | None:
        """The user called `name`."""
        return next((user for user in self.users if user.name == name), None)

    def having(self, *users: User) -> Users:
        """With `users`, which take the place of those of the same name."""
        replaced = {user.name: user for user in (*self.users, *users)}
        return self.model_copy(update={"users": tuple(replaced.values())})

    def without(self, *names: str) -> Users:
        """Without the users called so."""
        return self.model_copy(update={"users": tuple(user for user in self.users if user.name not in names)})


class UsersFileError(ConclaveError):
    """The users file is not what Conclave writes; somebody changed or cut it."""


def parse(text: str, *, path: str) -> Users:
    """Read the users file.

    Raises:
        UsersFileError: It is damaged; the message names the place.
    """
    try:
        return Users.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsersFileError(
            f"{path}: {place}: {first['msg'][:200]}; restore it from a backup, or remove it together with "
            "the credentials directory beside it and mint every agent anew"
        ) from None


def render(users: Users, *, witness: str) -> str:
    """The ``authorization`` block of the server's configuration.

    Args:
        users: Who is let in.
        witness: Public key of a user that may do nothing. It is new for each rendering, so that whoever
            can connect with it knows that the server has read exactly this one.
    """
    lines = ["# Written by Conclave from users.json; changes made here are lost.", "authorization {"]
    lines.append(f'  timeout: "{_AUTHENTICATION_TIMEOUT_S}s"')
    lines.append("  users: [")
    subjects = Subjects(users.prefix)
    for user in users.users:
        lines.append(f"    # {user.role} {user.name}")
        lines.append(f"    {{ nkey: {user.public_key}{_block(_permissions(user, subjects))} }}")
    lines.append("    # witness: new whenever this file is")
    lines.append(f"    {{ nkey: {witness}{_block(witness_permissions())} }}")
    lines += ["  ]", "}", ""]
    return "\n".join(lines)


def _permissions(user: User, subjects: Subjects) -> Permissions | None:
    match user.role:
        case "operator":
            return None
        case "service":
            return service_permissions(user.name, subjects)
        case "agent":
            return agent_permissions(user.name, subjects)
        case "foreign":
            return foreign_permissions(user.name, subjects)


def _block(permissions: Permissions | None) -> str:
    if permissions is None:
        return ""
    return f", permissions: {{ {', '.join(_entries(permissions))} }}"


def _entries(permissions: Permissions) -> Iterator[str]:
    # A list of JSON strings is a list in the server's language, too.
    yield f"publish: {{ allow: {json.dumps(permissions.publish)} }}"
    yield f"subscribe: {{ allow: {json.dumps(permissions.subscribe)} }}"
    if permissions.may_answer:
        limits = f'max: {ANSWERS_PER_REQUEST}, expires: "{ANSWER_EXPIRY_S}s"'
        yield f"allow_responses: {{ {limits} }}"
