"""Calls for proposals: bids and the award (FIPA contract net, SC00029H). Pure."""

from __future__ import annotations

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import Bid
from coordination.tasks.draft import Draft
from coordination.tasks.record import Task
from coordination.tasks.view import View


def bid(view: View, command: Bid, now_ms: int) -> Outcome | Rejected:
    """What an answer to a call for proposals leads to; the reply is a `Standing`."""
    raise NotImplementedError


def award(view: View, task: Task, draft: Draft) -> None:
    """End the time for bids of an announced task: offer it to the best bidder, or queue it again."""
    raise NotImplementedError
