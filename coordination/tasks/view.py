"""What a decision about tasks reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from coordination.tasks.families import Families
from coordination.tasks.foresight import Foresight
from coordination.tasks.index import Index
from coordination.tasks.lanes import Lanes
from coordination.tasks.limits import Policy
from coordination.tasks.record import TasksState
from coordination.tasks.roster import Roster


@dataclass(slots=True)
class View:
    """The state, what follows from it, and the agents that there are.

    Decisions read it; only `apply` changes it.
    """

    policy: Policy
    state: TasksState
    index: Index
    """Of open tasks: by deadline, by agent."""
    families: Families
    """Who waits for whom, and who was delegated from whom."""
    lanes: Lanes
    """What waits for an agent, in the order in which it is served."""
    roster: Roster
    """The agents as the registry last told of them; no part of the state: the shell keeps it current, and
    every decision that rests on it says in its events what came of it."""
    foreseen: Foresight = field(default_factory=Foresight)
    """What the decision under way has found out; only drafts write it, and only `apply` reads it."""
