"""``conclave audit`` as a person types it: exported beside a server, verified with nothing but the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conclave.address import LOCAL_STORE
from conclave.commands import auditing
from conclave.commands.audit import audit_command
from conclave.deployment import deployed
from conclave.identity.identities import USERS_FILE
from consensus.audit import collect
from consensus.client import ConsensusClient
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from tests.support.audits import KEYS, executed, exported, forged
from tests.support.cli import conclave, server_here
from tests.support.proposals import key_of

STORE = LOCAL_STORE / USERS_FILE


async def test_an_audit_is_exported_from_a_server_and_verified_without_one(tmp_path: Path) -> None:
    async with server_here(tmp_path) as here:
        services = deployed(
            here.server.url, names=["consensus"], subjects=Subjects(), credentials=here.server.credentials
        )
        async with services:
            minted = await here.server.identities.ensure("ada", "bob")
            proposed = await here.run(
                *("propose", "Move", "--sha256", "a" * 64, "--electorate", "ada,bob", "--as", "ada", "--json")
            )
            assert proposed.status == 0, proposed
            voted = await here.run("vote", "1", "for", "--as", "ada", "--json")
            assert voted.status == 0, voted
            out = await here.run("audit", "export", "1", "--out", "audit.jsonl")
            assert (out.status, out.out, out.err) == (0, "", "")
            proposal_id = json.loads((tmp_path / "audit.jsonl").read_bytes().splitlines()[0])["proposal_id"]
            printed = await here.run("audit", "export", proposal_id)
            again = await here.run("audit", "export", "1", "--out", "audit.jsonl")
            assert (again.status, again.out) == (2, "")
            assert "audit.jsonl exists already; an audit is never overwritten" in again.err
            # In pages of two entries it is the same file.
            caller = Caller(await here.bus("ada", minted), agent="ada")
            paged = await collect(ConsensusClient(caller), proposal_id, page_size=2)
            service_key = here.server.credentials["consensus"].public_key
    audit = (tmp_path / "audit.jsonl").read_bytes()
    assert paged == audit
    assert (printed.status, printed.out, printed.err) == (0, audit.decode(), "")
    assert json.loads(audit.splitlines()[-1])["attestation"]["public_key"] == service_key
    receipt = json.loads(voted.out)["trail_hash"]
    (tmp_path / "users.json").write_bytes((tmp_path / STORE).read_bytes())
    checked = await conclave(
        *("audit", "verify", "audit.jsonl", "--keys", "users.json", "--head", receipt, "--json"), cwd=tmp_path
    )
    assert (checked.status, checked.err) == (0, "")
    report = json.loads(checked.out)
    assert (report["verified"], report["problems"], report["not_checked"]) == (True, [], [])
    assert (report["votes"], report["signed_votes"]) == (1, 1)
    keys = {"ada": minted["bob"].public_key}
    (tmp_path / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    foreign = await conclave("audit", "verify", "audit.jsonl", "--keys", "keys.json", cwd=tmp_path)
    assert foreign.status == 1
    assert f"not by ada; expected: {keys['ada']}" in foreign.out


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A file with a true audit."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(exported(executed().record()))
    return path


def verified(path: Path, **given: Any) -> int:
    """The exit status of checking `path` in this process."""
    options: dict[str, Any] = {"keys": None, "service_key": None, "heads": (), "as_json": False, **given}
    return auditing.verify_audit(path, **options)


def test_a_true_audit_is_summed_up(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(audit) == 0
    head = executed().record().head
    assert capsys.readouterr().out.splitlines() == [
        "proposal     p  Move to three hosts",
        "result       executed (majority): for 2, against 1, abstain 0 of 3",
        f"artifact     {'a' * 64}",
        "condition    backup first",
        "votes        3, 3 of them signed",
        "entries      9",
        f"head         {head}",
        "not checked  whether this is the trail that voters saw: give a receipt with --head",
        "not checked  whose keys have signed the votes: give --keys",
        "not checked  whether the attestation is the service's: give --service-key",
        "VERIFIED",
    ]


def test_each_problem_is_named_and_the_status_is_1(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[3]["body"]["choice"] = "against"
        lines[0]["proposal_id"] = "p"
        lines[1]["body"]["title"] = "\x1b[31m"

    audit.write_bytes(forged(audit.read_bytes(), change, by="consensus"))
    assert verified(audit) == 1
    out = capsys.readouterr().out
    assert "VERIFIED" not in out.replace("NOT VERIFIED", "")
    assert "\nNOT VERIFIED: " in out
    assert "entry 3 VoteCast): " in out
    assert "\x1b" not in out


def test_all_keys_of_a_rotated_agent_may_be_given(audit: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    given = {agent: [key_of("new").public_key, *known] for agent, known in KEYS.items()}
    keys.write_text(json.dumps(given), encoding="utf-8")
    assert verified(audit, keys=keys) == 0
    assert verified(audit, keys=keys, service_key=key_of("consensus").public_key) == 0
    assert verified(audit, service_key=key_of("eve").public_key) == 1
    assert verified(audit, heads=("0" * 64,)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "keys.json is neither a users.json nor "),
        (b"[]", "keys.json is neither a users.json nor "),
        (b"\xff", "keys.json is neither a users.json nor "),
        (b'{"ada": 5}', "ada: '5' is no public key of an nkey user"),
        (b'{"ada": ["UX"]}', "ada: 'UX' is no public key of an nkey user"),
        (b'{"prefix": "p", "users": [{}]}', "keys.json: users.0."),
    ],
)
def test_keys_that_cannot_be_read_are_refused_with_status_2(
    audit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(content)
    assert verified(audit, keys=keys) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read"), (b"", "it is empty"), (b"a cat\n", "it has one line only")]
)
def test_what_is_no_audit_is_refused_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    path = tmp_path / "no.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert verified(path) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert said in captured.err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--service-key", "UX"), "'UX' is no public key of an nkey user"),
        (("--head", "ABC"), "'ABC' is no hash"),
        (("--service-key", key_of("bob").public_key.lower()), "is no public key of an nkey user"),
    ],
)
def test_options_that_are_no_key_or_hash_are_refused(option: tuple[str, str], said: str) -> None:
    done = CliRunner().invoke(audit_command, ["verify", "x", *option])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
