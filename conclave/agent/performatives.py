"""Which communicative acts ask their hearer for an answer. Pure.

After the FIPA Communicative Act Library, SC00037J, and the interaction protocols that it is used in:
Request SC00026H, Query SC00027H, Request When SC00028H, Contract Net SC00029H, Brokering SC00033H, Subscribe
SC00035H, Propose SC00036H. What is sent by itself in answer (`inform`, `failure`, `not-understood`) asks for
nothing, so two agents can never answer one another without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dialog.wire import Performative

ASKS_FOR_ANSWER: Final[Mapping[Performative, bool]] = {
    "accept-proposal": True,  # Contract Net: the participant performs, then informs or reports failure
    "agree": False,
    "cancel": True,  # Request's cancel meta-protocol: inform-done or failure
    "cfp": True,  # Contract Net: propose or refuse
    "confirm": False,
    "disconfirm": False,
    "failure": False,
    "inform": False,
    "inform-if": False,
    "inform-ref": False,
    "not-understood": False,
    "propagate": False,
    "propose": True,  # Propose: accept-proposal or reject-proposal
    "proxy": True,  # Brokering: agree or refuse, then inform or failure
    "query-if": True,
    "query-ref": True,
    "refuse": False,
    "reject-proposal": False,
    "request": True,
    "request-when": True,
    "request-whenever": True,
    "subscribe": True,
}
"""Whether an act asks for an answer. To those that do not, nothing is said without the handler's doing."""
