"""Which task goes to which agent, and when."""

from __future__ import annotations

from coordination.tasks.commands import CancelTask, CompleteTask, FailTask, RefuseOffer
from coordination.tasks.events import QueueConfigured, TaskOffered, TaskSubmitted
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_OFFERS, MAX_SCANNED_TASKS, Policy
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.spec import Nearness, Placement, Strategy
from tests.support.allocating import agent, offers
from tests.support.tasking import Tasking

POLICY = Policy(offer_timeout_ms=100_000, lease_ms=100_000, round_pause_ms=100, round_pause_last_ms=250)


def room(*names: str, max_tasks: int = 1) -> Tasking:
    """A task service and agents that can do ``python``."""
    tasking = Tasking(policy=POLICY)
    for name in names:
        tasking.roster.put(agent(name, "python", max_tasks=max_tasks))
    return tasking


def setup(tasking: Tasking, queue: str = "default", **settings: object) -> None:
    """Set a queue up behind the back of its operator."""
    wanted = QueueSettings(**settings)  # type: ignore[arg-type]
    tasking.model.apply(QueueConfigured(queue=queue, settings=wanted, by="", at_ms=tasking.now_ms))


def pump(tasking: Tasking) -> list[tuple[str, str]]:
    """Do what is due now; returns the offers that were made."""
    before = len(offers(tasking))
    tasking.advance(tasking.now_ms)
    return offers(tasking)[before:]


def refuse(tasking: Tasking, task_id: str = "t", reason: str = "busy") -> None:
    task = tasking.task(task_id)
    assert task.holder is not None
    tasking.accept(
        RefuseOffer(task_id=task_id, agent=task.holder.agent, fencing_token=task.fencing_token, reason=reason)
    )


def test_a_task_is_offered_as_soon_as_it_is_submitted() -> None:
    tasking = room("bob")
    tasking.submit()
    assert tasking.model.next_deadline_ms() == 0
    assert pump(tasking) == [("t", "bob")]
    holder = tasking.task().holder
    assert holder is not None
    assert holder.why == "least_loaded: 0 of 1 slot, the only free agent"


def test_nothing_is_due_while_nobody_is_free() -> None:
    tasking = room("bob")
    tasking.submit("one")
    pump(tasking)
    tasking.submit("two")
    assert tasking.model.next_deadline_ms() == tasking.now_ms + POLICY.offer_timeout_ms
    tasking.work(Input.COMPLETE, "one")
    assert pump(tasking) == [("two", "bob")]


def test_nothing_is_due_while_the_free_agents_can_do_nothing_of_what_waits() -> None:
    tasking = room("bob")
    tasking.submit(capability="cobol", requirement="cobol")
    assert pump(tasking) == []
    assert tasking.model.next_deadline_ms() is None
    tasking.roster.put(agent("cy", "cobol"))
    assert pump(tasking) == [("t", "cy")]


def test_an_agent_that_comes_back_online_is_asked() -> None:
    tasking = room("bob")
    tasking.roster.set_status("bob", "suspect")
    tasking.submit()
    assert pump(tasking) == []
    tasking.roster.set_status("bob", "online")
    assert pump(tasking) == [("t", "bob")]


def test_the_least_loaded_agent_is_asked_then_the_lower_load_then_the_better_match() -> None:
    tasking = room()
    tasking.roster.put(agent("a", "python", max_tasks=2, load=0.5))
    tasking.roster.put(agent("b", "python", max_tasks=4, load=0.1))
    tasking.roster.put(agent("c", "python", max_tasks=4, load=0.1, labels={"zone": "eu"}))
    for number in range(4):
        tasking.submit(f"t{number}", requirement="python, prefer label:zone = eu")
    assert [each for _, each in pump(tasking)] == ["c", "b", "a", "c"]


def test_round_robin_asks_everybody_in_turn() -> None:
    tasking = room("a", "b", "c", max_tasks=9)
    setup(tasking, strategy=Strategy.ROUND_ROBIN)
    for number in range(9):
        tasking.submit(f"t{number}")
    assert "".join(each for _, each in pump(tasking)) == "abcabcabc"
    tasking.work(Input.COMPLETE, "t0")
    tasking.submit("again")
    assert pump(tasking) == [("again", "a")]


def test_best_match_asks_the_agent_that_meets_most_preferences_until_it_is_full() -> None:
    tasking = room()
    tasking.roster.put(agent("a", "python", max_tasks=2))
    tasking.roster.put(agent("b", "python", max_tasks=2, labels={"zone": "eu"}))
    for number in range(3):
        tasking.submit(
            f"t{number}", requirement="python, prefer label:zone = eu", strategy=Strategy.BEST_MATCH
        )
    assert [each for _, each in pump(tasking)] == ["b", "b", "a"]


