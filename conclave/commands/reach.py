"""Gets a command to a service, or says in one line why it cannot and what to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from conclave.address import find_url
from conclave.commands.access import Access
from conclave.identity.lookup import find_credentials
from coordination.artifacts.client import ArtifactStoreError
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.errors import AuthorizationError, UnavailableError

_CALLED: Final = {"consensus": "consensus service", "tasks": "task service"}


@contextlib.asynccontextmanager
async def registry(access: Access) -> AsyncIterator[RegistryClient]:
    """A client for the length of the block; errors as `calling`."""
    async with calling(access) as caller:
        yield RegistryClient(caller)


@contextlib.asynccontextmanager
async def calling(access: Access, service: str = "registry") -> AsyncIterator[Caller]:
    """A way to the services for the length of the block.

    Args:
        access: Where they are, and as whom.
        service: The one that is missing if none answers.

    Raises:
        UsageError: The credential cannot be read.
        UnavailableError: No server or no service answers in time; says where, and what to do.
        AuthorizationError: The server does not let us in; says as whom, and what to do.
    """
    url = find_url(access.url)
    credentials = find_credentials(access.agent, access.credentials)
    with _saying_how_to_get_in(access, url, has_credential=credentials is not None):
        async with asyncio.timeout(access.timeout_s):
            bus = await NatsBus.connect(url, agent=access.agent, credentials=credentials)
    try:
        with _saying_what_is_missing(access, url, service):
            yield Caller(bus, agent=access.agent, subjects=access.subjects, patience_s=access.timeout_s)
    finally:
        await bus.close()


@contextlib.contextmanager
def _saying_how_to_get_in(access: Access, url: str, *, has_credential: bool) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise UnavailableError(
            f"no NATS server at {url} within {access.timeout_s:g} s; give its address with --nats URL"
        ) from None
    except UnavailableError as error:
        raise UnavailableError(
            f"{error}; start one here with: conclave up, or give another address with --nats URL"
        ) from None
    except AuthorizationError:
        if has_credential:
            what, mend = "its credential", "give the one from the server's store with --credentials DIR"
        else:
            what, mend = (
                "no credential",
                "give one with --credentials DIR (DIR/NAME.nk), or run where it lies",
            )
        raise AuthorizationError(
            f"the NATS server at {url} does not let {access.agent} in with {what}; {mend}, "
            "or ask as an agent of yours with --as NAME"
        ) from None


@contextlib.contextmanager
def _saying_what_is_missing(access: Access, url: str, service: str) -> Iterator[None]:
    prefix = access.subjects.prefix
    try:
        yield
    except ArtifactStoreError as error:
        raise UnavailableError(
            f"{error}; at {url} under the prefix {prefix!r}. Give it longer with --timeout SECONDS "
            f"(now {access.timeout_s:g}), or start the artifact store with: conclave up, or conclave serve "
            "artifacts"
        ) from None
    except UnavailableError as error:
        raise UnavailableError(
            f"no {_CALLED.get(service, service)} answers at {url} under the prefix {prefix!r} ({error}); "
            f"start one with: conclave up, or conclave serve {service}"
        ) from None
