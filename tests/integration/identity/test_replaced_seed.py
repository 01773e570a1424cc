"""A stolen seed of the operator is worth nothing after a restart without its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from conclave.embedded import embedded_server
from coordination.runtime.bus import NatsBus
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import AuthorizationError
from coordination.runtime.names import Subjects


async def test_a_seed_whose_file_was_deleted_is_replaced_at_the_next_start(tmp_path: Path) -> None:
    seed = tmp_path / "credentials" / "operator.nk"
    async with embedded_server(tmp_path, secured=Subjects()):
        stolen = Credentials(Credentials.read(seed).seed)  # a copy, which knows of no file
    seed.unlink()
    async with embedded_server(tmp_path, secured=Subjects()) as server:
        with pytest.raises(AuthorizationError):
            await NatsBus.connect(server.url, agent="operator", credentials=stolen)
        bus = await NatsBus.connect(server.url, agent="operator", credentials=Credentials.read(seed))
        await bus.close()


async def test_a_bus_takes_up_the_rotated_seed_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    first, second = (Credentials.generate(bytes([number] * 32)) for number in (1, 2))
    first.write(path)
    given = Credentials.read(path)
    path.unlink()
    second.write(path)
    assert given.current() == second
    path.unlink()
    assert given.current() == given, "without the file, what was read is all there is"
