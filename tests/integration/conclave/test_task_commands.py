"""The commands of tasks, dead letters, queues and schedules, as people and programs use them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from conclave.commands.taskoptions import STRATEGIES
from tests.support.cli import Finished, registry_here, started
from tests.support.taskbench import Bench, bench

NOBODY_KNOWS = "nobody has set up a queue 'reprots', and no task is in it"


def refused(done: Finished, status: int, *texts: str) -> None:
    """One line on standard error that has each of `texts`, and nothing on standard output."""
    assert (done.status, done.out, len(done.err.splitlines())) == (status, "", 1), done
    for text in texts:
        assert text in done.err, done.err


async def test_a_task_goes_from_submission_to_result_before_ones_eyes(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        made = await at.run("task", "submit", "ocr", '{"page": 7}', "-p", "5", "--key", "page-7")
        task_id, state = made.out.split()
        assert state == "queued"
        again = await at.run("task", "submit", "ocr", '{"page": 7}', "-p", "5", "--key", "page-7")
        assert again.out.startswith(task_id)
        assert again.out.endswith("(submitted before)\n")
        watch = await started("task", "watch", task_id[:6], cwd=tmp_path)
        assert watch.stdout is not None
        first = (await watch.stdout.readline()).decode().split()
        assert first[1] == task_id
        assert first[2] in ("queued", "offered")
        hand, token = await at.taken(task_id)
        await hand.progress(task_id, token, share=0.5, note="page 1 of 2")
        line = ""
        while "50%" not in line:
            line = (await watch.stdout.readline()).decode()
        assert line.split()[1:] == [task_id, "running", "ada", "50%", "page", "1", "of", "2"]
        await hand.complete(task_id, token, {"text": "tea"})
        out, err = await watch.communicate()
        assert (watch.returncode, err) == (0, b"")
        assert out.decode().splitlines()[-1].split()[1:3] == [task_id, "completed"]
        result, page, listed, lines = await asyncio.gather(
            at.run("task", "get", task_id, "--result"),
            at.run("task", "get", task_id),
            at.read("task", "list", "--state", "completed", "--capability", "ocr", "--mine"),
            at.run("task", "watch", task_id, "--json"),
        )
        assert json.loads(result.out) == {"text": "tea"}
        for row in ("state:        completed", "requirement:  ocr", 'result:       {"text":"tea"}'):
            assert row in page.out
        assert [each["task_id"] for each in listed] == [task_id]
        assert [json.loads(each)["state"] for each in lines.out.splitlines()] == ["completed"]


async def test_whoever_waits_gets_the_result_or_the_reason_for_none(tmp_path: Path) -> None:
    large = {"text": "x" * 200_000}
    (tmp_path / "job.json").write_text(json.dumps(large), encoding="utf-8")
    async with bench(tmp_path, "ada") as at:
        submit = ("task", "submit", "ocr", "@job.json", "--id", "waited-for", "--wait", "--progress")
        waiting = asyncio.create_task(at.aside(*submit))
        hand, token = await at.taken("waited-for")
        task = await hand.get("waited-for")
        assert (task.payload, task.payload_reference is not None) == ({}, True)
        await hand.progress("waited-for", token, share=0.25)
        await hand.complete("waited-for", token, [1, 2])
        done = await waiting
        assert (done.status, json.loads(done.out)) == (0, [1, 2])
        assert done.err.startswith("task waited-for\n")
        assert "waited-for  completed" in done.err
        failing = asyncio.create_task(
            at.aside("task", "submit", "ocr", "--id", "hopeless", "--wait", "--json")
        )
        hand, token = await at.taken("hopeless")
        await hand.fail("hopeless", token, reason="no such page", retryable=False)
        done = await failing
        assert (done.status, json.loads(done.out)["reason"]) == (1, "no such page")
        refused(
            await at.run("task", "get", "hopeless", "--result"),
            1,
            "task hopeless has ended as dead letter: no such page; no result",
        )


async def test_options_become_fields_of_the_task(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        await at.operator.submit("ocr", task_id="before")
        made = await at.read(
            *(
                "task",
                "submit",
                "python>=3.11, prefer region=eu",
                "{}",
                "--queue",
                "reports",
                "--priority",
                "7",
            ),
            *("--strategy", "best_match", "--after", "before:skip", "--deadline", "2h", "--attempts", "5"),
            *("--backoff", "2s..5m", "--sticky", "room", "--sticky-wait", "--budget-tasks", "10"),
        )
        assert made["state"] == "blocked"
        task = await at.operator.get(made["task_id"])
        assert (task.queue, task.priority, task.strategy, task.max_attempts) == (
            "reports",
            7,
            "best_match",
            5,
        )
        assert task.backoff is not None
        assert (task.backoff.first_ms, task.backoff.last_ms) == (2_000, 300_000)
        assert [(each.task_id, each.on_failure) for each in task.after] == [("before", "skip")]
        assert task.placement is not None
        assert (task.placement.sticky_key, task.placement.waits_for_sticky) == ("room", True)
        assert task.budget is not None
        assert task.budget.tasks == 10
        assert task.deadline_ms is not None
        listed = (await at.run("task", "list", "--queue", "reports")).out.splitlines()
        assert [line.split()[:2] for line in listed] == [["ID", "STATE"], [task.task_id, "blocked"]]


async def test_a_canceled_tree_shows_of_every_task_whether_its_agent_has_stopped(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        await at.operator.submit("ocr", {"n": 1}, task_id="root")
        hand, token = await at.taken("root")
        below = {"task_id": "root", "fencing_token": token}
        await hand.submit("ocr", {"n": 2}, task_id="below", parent=below, may_return=True)
        hand, child_token = await at.taken("below")
        await hand.submit("gpu", task_id="waits", parent=below)
        tree = (await at.run("task", "tree", "root")).out.splitlines()
        assert [line.split()[:4] for line in tree[1:]] == [
            ["0", "root", "-", "running"],
            ["1", "below", "root", "running"],
            ["1", "waits", "root", "queued"],
        ]
        canceling = asyncio.create_task(at.aside("task", "cancel", "root", "--reason", "enough", "--wait"))
        for task_id, its_token in (("root", token), ("below", child_token)):
            await at.seen(task_id, "canceling")
            await hand.confirm(task_id, its_token)
        done = await canceling
        assert (done.status, done.err) == (0, "")
        assert [line.split(maxsplit=3) for line in done.out.splitlines()[1:]] == [
            ["root", "canceled", "ada", "confirmed by its agent"],
            ["below", "canceled", "ada", "confirmed by its agent"],
            ["waits", "canceled", "-", "nobody had begun it"],
        ]
        await at.operator.submit("ocr", task_id="silent", lease_ms=300)
        await at.taken("silent")
        done = await at.run("task", "cancel", "silent", "--wait")
        assert (done.status, done.out.split(maxsplit=7)[-1]) == (1, "not confirmed: its lease ended\n")
        refused(await at.run("task", "cancel", "silent"), 1, "wrong_state")


TRIP = """
tasks:
  flight: {requirement: ocr}
  hotel: {requirement: ocr, after: [flight], timeout: 10m}
  mail: {requirement: ocr, after: [{name: hotel, on_failure: skip}]}