def test_sticky_tasks_follow_their_key_as_long_as_its_agent_is_there() -> None:
    tasking = room("a", "b", max_tasks=2)
    sticky = Placement(sticky_key="user-7")
    for number in range(3):
        tasking.submit(f"t{number}", placement=sticky)
    assert [each for _, each in pump(tasking)] == ["a", "a", "b"], "two slots, then it goes elsewhere"
    tasking.roster.set_status("b", "offline")
    tasking.work(Input.COMPLETE, "t0")
    tasking.submit("gone", placement=sticky)
    assert pump(tasking) == [("gone", "a")]


def test_a_task_may_wait_for_the_agent_that_it_sticks_to() -> None:
    tasking = room("a", "b")
    sticky = Placement(sticky_key="k", waits_for_sticky=True)
    tasking.submit("one", placement=sticky)
    tasking.submit("two", placement=sticky)
    tasking.submit("other")
    assert pump(tasking) == [("one", "a"), ("other", "b")]
    tasking.work(Input.COMPLETE, "other")
    assert pump(tasking) == []
    tasking.work(Input.COMPLETE, "one")
    assert pump(tasking) == [("two", "a")]


def test_tasks_apart_from_their_own_mark_are_spread_and_those_near_it_gather() -> None:
    tasking = room("a", "b", max_tasks=3)
    apart = Placement(marks=("db",), near=(Nearness(mark="db", is_apart=True),))
    for number in range(3):
        tasking.submit(f"t{number}", placement=apart)
    assert sorted(pump(tasking)) == [("t0", "a"), ("t1", "b")]
    tasking.work(Input.COMPLETE, "t1")
    assert pump(tasking) == [("t2", "b")]
    tasking.work(Input.COMPLETE, "t0")
    tasking.submit("near", placement=Placement(near=(Nearness(mark="db"),)))
    assert pump(tasking) == [("near", "b")]


def test_a_preference_to_be_near_goes_before_the_strategy_but_not_before_slots() -> None:
    tasking = room("a", "b", max_tasks=2)
    tasking.submit("db", placement=Placement(marks=("db",)))
    pump(tasking)
    wish = Placement(near=(Nearness(mark="db", is_required=False),))
    tasking.submit("one", placement=wish)
    tasking.submit("two", placement=wish)
    assert pump(tasking) == [("one", "a"), ("two", "b")]


def test_who_passes_is_asked_again_only_after_the_others_and_a_pause_that_grows() -> None:
    tasking = room("a", "b")
    tasking.submit(max_rounds=4)
    pauses = []
    for _ in range(3):
        assert [each for _, each in pump(tasking)] == ["a"]
        refuse(tasking)
        assert [each for _, each in pump(tasking)] == ["b"]
        refuse(tasking)
        assert pump(tasking) == []
        due_ms = tasking.model.next_deadline_ms()
        assert due_ms is not None
        pauses.append(due_ms - tasking.now_ms)
        tasking.now_ms = due_ms
    assert pauses == [100, 200, 250]


def test_a_task_that_everybody_passes_on_is_given_up_after_its_rounds() -> None:
    tasking = room("a")
    tasking.submit(max_rounds=2)
    for _ in range(2):
        tasking.advance(tasking.now_ms + 1_000)
        refuse(tasking, reason="no time")
    tasking.advance(tasking.now_ms)
    assert tasking.task().state is State.DEAD_LETTERED
    assert tasking.task().reason == "nobody took it in 2 rounds; last: a: no time"
    assert tasking.model.state.allocation.fairness == {}


def test_a_busy_agent_that_was_not_asked_does_not_keep_the_others_from_being_asked_again() -> None:
    tasking = Tasking(policy=POLICY)
    tasking.roster.put(agent("s1", "python"))
    tasking.roster.put(agent("w2", "python", max_tasks=2))
    for number in range(2):
        tasking.submit(f"t{number}")
    assert dict(pump(tasking)) == {"t0": "s1", "t1": "w2"}
    tasking.submit(max_rounds=1)
    assert pump(tasking) == [("t", "w2")]
    pauses = []
    for _ in range(3):
        refuse(tasking)
        assert pump(tasking) == []
        due_ms = tasking.model.next_deadline_ms()
        assert due_ms is not None
        pauses.append(due_ms - tasking.now_ms)
        tasking.now_ms = due_ms
        assert pump(tasking) == [("t", "w2")]
    assert pauses == [100, 200, 250]
    assert (tasking.task().rounds, tasking.task().refusals) == (0, ()), "s1 has not been asked"
    refuse(tasking)
    tasking.work(Input.COMPLETE, "t0")
    assert pump(tasking) == [("t", "s1")], "without a pause: it has not passed"
    refuse(tasking)
    pump(tasking)
    assert tasking.task().reason == "nobody took it in 1 round; last: s1: busy"


