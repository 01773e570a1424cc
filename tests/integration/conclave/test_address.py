"""A running server is found from the directory in which it was started, whatever its port."""

from __future__ import annotations

from pathlib import Path

import pytest

from conclave.address import LOCAL_STORE, URL_VARIABLE, find_url
from conclave.embedded import embedded_server
from coordination.runtime.errors import UnavailableError
from tests.support.processes import free_port


async def test_the_server_of_the_local_store_is_found_until_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    port = free_port()
    async with embedded_server(LOCAL_STORE, port=port):
        assert find_url() == f"nats://127.0.0.1:{port}"
    with pytest.raises(UnavailableError, match=rf"nats://127\.0\.0\.1:{port}\) is not running"):
        find_url()
