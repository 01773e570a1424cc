"""`conclave propose`, `vote`, `proposals`, `proposal` and `delegate`, as people and programs use them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conclave import Session
from conclave.cli import cli
from conclave.deployment import deployed
from consensus.rules import Protocol
from nix_gen import load
from tests.support.cli import Finished, Here, server_here, started

TEA = hashlib.sha256(b"tea").hexdigest()
GRAPH = """
graph: {name: shop}
nodes:
  - {id: front, kind: host, addresses: [10.0.0.1]}
"""


@contextlib.asynccontextmanager
async def voters_here(cwd: Path, *names: str) -> AsyncIterator[Here]:
    """A secured server with the services that votes need, and credentials for `names`."""
    services = ("registry", "consensus", "dialog", "artifacts")
    async with (
        server_here(cwd) as here,
        deployed(here.server.url, names=services, credentials=here.server.credentials),
    ):
        await here.server.identities.ensure(*names)
        (cwd / "tea.txt").write_text("tea", encoding="utf-8")
        yield here


async def session(here: Here, name: str) -> Session:
    """What `name` can do from within the test: faster than a process for each command."""
    credentials = (await here.server.identities.ensure(name))[name]
    return Session(await here.bus(name, credentials), agent=name, credentials=credentials)


async def read(here: Here, *arguments: str) -> Any:
    """What a command prints with ``--json``."""
    done = await here.run(*arguments, "--json")
    assert (done.status, done.err) == (0, ""), done.err
    return json.loads(done.out)


def refused(done: Finished, status: int, *texts: str) -> None:
    """One line on standard error that has each of `texts`, and nothing on standard output."""
    assert (done.status, done.out, len(done.err.splitlines())) == (status, "", 1), done
    for text in texts:
        assert text in done.err


async def test_a_vote_goes_from_proposal_to_receipt(tmp_path: Path) -> None:
    async with voters_here(tmp_path, "ada", "bob") as here:
        propose = ("propose", "Tea?", "--artifact", "tea.txt", "-e", "ada,bob", "--quorum", "2")
        made = await here.run(*propose, "--as", "ada")
        assert made.out.startswith("#1  ")
        identity = made.out.split()[1]
        cast = await here.run("vote", "1", "for", "--as", "ada", "-r", "it is late")
        assert cast.out.startswith("#1  ada votes for with weight 1; the proposal is active\nreceipt  ")
        reply = await read(
            here, "vote", identity[:6], "for", "--as", "bob", "--condition", "milk", "--artifact", "tea.txt"
        )
        assert reply["status"] == "succeeded"
        execute = ("proposal", "execute", "1", "--as", "bob", "--artifact", "tea.txt")
        refused(await here.run(*execute), 1, "conditions_unmet: not confirmed: milk; confirm each with --met")
        refused(await here.run(*execute, "--met", "foo"), 2, "--met foo: #1 has no such condition")
        done = await read(here, *execute, "--condition-met", "milk", "--id", "e1")
        assert (done["executor"], done["execution_id"]) == ("bob", "e1")
        report = await here.run("proposal", "report", "1", "--success", "--note", "hot", "--as", "bob")
        assert report.out == "#1  reported success\n"
        page = (await here.run("proposal", "show", "1")).out
        for line in (
            f"artifact:        {hashlib.sha256(b'tea').hexdigest()}",
            "status:          executed",
            "condition:       milk",
            "receipt:         success  hot",
            "vote:            ada  for  1  it is late",
        ):
            assert line in page


async def test_every_kind_of_choice_can_be_written(tmp_path: Path) -> None:
    choices: dict[Protocol, tuple[list[str], Any]] = {
        "ranked_choice": (["a", "b=c"], [["a"], ["b", "c"]]),
        "approval": (["c", "a"], [["a", "c"]]),
        "quadratic": (["a:3", "b:2"], {"a": 3, "b": 2}),
    }
    async with voters_here(tmp_path, "ada") as here:
        ada = await session(here, "ada")
        for number, (protocol, (words, choice)) in enumerate(choices.items(), start=1):
            made = await ada.consensus.propose(
                protocol,
                artifact_sha256=TEA,
                electorate=["ada"],
                protocol=protocol,
                options=["a", "b", "c"],
                tie_rule="first_listed",
            )
            await read(here, "vote", str(number), *words, "--as", "ada")
            (vote,) = (await ada.consensus.votes(made.proposal_id)).votes
            assert vote.choice == choice
            assert vote.signature
        listed = await read(here, "proposals", "--status", "succeeded")
        assert [each["rules"]["protocol"] for each in listed] == list(choices)


async def test_options_become_the_rules_of_the_proposal(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(GRAPH, encoding="utf-8")
    async with voters_here(tmp_path, "ada") as here:
        made = await read(
            here,
            *("propose", "Deploy", "--graph", "shop.yaml", "--upload", "--as", "ada"),
            *("-e", "ada,bob", "-e", "carol", "--weight", "bob=3", "--kind", "infrastructure_change"),
            *("--protocol", "qualified_majority", "--threshold", ">2/3 of eligible", "--quorum", "60%"),
            *("--delay", "10m", "--period", "1h30m", "--veto", "dave", "--guardian", "erin"),
            *("--executor", "tasks", "--executor", "carol"),
            *("--timelock", "5m", "--window", "1d", "--late-quorum", "30s", "--super-quorum", "3/4"),
            *("--vote-changes", "--no-early", "--offline", "release", "--signatures", "optional"),
        )
        graph = load(tmp_path / "shop.yaml").graph
        assert made["artifact_sha256"] == graph.digest()
        rules = made["rules"]
        assert rules["threshold"] == {"numerator": 2, "denominator": 3, "inclusive": False, "of": "eligible"}
        assert rules["quorum"] == {"count": None, "numerator": 3, "denominator": 5}
        assert (rules["veto_holders"], rules["guardian"]) == (["dave"], "erin")
        assert rules["executors"] == ["tasks", "carol"]
        assert (rules["timelock_ms"], rules["execution_window_ms"]) == (300_000, 86_400_000)
        assert (rules["late_quorum_extension_ms"], rules["vote_changes"]) == (30_000, True)
        assert (rules["early_decision"], rules["offline_voters"]) == (False, "release")
        shown = (await read(here, "proposal", "show", made["proposal_id"]))["proposal"]
        assert shown["electorate"]["weights"] == "given"
        assert (shown["voting_delay_ms"], shown["voting_period_ms"]) == (600_000, 5_400_000)


async def test_a_proposal_is_discussed_amended_and_stopped(tmp_path: Path) -> None:
    async with voters_here(tmp_path, "ada", "bob", "dave") as here:
        ada = await session(here, "ada")
        made = await ada.consensus.propose(
            "Tea?",
            artifact_sha256=TEA,
            electorate=["bob"],
            voting_delay_ms=3_600_000,
            veto_holders=["dave"],
        )
        said = await here.run("proposal", "discuss", "1", "green tea", "--as", "bob")
        assert said.out == "#1  comment 1\n"
        (tmp_path / "green.txt").write_text("green tea", encoding="utf-8")
        amend = ("proposal", "amend", "1", "--artifact", "green.txt", "--reason", "bob is right")
        amended = await read(here, *amend, "--as", "ada")
        assert amended["artifact_sha256"] == hashlib.sha256(b"green tea").hexdigest()
        stale = await here.run("vote", "1", "for", "--as", "bob", "--artifact", "tea.txt")
        refused(stale, 1, "stale_artifact: #1 is about", f"not about tea.txt, which is {TEA}; nothing was")
        stale = await here.run("vote", "1", "for", "--as", "bob", "--sha256", TEA)
        green = amended["artifact_sha256"]
        refused(stale, 1, f"stale_artifact: #1 is about {green}, not about {TEA}; nothing was signed")
        early = await here.run("vote", "1", "for", "--as", "bob", "--sha256", green)
        refused(early, 1, "not_active: voting opens after 20", " UTC (in 59m")
        vetoed = await here.run("proposal", "veto", "1", "coffee", "--as", "dave")
        assert vetoed.out == "#1  vetoed by dave: coffee\n"
        refused(await here.run("proposal", "cancel", "1", "--as", "ada"), 1, "already_settled")
        assert (await ada.consensus.get(made.proposal_id)).status == "vetoed"


async def test_delegates_are_chosen_listed_and_dismissed(tmp_path: Path) -> None:
    async with voters_here(tmp_path, "ada", "bob") as here:
        chosen = await here.run("delegate", "bob", "--as", "ada")
        assert chosen.out == "bob stands in for ada in proposals whose vote opens from now on\n"
        listed = (await here.run("delegate", "bob", "--list")).out.splitlines()
        assert [line.split()[:3] for line in listed] == [["AGENT", "DELEGATE", "KIND"], ["ada", "bob", "all"]]
        bob = await session(here, "bob")
        made = await bob.consensus.propose("Tea?", artifact_sha256=TEA, electorate=["ada", "bob"])
        assert (await bob.consensus.vote(made.proposal_id, "for")).weight == 2
        stranger = await here.run("delegate", "nosuchagent", "--as", "ada")
        assert stranger.err == (
            "conclave: no agent nosuchagent is registered; the delegation counts once it may vote\n"
        )
        assert stranger.out.startswith("nosuchagent stands in for ada")
        dismissed = await here.run("delegate", "--none", "--as", "ada")
        assert dismissed.out.startswith("nobody stands in for ada any more")


@pytest.mark.parametrize(("choice", "status", "word"), [("for", 0, "succeeded"), ("against", 1, "defeated")])
async def test_a_watch_ends_with_the_decision(tmp_path: Path, choice: str, status: int, word: str) -> None:
    async with voters_here(tmp_path, "ada") as here:
        ada = await session(here, "ada")
        made = await ada.consensus.propose(
            "Tea?", artifact_sha256=TEA, electorate=["ada", "bob"], weights={"ada": 3}
        )
        watch = await started("proposal", "watch", "1", cwd=tmp_path)
        assert watch.stdout is not None
        first = (await watch.stdout.readline()).decode().split()
        assert first[1:] == ["ada", "proposed", "Tea?"]
        await ada.consensus.vote(made.proposal_id, choice, rationale="so it is")
        out, err = await watch.communicate()
        vote, decision = (line.split(maxsplit=3)[1:] for line in out.decode().splitlines())
        assert vote == ["ada", "votes", f"{choice}  3  so it is"]
        assert decision[1] == word
        assert (watch.returncode, err) == (status, b"")
        events = (await here.run("proposal", "watch", "1", "--json")).out.splitlines()
        lines = [json.loads(each) for each in events]
        assert [each["kind"] for each in lines] == ["proposal", "vote", "tally", "decision"]
        assert lines[-1]["decision"]["status"] == word


async def test_what_cannot_be_done_is_said_in_one_line_with_a_way_out(tmp_path: Path) -> None:
    async with voters_here(tmp_path, "ada") as here:
        ada = await session(here, "ada")
        await ada.consensus.propose(
            "Tea?", artifact_sha256=TEA, electorate=["ada"], voting_period_ms=3_600_000
        )
        (tmp_path / "bad.yaml").write_text("nodes: 7\n", encoding="utf-8")
        share = ("propose", "T", "--sha256", "0" * 64, "-e", "ada", "--threshold", "1.5", "--as", "ada")
        cases = (
            (("vote", "7", "for"), 1, "unknown_proposal: there is no proposal #7; see: conclave proposals"),
            (("vote", "ab", "for"), 1, "4 or more characters of its id"),
            (("proposal", "show", "../x"), 2, "neither the number of a proposal nor its id"),
            (("vote", "1", "maybe", "--as", "ada"), 1, "invalid_choice: a choice is one of for, against"),
            (("vote", "1", "a:x", "--as", "ada"), 2, "points are OPTION:NUMBER"),
            (("vote", "1", "for"), 1, "not_in_electorate"),
            ((*share, "--protocol", "qualified_majority"), 1, "invalid_threshold"),
            (("propose", "T", "--graph", "bad.yaml", "-e", "ada"), 2, "bad.yaml"),
        )
        for arguments, status, text in cases:
            refused(await here.run(*arguments), status, text)
        waiting = (await here.run("proposals", "--to-vote", "--as", "ada")).out.splitlines()
        assert [line.split()[2] for line in waiting] == ["STATUS", "active"]


async def test_without_a_consensus_service_the_line_says_what_to_start(tmp_path: Path) -> None:
    async with server_here(tmp_path) as here:
        done = await here.run("proposals", "--timeout", "0.5")
        refused(done, 2, "no consensus service answers", "conclave serve consensus")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("propose", "T", "-e", "ada"), "say what is voted on: --artifact FILE"),
        (("propose", "T", "--sha256", "0"), "say who votes, in one way"),
        (("propose", "T", "--sha256", "0", "-e", "ada", "--role", "x"), "say who votes, in one way"),
        (("propose", "T", "--sha256", "0", "-e", "Ada"), "'Ada' is no agent id"),
        (
            ("propose", "T", "--sha256", "0", "-e", ""),
            "empty_electorate: name at least one agent that may vote",
        ),
        (("propose", "T", "--period", "10"), "write 10s or 10m"),
        (("propose", "T", "--quorum", "half"), "'half': a level is written as"),
        (("propose", "T", "--weight", "ada"), "is not AGENT=N"),
        (("propose", "T", "--option", "a=none.txt"), "there is no file 'none.txt'"),
        (("vote", "1", "for", "--own", "--delegated"), "--own and --delegated cannot be given together"),
        (("proposal", "amend", "1"), "say what is voted on now"),
        (("proposal", "report", "1"), "--success"),
    ],
)
def test_wrong_arguments_are_refused_before_anybody_is_asked(arguments: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert text in done.output