def test_who_passed_as_an_earlier_incarnation_is_asked_at_once_as_the_next_one() -> None:
    tasking = room("a")
    tasking.submit(max_rounds=1)
    pump(tasking)
    tasking.now_ms += POLICY.offer_timeout_ms
    tasking.roster.put(agent("a", "python", status="offline"))
    assert pump(tasking) == []
    assert [(each.agent, each.incarnation) for each in tasking.task().refusals] == [("a", 1)]
    tasking.roster.put(agent("a", "python", incarnation=2))
    assert pump(tasking) == [("t", "a")]
    tasking.check_replay()


def test_those_that_were_passed_on_stand_in_nobodys_way() -> None:
    tasking = room("a", "b")
    tasking.submit("blocker", requirement="python")
    pump(tasking)
    tasking.submit("busy")
    pump(tasking)
    refuse(tasking, "blocker")
    tasking.submit("next")
    assert pump(tasking) == [("next", "a")]
    tasking.work(Input.COMPLETE, "busy")
    assert pump(tasking) == [("blocker", "b")]


def test_agents_of_the_chain_are_not_asked_unless_the_task_may_return() -> None:
    tasking = room("a", "b", max_tasks=5)
    tasking.submit("parent", payload={"n": 0})
    pump(tasking)
    token = tasking.work(Input.ACCEPT, "parent").fencing_token
    for name, may_return in (("child", False), ("back", True)):
        command = tasking.command(
            name, submitter="a", parent="parent", may_return=may_return, payload={"n": name}
        )
        tasking.accept(type(command)(task_id=name, submitter="a", spec=command.spec, parent_token=token))
    assert dict(pump(tasking)) == {"child": "b", "back": "a"}


def test_an_agent_that_insists_on_approval_gets_approved_tasks_only() -> None:
    tasking = room()
    tasking.roster.put(agent("a", "python", attributes={"requires_approval": True}))
    tasking.submit("plain")
    assert pump(tasking) == []
    tasking.submit("approved", approved_by="p1", approval_expires_ms=10**9)
    assert pump(tasking) == [("approved", "a")]


def test_a_paused_queue_offers_nothing_and_goes_on_when_it_is_resumed() -> None:
    tasking = room("a", "b")
    setup(tasking, is_paused=True)
    tasking.submit("held back")
    tasking.submit("other", queue="other")
    assert pump(tasking) == [("other", "a")]
    assert tasking.model.next_deadline_ms() == tasking.now_ms + POLICY.offer_timeout_ms
    setup(tasking)
    assert pump(tasking) == [("held back", "b")]


def test_bounds_on_what_is_held_count_for_the_queue_and_for_each_agent() -> None:
    tasking = room("a", "b", max_tasks=9)
    setup(tasking, "narrow", max_held=3, max_held_per_agent=2)
    for number in range(5):
        tasking.submit(f"t{number}", queue="narrow")
    assert [each for _, each in pump(tasking)] == ["a", "b", "a"]
    tasking.work(Input.COMPLETE, "t1")
    assert pump(tasking) == [("t3", "b")]
    setup(tasking, "narrow", max_held_per_agent=2)
    assert pump(tasking) == [("t4", "b")]


def test_rates_are_kept_and_used_up() -> None:
    tasking = room("a", max_tasks=50)
    setup(tasking, rate_limits={"python": RateLimit(count=2, per_ms=100, burst=3)})
    for number in range(20):
        tasking.submit(f"t{number}")
    tasking.advance(tasking.now_ms + 350)
    times = [each.at_ms - 1_000 for each in tasking.events if isinstance(each, TaskOffered)]
    assert times == [0, 0, 0, 50, 100, 150, 200, 250, 300, 350]


def test_each_agent_has_its_own_rate() -> None:
    tasking = room("a", "b", max_tasks=50)
    setup(tasking, agent_rate_limit=RateLimit(count=1, per_ms=100))
    for number in range(10):
        tasking.submit(f"t{number}")
    tasking.advance(tasking.now_ms + 200)
    assert [each for _, each in offers(tasking)] == ["a", "b"] * 3


