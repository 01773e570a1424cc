"""Every bound of dialogs in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

MAX_PARTICIPANTS: Final = 256
"""Agents in one conversation, its owner included."""

MAX_TOPIC_CHARS: Final = 256

MAX_CONTENT_BYTES: Final = 64 * 1024
"""Content of one message, as UTF-8. Larger things are sent by reference."""

MAX_MESSAGES: Final = 10_000
"""Messages in one conversation."""

MAX_CONVERSATION_BYTES: Final = 16 * 1024 * 1024
"""Stored size of one conversation."""

MAX_CONVERSATIONS: Final = 10_000
"""Conversations held; beyond it the longest closed ones are archived."""

MAX_STORED_BYTES: Final = 256 * 1024 * 1024
"""Stored size of all conversations; beyond it the longest closed ones are archived."""

MAX_LATE_REPLIES: Final = 256
"""Late replies on record per conversation; further ones are refused all the same."""

MAX_PAGE: Final = 1000
"""Messages or conversations in one reply, and messages looked at for it."""

CONVERSATION_OVERHEAD_BYTES: Final = 1024
MESSAGE_OVERHEAD_BYTES: Final = 256
"""What an entry costs beside its text, roughly. Not zero, so that making room takes few archivals."""

MAX_REPLY_BY_MS: Final = 2**53 - 1
"""Largest time that every JSON reader can hold exactly."""

assert MAX_CONTENT_BYTES + MESSAGE_OVERHEAD_BYTES < MAX_CONVERSATION_BYTES < MAX_STORED_BYTES
assert MAX_CONTENT_BYTES // CONVERSATION_OVERHEAD_BYTES < 1000, "one message may archive that many"
