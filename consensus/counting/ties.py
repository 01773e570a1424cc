"""Ties: who of several that are level. Pure; a lot is drawn by a hash, so that anybody can draw it again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from consensus.counting.choices import ROUND_RULES, TieRule
from consensus.counting.outcome import Round


def in_order(tied: Sequence[int], rule: TieRule, *, options: Sequence[str], seed: str) -> list[int] | None:
    """The tied from the favoured one to the least, or None if the rule knows no order."""
    match rule:
        case TieRule.FIRST_LISTED:
            return sorted(tied)
        case TieRule.LAST_LISTED:
            return sorted(tied, reverse=True)
        case TieRule.LOT:
            return sorted(tied, key=lambda option: (lot(seed, options[option]), option))
        case _:
            return None


def lot(seed: str, option: str) -> str:
    """What an option draws: the smallest in hexadecimal order wins."""
    return sha256(f"{seed}\0{option}".encode(errors="surrogatepass")).hexdigest()


def by_rounds(tied: Sequence[int], rule: TieRule, earlier: Sequence[Round], *, best: bool) -> list[int]:
    """Those of the tied that have most (or least) where they differ; still several if they never do.

    With BACKWARD the latest round in which any two of the tied differ leaves those with most (least), and
    they are compared in the rounds before it; with FORWARD from the first round on.
    """
    assert rule in ROUND_RULES, "only these look at rounds"
    left = list(tied)
    for each in reversed(earlier) if rule is TieRule.BACKWARD else earlier:
        scores = [each.scores[option] or 0 for option in left]
        extreme = max(scores) if best else min(scores)
        left = [option for option, score in zip(left, scores, strict=True) if score == extreme]
    return left
