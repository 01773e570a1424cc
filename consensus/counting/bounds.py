"""Every bound of counting in one place, with units as the last word of the name. Pure."""

from __future__ import annotations

from typing import Final

MAX_OPTIONS: Final = 1_000
MAX_BALLOTS_DISTINCT: Final = 1_000_000
"""Ballots that differ in marks or weight; equal ones are counted together."""

MAX_BALLOT_COUNT: Final = 10**15
"""Papers that one entry may stand for."""

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_OPTION_CHARS: Final = 1_000
"""Of a name; longer ones are cut when they are shown, never when they are compared."""

MAX_NUMBER_CHARS: Final = 80
"""Digits, sign, point, slash and exponent of one number in a file."""
MAX_EXPONENT: Final = 60
"""Of ten, in either direction."""

MAX_DENOMINATOR_BITS: Final = 4_096
"""Of the common denominator of all weights."""

MAX_POSSIBILITIES: Final = 512
"""Sets of options still in that are looked at to see whether a tied elimination matters."""

MAX_PLACES: Final = 1_000
"""Decimal places that may be asked for."""
