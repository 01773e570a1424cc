"""Which addresses of servers are taken, and that none is shown with its secrets."""

from __future__ import annotations

import pytest

from coordination.runtime.addresses import server_addresses, without_secrets
from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        *("nats://127.0.0.1:4222", "nats://localhost", "localhost:4222", "tls://nats.example.org:4443"),
        *("nats://[::1]:4222", "nats://ada:s3cret@host:4222", "nats://under_score-1:1", "nats://bücher:4222"),
    ],
)
def test_an_address_of_a_server_is_taken_as_it_is(url: str) -> None:
    assert server_addresses(url) == [url]


def test_several_servers_are_separated_by_commas() -> None:
    assert server_addresses("nats://a:1, nats://b:2") == ["nats://a:1", "nats://b:2"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:4222", "the scheme is http"),
        ("ws://127.0.0.1:4222", "the scheme is ws"),
        ("://127.0.0.1", "it has no scheme"),
        ("nats://no such host:4222", "that is no name of a host"),
        ("no such host", "that is no name of a host"),
        ("nats://", "the host is missing"),
        ("nats://:4222", "the host is missing"),
        ("nats://host:port", "its port is no number"),
        ("nats://host:70000", "its port is no number"),
        ("nats://host:0", "its port is no number"),
        ("nats://[::1:4222", "brackets do not match"),
        ("nats://a:1,,nats://b:2", "the host is missing"),
        ("", "the host is missing"),
    ],
)
async def test_what_is_no_address_is_refused_before_anything_is_sent(url: str, why: str) -> None:
    with pytest.raises(
        UsageError, match=f"is no address of a NATS server: .*{why}.*; write nats://HOST:PORT$"
    ):
        await NatsBus.connect(url, agent="ada")


@pytest.mark.parametrize("url", ["http://ada:s3cret@host", "nats://ada:s3cret@no host", "ada:s3cret@no host"])
def test_a_refused_address_is_shown_without_its_secrets(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        server_addresses(url)
    assert "s3cret" not in str(refused.value)
    assert "host" in str(refused.value)


def test_only_the_user_and_password_are_left_out() -> None:
    assert without_secrets("nats://ada:p@ss@host:1/x@y") == "nats://host:1/x@y"
    assert without_secrets("nats://host:1") == "nats://host:1"
