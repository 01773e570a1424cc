"""The users of one store: minting them, taking them back, and telling a running server.

``users.json`` (public keys) is the truth; ``authorization.conf`` is rendered from it, and the seeds lie
in ``credentials/NAME.nk``, each in a file that only its owner can read. A change happens under a lock,
so that two at once lose nothing, and is complete when the running server has proven that it knows it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Final

from conclave import store as directory
from conclave.identity.permissions import OPERATOR, SERVICE_NAMES, require_agent_id
from conclave.identity.running import RunningServer
from conclave.identity.users import GUESTS, Role, User, Users, UsersFileError, parse, render
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError
from coordination.runtime.logs import get_logger

USERS_FILE: Final = "users.json"
AUTHORIZATION_FILE: Final = "authorization.conf"
CREDENTIALS_DIRECTORY: Final = "credentials"
_LOCK_FILE: Final = "users.lock"
_LOCK_TIMEOUT_S: Final = 30.0
"""Longer than a server may take to start, which happens under the lock."""
_log = get_logger(__name__)


class Identities:
    """The users of the server over `store`.

    Args:
        store: Directory of the embedded server; made if absent.
    """

    def __init__(self, store: Path) -> None:
        self.store: Path = store.absolute()
        self.directory: Path = self.store / CREDENTIALS_DIRECTORY
        """Where the seeds lie, for `conclave.identity.find_credentials` and ``--credentials``."""

    def path(self, name: str) -> Path:
        """Where the seed of `name` lies, unless it was written elsewhere."""
        return self.directory / f"{name}.nk"

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Nobody else changes the users during the block.

        Raises:
            UsageError: The store cannot be used, or somebody held the lock for very long.
        """
        directory.prepare(self.store)
        self._make_directory()
        lock = self.store / _LOCK_FILE
        busy = f"the users of store {self.store} are being changed by another process; try again"
        async with directory.locked(lock, timeout_s=_LOCK_TIMEOUT_S, busy=busy):
            yield

    def found(self, prefix: str) -> dict[str, Credentials]:
        """Mint what is missing of the operator and the services; only under `locked`.

        Args:
            prefix: First token of the deployment's subjects.

        Returns:
            The services' credentials by name.

        Raises:
            UsersFileError: The users file is damaged.
            UsageError: A credential file is open to everybody, or holds no seed.
        """
        users = self._read() or Users(prefix=prefix)
        roles: dict[str, Role] = {OPERATOR: "operator", **dict.fromkeys(SERVICE_NAMES, "service")}
        credentials = {name: self._own_credentials(name) for name in roles}
        ours = [
            User(name=name, role=role, public_key=credentials[name].public_key)
            for name, role in roles.items()
        ]
        self._write(users.model_copy(update={"prefix": prefix}).having(*ours))
        del credentials[OPERATOR]
        return credentials

    async def add(
        self, *names: str, out: Path | None = None, rotate: bool = False, foreign: bool = False
    ) -> tuple[Path, ...]:
        """Mint a credential for each agent in `names`; a running server knows them on return.

        Args:
            names: Ids of agents.
            out: File for the seed instead of the store's own; only with one name.
            rotate: Replace the credential of an agent that has one already, which ends its connections.
            foreign: Not for agents of ours but for clients of the Synadia Agent Protocol.

        Returns:
            Where the seeds are.

        Raises:
            UsageError: An id is not valid, reserved, given twice or taken, or `out` exists.
            UsersFileError: The users file is damaged.
            UnavailableError: The running server did not take the change; it will when it restarts.
        """
        for name in names:
            require_agent_id(name)
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"agent id {name!r} is given twice; give it once")
        if out is not None and len(names) != 1:
            raise UsageError("a file for the seed can be given for one agent only")
        async with self.locked():
            users = self._read() or Users(prefix="conclave")
            self._refuse_taken(names, users, out, rotate=rotate)
            role: Role = "foreign" if foreign else "agent"
            self._refuse_other_role(names, users, role)
            minted = [self._mint(name, out or self.path(name), role) for name in names]
            await self._apply(users.having(*minted))
        return tuple(out or self.path(name) for name in names)

    async def ensure(self, *names: str) -> Mapping[str, Credentials]:
        """Credentials of the agents `names`, minting those that are missing; errors as `add`."""
        known = {agent.name: agent.public_key for agent in self.agents()}
        missing = [name for name in names if not self._holds(name, known.get(name))]
        if missing:
            await self.add(*missing, rotate=True)
        return {name: Credentials.read(self.path(name)) for name in names}

    async def remove(self, name: str) -> None:
        """Take an agent's credential back: its connections end and it is let in no more.

        Raises:
            UsageError: There is no such agent.
            UsersFileError: The users file is damaged.
            UnavailableError: The running server did not take the change; it will when it restarts.
        """
        async with self.locked():
            users = self._read()
            found = users.find(name) if users is not None else None
            if users is None or found is None or found.role not in GUESTS:
                raise UsageError(f"store {self.store} has no agent {name[:80]!r}; see: conclave agent list")
            await self._apply(users.without(name))
            self.path(name).unlink(missing_ok=True)

    def agents(self) -> tuple[User, ...]:
        """The agents and the foreign clients, by name.

        Raises:
            UsersFileError: The users file is damaged.
        """
        users = self._read()
        return users.agents if users is not None else ()

    def _read(self) -> Users | None:
        path = self.store / USERS_FILE
        try:
            return parse(path.read_text(encoding="utf-8"), path=str(path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UsersFileError(f"{path} cannot be read: {type(error).__name__}") from None

    def _write(self, users: Users) -> Credentials:
        """Replace users file and authorization block; the witness of the new block."""
        witness = Credentials.generate(os.urandom(32))
        directory.replace(self.store / USERS_FILE, users.model_dump_json(indent=2) + "\n")
        directory.replace(self.store / AUTHORIZATION_FILE, render(users, witness=witness.public_key))
        return witness

    async def _apply(self, users: Users) -> None:
        witness = self._write(users)
        running = RunningServer.of(self.store)
        if running is not None:
            await running.reload(witness, store=self.store)

    def _refuse_taken(self, names: Iterable[str], users: Users, out: Path | None, *, rotate: bool) -> None:
        if rotate:
            return
        if taken := [name for name in names if users.find(name) is not None]:
            raise UsageError(_taken(taken, [name for name in names if name not in taken]))
        if out is not None and out.exists():
            raise UsageError(f"{out} exists already; choose another file, or give --rotate to replace it")

    def _refuse_other_role(self, names: Iterable[str], users: Users, role: Role) -> None:
        """An agent does not become a foreign client, nor the other way round, by a new credential."""
        for name in names:
            found = users.find(name)
            if found is not None and found.role != role:
                raise UsageError(f"{name!r} is of role {found.role}, not {role}; remove it first")

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            self.directory.chmod(0o700)
        except OSError as error:
            raise UsageError(f"{self.directory}: {error.strerror}") from None

    def _mint(self, name: str, path: Path, role: Role) -> User:
        """A new key for `name`, its seed in `path`."""
        credentials = Credentials.generate(os.urandom(32))
        self._keep(credentials, path)
        if path.absolute() != self.path(name):
            self.path(name).unlink(missing_ok=True)  # of no use any more
        return User(name=name, role=role, public_key=credentials.public_key)

    def _keep(self, credentials: Credentials, path: Path) -> None:
        try:
            directory.replace(path, f"{credentials.seed}\n")
        except OSError as error:
            raise UsageError(f"the credential cannot be written to {path}: {error.strerror}") from None

    def _own_credentials(self, name: str) -> Credentials:
        """The seed of a service or the operator: the one in its file, else a new one."""
        path = self.path(name)
        if path.exists():
            return Credentials.read(path)
        credentials = Credentials.generate(os.urandom(32))
        self._keep(credentials, path)
        _log.info("credential minted", user=name, path=str(path))
        return credentials

    def _holds(self, name: str, public_key: str | None) -> bool:
        """Whether the seed of `name` lies here and is the one that the server knows."""
        return (
            public_key is not None
            and self.path(name).exists()
            and Credentials.read(self.path(name)).public_key == public_key
        )


def _taken(taken: list[str], others: list[str]) -> str:
    """That some agents have credentials already, so that nobody gets one."""
    have = (
        f"agent {taken[0]!r} has a credential"
        if len(taken) == 1
        else f"agents {_listed(taken)} have credentials"
    )
    them = "it" if len(taken) == 1 else "them"
    none = f", and none was made for {_listed(others)}: leave {them} out, or" if others else ";"
    whose = "the agent's" if len(taken) == 1 else "the agents'"
    return f"{have} already{none} --rotate replaces {them}, which ends {whose} connections"


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