def test_the_highest_priority_goes_first_and_waiting_lifts_up_to_the_next_lower_one() -> None:
    tasking = room("a")
    setup(tasking, aging_ms=1_000)
    tasking.submit("first")
    tasking.advance(tasking.now_ms)
    tasking.submit("old")
    tasking.advance(tasking.now_ms + 20_000)
    tasking.submit("eight", priority=8)
    tasking.submit("seven", priority=7)
    tasking.submit("nine", priority=9)
    order = []
    for _ in range(4):
        (held,) = [each for each in tasking.model.state.open.values() if each.holder is not None]
        tasking.work(Input.COMPLETE, held.task_id)
        order += [task for task, _ in pump(tasking)]
    assert order == ["nine", "old", "eight", "seven"], "old counts as of priority 8, and came first"


def test_a_change_of_aging_counts_for_what_waits_already() -> None:
    tasking = room("a")
    tasking.submit("first")
    pump(tasking)
    tasking.submit("old")
    tasking.advance(tasking.now_ms + 5_000)
    tasking.submit("young", priority=3)
    setup(tasking, aging_ms=1_000)
    tasking.work(Input.COMPLETE, "first")
    assert pump(tasking) == [("old", "a")]


def test_one_pass_makes_a_bounded_number_of_offers_and_the_next_goes_on() -> None:
    tasking = room("a", max_tasks=10_000)
    for number in range(MAX_OFFERS + 5):
        tasking.submit(f"t{number}")
    tasking.tick(tasking.now_ms)
    assert len(offers(tasking)) == MAX_OFFERS
    assert tasking.model.next_deadline_ms() == 0
    tasking.tick(tasking.now_ms)
    assert len(offers(tasking)) == MAX_OFFERS + 5


def test_more_tasks_than_one_pass_looks_at_do_not_hide_those_behind_them() -> None:
    tasking = room("a", "b")
    tasking.submit("pin", placement=Placement(marks=("m",)))
    pump(tasking)
    apart = Placement(near=(Nearness(mark="m"),))  # only where "pin" is, and there is no slot
    for number in range(MAX_SCANNED_TASKS + 50):
        tasking.submit(f"t{number}", placement=apart)
    tasking.submit("last", placement=Placement(near=(Nearness(mark="m", is_apart=True),)))
    assert pump(tasking) == []
    assert tasking.model.next_deadline_ms() == tasking.now_ms + 1
    tasking.advance(tasking.now_ms + 10)
    assert offers(tasking)[-1] == ("last", "b")


def test_a_task_that_is_canceled_while_it_waits_is_not_offered() -> None:
    tasking = room("a")
    tasking.submit("first")
    pump(tasking)
    tasking.submit("gone")
    tasking.submit("next")
    tasking.accept(CancelTask(task_id="gone", caller="ada"))
    tasking.work(Input.COMPLETE, "first")
    assert pump(tasking) == [("next", "a")]


def test_priority_9_overtakes_100_000_waiting_tasks_within_one_dispatch() -> None:
    tasking = room("a")
    tasking.submit("first")
    pump(tasking)
    spec = tasking.task("first").spec
    for number in range(100_000):
        event = TaskSubmitted(task_id=f"t{number}", submitter="ada", spec=spec, seed=0, at_ms=tasking.now_ms)
        tasking.model.apply(event)
    assert tasking.model.view.lanes.waiting_count == 100_000
    tasking.submit("urgent", priority=9)
    tasking.work(Input.COMPLETE, "first")
    tasking.tick(tasking.now_ms)
    assert offers(tasking)[-1] == ("urgent", "a")


def test_an_attempt_that_failed_waits_again_with_the_others() -> None:
    tasking = room("a")
    tasking.submit("first")
    pump(tasking)
    token = tasking.task("first").fencing_token
    failed = FailTask(task_id="first", agent="a", fencing_token=token, reason="no", retry_after_ms=10)
    tasking.submit("second")
    tasking.accept(failed)
    assert pump(tasking) == [("second", "a")]
    tasking.advance(tasking.now_ms + 10)
    done = CompleteTask(task_id="second", agent="a", fencing_token=token + 1, result=1, result_bytes=1)
    tasking.accept(done)
    assert pump(tasking) == [("first", "a")]


def test_what_was_decided_is_the_same_after_a_replay() -> None:
    tasking = room("a", "b", max_tasks=2)
    setup_none = QueueSettings()
    assert setup_none.strategy is Strategy.LEAST_LOADED
    for number in range(6):
        tasking.submit(f"t{number}", fairness_key=f"k{number % 2}", placement=Placement(sticky_key="s"))
    pump(tasking)
    refuse(tasking, "t0")
    pump(tasking)
    tasking.work(Input.COMPLETE, "t1")
    pump(tasking)
    tasking.check_replay()