"""


async def test_a_dag_is_submitted_watched_and_shown(tmp_path: Path) -> None:
    (tmp_path / "trip.yaml").write_text(TRIP, encoding="utf-8")
    (tmp_path / "cycle.yaml").write_text(
        "tasks: {a: {requirement: ocr, after: [b]}, b: {requirement: ocr, after: [a]}}", encoding="utf-8"
    )
    async with bench(tmp_path, "ada") as at:
        refused(await at.run("task", "submit-dag", "cycle.yaml"), 1, "invalid_dag", "a -> b -> a")
        made = (await at.run("task", "submit-dag", "trip.yaml", "--id", "trip")).out.splitlines()
        assert made[0] == "dag  trip"
        ids = {line.split()[0]: line.split()[1] for line in made[2:]}
        assert list(ids) == ["flight", "hotel", "mail"]
        watch = await started("task", "watch", "--dag", "trip", cwd=tmp_path)
        hand, token = await at.taken(ids["flight"])
        await hand.complete(ids["flight"], token)
        hand, token = await at.taken(ids["hotel"])
        await hand.fail(ids["hotel"], token, reason="full", retryable=False)
        await at.seen(ids["mail"], "skipped")
        out, err = await watch.communicate()
        shown, raw = await asyncio.gather(at.run("task", "dag", "trip"), at.read("task", "dag", "trip"))
        assert (watch.returncode, err) == (0 if raw["state"] == "completed" else 1, b"")
        last = {line.split()[1]: line.split()[2] for line in out.decode().splitlines()}
        assert last == {ids["flight"]: "completed", ids["hotel"]: "dead_lettered", ids["mail"]: "skipped"}
        rows = [line.split() for line in shown.out.splitlines()]
        assert rows[0][:2] == ["trip", raw["state"]]
        assert rows[3][:5] == ["hotel", ids["hotel"], "dead_lettered", "-", f"{ids['flight']}:fail"]
        assert rows[4][4] == f"{ids['hotel']}:skip"


async def test_dead_letters_are_listed_brought_back_and_deleted(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        for task_id, reason in (("one", "no such page"), ("two", "no paper"), ("three", "no paper")):
            await at.operator.submit("ocr", task_id=task_id)
            hand, token = await at.taken(task_id)
            await hand.fail(task_id, token, reason=reason, retryable=False)
        listed = await at.run("deadletters", "list", "--reason", "paper")
        assert [line.split()[0] for line in listed.out.splitlines()] == ["ID", "two", "three"]
        assert listed.out.splitlines()[1].endswith("  ocr         default  operator   no paper")
        shown = await at.run("deadletters", "show", "one")
        assert "reason:       no such page" in shown.out
        refused(await at.run("deadletters", "purge", "--all"), 2, "give --yes")
        purged = await at.run("deadletters", "purge", "--all", "--reason", "paper", "--yes")
        assert (purged.out, purged.err) == ("two\nthree\n", "2 dead letters deleted\n")
        redriven = await at.read("deadletters", "redrive", "one")
        assert redriven == {"task_ids": ["one"]}
        hand, token = await at.taken("one")
        await hand.complete("one", token)
        none, elsewhere = await asyncio.gather(
            at.run("deadletters", "list"), at.run("deadletters", "show", "one")
        )
        assert (none.status, none.out, none.err) == (0, "", "no dead letters\n")
        refused(elsewhere, 1, "task one is no dead letter, it is completed; see: conclave task get one")
        refused(await at.run("deadletters", "purge", "one"), 1, "wrong_state", "nothing was done")


async def test_a_queue_is_set_up_paused_and_explained(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        given = ("--strategy", STRATEGIES[2], "--rate", "ocr=10/s", "--weight", "gold=3", "--max-held", "9")
        made = await at.read("queue", "set", "reports", *given)
        assert made["settings"]["rate_limits"] == {"ocr": {"count": 10, "per_ms": 1_000, "burst": None}}
        more = await at.read("queue", "set", "reports", "--max-held", "none", "--agent-rate", "5/m:9")
        assert (more["settings"]["strategy"], more["settings"]["max_held"]) == ("best_match", None)
        paused = await at.run("queue", "pause", "reports", "--reason", "no paper")
        assert "yes: no paper" in paused.out
        await at.operator.submit("ocr", task_id="waits", queue="reports")
        explained, listed = await asyncio.gather(at.run("task", "explain", "waits"), at.run("queue", "list"))
        waits = [line.split(maxsplit=4) for line in explained.out.splitlines() if line.startswith("waits")]
        assert waits[0][2] == "paused"
        assert "no paper" in explained.out
        assert [line.split()[:5] for line in listed.out.splitlines()[1:]] == [
            ["reports", "1", "0", "yes", "best_match"]
        ]
        assert (await at.run("queue", "resume", "reports")).status == 0
        await at.seen("waits", "offered")
        refused(await at.run("queue", "show", "report"), 1, "unknown_queue", "did you mean reports?")
        await at.here.server.identities.ensure("ada")
        refused(await at.run("queue", "pause", "reports", "--as", "ada"), 1, "not_operator")
        reset = await at.read("queue", "set", "reports", "--reset")
        assert reset["is_configured"] is False


async def test_whoever_pauses_a_queue_that_nobody_knows_is_told_so(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        assert (await at.run("queue", "set", "reports", "--max-held", "9")).status == 0
        unknown = await at.run("queue", "pause", "reprots")
        assert (unknown.status, "yes" in unknown.out) == (0, True)
        assert "nobody had set up queue reprots" in unknown.err
        assert "did you mean reports? Undo this with: conclave queue set reprots --reset" in unknown.err
        assert (await at.run("queue", "set", "reprots", "--reset")).status == 0
        known = await at.run("queue", "pause", "reports")
        assert (known.status, known.err) == (0, "")


async def test_a_schedule_is_set_up_paused_and_removed(tmp_path: Path) -> None:
    async with bench(tmp_path, "ada") as at:
        cron = ("--cron", "0 3 * * *", "--time-zone", "Europe/Berlin", "-q", "reports", "--attempts", "2")
        made = await at.read("schedule", "set", "nightly", "ocr", '{"kind": "full"}', *cron)
        assert (made["recurrence"]["cron"], made["queue"]) == ("0 3 * * *", "reports")
        once = await at.run("schedule", "set", "once", "ocr", "--at", "1h", "--deadline", "10m")
        assert "when:         once 20" in once.out
        soon = await at.run("schedule", "set", "soon", "ocr", "--every", "100ms", "--count", "1")
        assert soon.status == 0
        assert (await at.some_task()).schedule == "soon"
        paused = await at.read("schedule", "pause", "nightly")
        assert paused["is_paused"] is True
        listed = (await at.run("schedule", "list")).out.splitlines()
        assert [line.split()[0] for line in listed] == ["SCHEDULE", "nightly", "once", "soon"]
        assert listed[1].endswith("0 3 * * * Europe/Berlin")
        assert (await at.run("schedule", "resume", "nightly")).status == 0
        refused(await at.run("schedule", "show", "nigthly"), 1, "unknown_schedule", "did you mean nightly?")
        assert (await at.run("schedule", "remove", "nightly")).out == "removed nightly\n"
        bad = await at.run("schedule", "set", "bad", "ocr", "--cron", "61 * * * *")
        refused(bad, 1, "invalid_schedule")


async def test_what_cannot_be_done_is_said_in_one_line_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tasks: {a: {requirment: ocr}}", encoding="utf-8")
    async with bench(tmp_path) as at:
        for task_id in ("report-7a", "report-7b"):
            await at.operator.submit("gpu", task_id=task_id)
        cases = (
            (
                ("task", "get", "reprot-7a"),
                1,
                "unknown_task: there is no task 'reprot-7a'; did you mean report-7a?",
            ),
            (("task", "get", "report"), 2, "begins the ids of 2 tasks: report-7a, report-7b"),
            (("task", "get", "zzz"), 1, "4 or more characters of it"),
            (("task", "get", "../x"), 2, "is no task id"),
            (("task", "submit", "ocr", "[1]"), 2, "a payload is a JSON object"),
            (("task", "submit", "ocr", "@none.json"), 2, "none.json cannot be read: No such file"),
            (("task", "submit", "ocr", "--after", "nobody"), 1, "unknown_dependency"),
            (("task", "submit", "ocr", "--after", "report-7a", "--id", "report-7a"), 1, "task_id_taken"),
            (
                ("task", "submit-dag", "bad.yaml"),
                2,
                "bad.yaml: task a: 'requirment' is no field; did you mean",
            ),
            (("task", "dag", "nodag"), 1, "unknown_dag"),
        )
        done = await asyncio.gather(*(at.run(*arguments) for arguments, _, _ in cases))
        for (_, status, text), each in zip(cases, done, strict=True):
            refused(each, status, text)
        newest = await at.run("task", "list", "--limit", "1")
        assert [line.split()[0] for line in newest.out.splitlines()] == ["ID", "report-7b"]
        assert newest.err == "the newest 1; --limit shows more\n"
        named = (("--dag", "nodag"), ("--parent", "zzzz1"), ("-q", "reprots"), ("--capability", "no"))
        empty = await asyncio.gather(*(at.run("task", "list", *only) for only in named))
        assert [(each.status, each.out, each.err) for each in empty] == [
            (0, "", "no tasks: there is no DAG nodag, or it ended long ago\n"),
            (0, "", "no tasks: there is no task zzzz1, or it ended long ago; check the id\n"),
            (0, "", f"no tasks: {NOBODY_KNOWS}; see: conclave queue list\n"),
            (0, "", "no tasks\n"),
        ]
        malformed = await at.run("task", "submit", "region in eu")
        assert (malformed.status, malformed.out) == (2, "")
        assert malformed.err.splitlines()[-1].strip() == "^"


async def test_the_shell_completes_tasks_and_queues(tmp_path: Path) -> None:
    async def offered(at: Bench, *words: str) -> list[str]:
        line = " ".join(words)
        done = await at.aside(
            _CONCLAVE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)
        )
        assert done.err == ""
        return [each.partition(",")[2] for each in done.out.splitlines()]

    async with bench(tmp_path) as at:
        await at.operator.submit("gpu", task_id="report-7a", queue="reports")
        await at.operator.submit("gpu", task_id="other")
        tasks, queues, commands = await asyncio.gather(
            offered(at, "conclave", "task", "explain", "rep"),
            offered(at, "conclave", "queue", "pause", "r"),
            offered(at, "conclave", "deadletters", "p"),
        )
        assert (tasks, queues, commands) == (["report-7a"], ["reports"], ["purge"])


async def test_without_a_task_service_the_line_says_what_to_start(tmp_path: Path) -> None:
    async with registry_here(tmp_path) as here:
        done = await here.run("task", "list", "--timeout", "0.5")
        refused(done, 2, "no task service answers", "conclave serve tasks")
