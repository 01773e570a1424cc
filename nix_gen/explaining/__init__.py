"""What a graph becomes, part by part, and why.

Pure. Everything said is read from the placed, judged and lowered graph, nothing is decided here.
"""

from nix_gen.explaining.explain import CODES, explain, explain_code
from nix_gen.explaining.explanation import Explanation, NothingToExplainError, Section

__all__ = ["CODES", "Explanation", "NothingToExplainError", "Section", "explain", "explain_code"]
