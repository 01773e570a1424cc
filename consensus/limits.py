"""Every bound of consensus in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

MAX_ELECTORATE: Final = 2_000
"""Agents that may vote on one proposal. Their ids stand in one journal event."""

MAX_TITLE_CHARS: Final = 256
MAX_DESCRIPTION_CHARS: Final = 8 * 1024
MAX_RATIONALE_CHARS: Final = 2 * 1024
MAX_COMMENT_CHARS: Final = 4 * 1024

MAX_COMMENTS: Final = 1_000
"""Comments on one proposal."""

MAX_PROPOSALS: Final = 5_000
"""Proposals held; beyond it the longest settled one is archived."""

MAX_VOTING_DELAY_MS: Final = 30 * 24 * 3600 * 1000
"""Longest discussion period."""

MAX_VOTING_PERIOD_MS: Final = 30 * 24 * 3600 * 1000
"""Longest voting period."""

MAX_QUORUM_TERM: Final = 2**53 - 1
"""Largest count, numerator or denominator: what every JSON reader can hold exactly."""

MAX_TICK_PROPOSALS: Final = 256
MAX_TICK_VOTERS: Final = 2 * MAX_ELECTORATE
"""What one tick takes up; the rest stays due. Keeps its events within one record."""

MAX_PAGE: Final = 1000
"""Items in one reply."""

MAX_CONDITIONS: Final = 16
MAX_CONDITION_CHARS: Final = 512
"""Of one vote; a decision lists those of all votes in favour."""

MAX_REASON_CHARS: Final = 2 * 1024
"""Of a veto, a cancellation or an amendment."""

MAX_NOTE_CHARS: Final = 2 * 1024
"""Of the receipt of an execution."""

MAX_OPTIONS: Final = 64
MAX_OPTION_CHARS: Final = 64
"""Of an option's id."""

MAX_NONCE_CHARS: Final = 64
MAX_SIGNATURE_CHARS: Final = 128
"""Of a signature, and of a public key."""

MAX_TOPIC_CHARS: Final = 128
"""Of the knowledge topic that weights come from."""
