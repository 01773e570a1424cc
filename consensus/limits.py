"""Every bound of consensus in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

MAX_ELECTORATE: Final = 1_500
"""Agents that may vote on one proposal. Ids, weights and delegations stand in one journal event, which a
command may persist (``MAX_COMMAND_EVENTS_BYTES``) however long the ids are."""

MAX_IMMEDIATE_ELECTORATE: Final = 500
"""With more electors, voting without a discussion period opens by the tick right after the command that
proposes, because both events together might not fit into one command's."""

MAX_WEIGHT: Final = 2**53 - 1
"""Of an electorate in sum: what every JSON reader can hold exactly."""

MAX_TITLE_CHARS: Final = 256
MAX_DESCRIPTION_CHARS: Final = 8 * 1024
MAX_RATIONALE_CHARS: Final = 2 * 1024
MAX_COMMENT_CHARS: Final = 4 * 1024

MAX_COMMENTS: Final = 1_000
"""Comments on one proposal."""
MAX_COMMENTS_PER_AGENT: Final = 200
"""Comments of one agent on one proposal, so that nobody takes the word from the others."""
MAX_DISCUSSION_BYTES: Final = 256 * 1024
"""All comments on one proposal, in UTF-8: what one agent can make the service hold stays below 130 MB."""

MAX_AMENDMENTS: Final = 100
"""Amendments of one proposal."""
MAX_AMENDMENT_PUSHES: Final = 15_000
"""Pushes that tell electors of the amendments of one proposal: each may carry 40 KB, so that one amendment
with the largest electorate is 60 MB for the server to pass on."""

MAX_SHOWN_AMENDMENTS: Final = 10
"""The latest amendments that stand in the answer to ``get``; the trail has all."""

MAX_VOTES_PER_VOTER: Final = 50
"""Votes of one voter on one proposal: changes of mind, or parts of a split weight."""

MAX_RELEASES_PER_ELECTOR: Final = 16
"""How often one elector is left out of one vote for being offline; later it stays in, so that an agent that
comes and goes does not fill the trail."""

MAX_PROPOSALS: Final = 5_000
"""Proposals held; beyond it the longest settled one is archived."""

MAX_PROPOSALS_PER_PROPOSER: Final = 500
"""Of one agent that are not settled: so that nobody takes all the room for as long as a proposal may last."""

MAX_TRAIL_ENTRIES: Final = 250_000
"""Events held in all trails together; beyond it the longest settled proposals are archived."""

MAX_ARCHIVED: Final = 64
"""Proposals archived to make room for one new one."""

MAX_DELEGATIONS: Final = 100_000
"""Standing delegations."""

MAX_VOTING_DELAY_MS: Final = 30 * 24 * 3600 * 1000
"""Longest discussion period."""

MAX_VOTING_PERIOD_MS: Final = 30 * 24 * 3600 * 1000
"""Longest voting period."""

MIN_SNAPSHOT_PATIENCE_MS: Final = 60_000
"""How long a proposal waits at least for registry and knowledge to say who votes: the voting period, if that
is longer. Then it is defeated, else it would stay open for as long as nobody answers."""

MAX_QUORUM_TERM: Final = 2**53 - 1
"""Largest count, numerator or denominator: what every JSON reader can hold exactly."""

MAX_TIMELOCK_MS: Final = 30 * 24 * 3600 * 1000
"""Longest wait between success and execution."""

MAX_EXECUTION_WINDOW_MS: Final = 366 * 24 * 3600 * 1000
"""Longest time in which an approval may be redeemed."""

MAX_TICK_PROPOSALS: Final = 128
MAX_TICK_LOAD: Final = MAX_ELECTORATE + 1_000
"""What one tick takes up, in electors and options; the rest stays due. Keeps its events within one record."""

MAX_PRESENCE_EVENTS: Final = 400
MAX_PRESENCE_LOAD: Final = MAX_ELECTORATE
"""Electors released and restored by one command, and the load of the proposals that it may decide."""

MAX_PAGE: Final = 1000
"""Items in one reply."""

MAX_CONDITIONS: Final = 16
MAX_CONDITION_CHARS: Final = 512
"""Of one vote; a decision lists those of all votes in favour."""
MAX_PROPOSAL_CONDITIONS: Final = 64
MAX_PROPOSAL_CONDITIONS_BYTES: Final = 32 * 1024
"""Different conditions of all votes on one proposal, as JSON: whoever executes names each of them twice in a
request, in the token and as met."""

MAX_REASON_CHARS: Final = 2 * 1024
"""Of a veto, a cancellation or an amendment."""

MAX_NOTE_CHARS: Final = 2 * 1024
"""Of the receipt of an execution."""

MAX_OPTIONS: Final = 32
"""Of one proposal."""
MAX_OPTION_CHARS: Final = 64
"""Of an option's id."""

MAX_NONCE_CHARS: Final = 64
MAX_SIGNATURE_CHARS: Final = 128
"""Of a signature, and of a public key."""

MAX_TOPIC_CHARS: Final = 128
"""Of the knowledge topic that weights come from."""

MAX_VETO_HOLDERS: Final = 32
"""Agents that may veto one proposal."""

MAX_EXECUTORS: Final = 32
"""Agents and services that may be named to redeem the approval of one proposal."""

MAX_EXECUTION_ID_CHARS: Final = 128
"""Of the id that an executor chooses."""
