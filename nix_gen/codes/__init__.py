"""Every code a finding may carry, and what it means: of the rules, placement, translation and import.

Pure data; docs/validation.md shows the same tables, and a test holds the two together.
"""

from nix_gen.codes.facts import CodeFacts
from nix_gen.codes.imports import IMPORT
from nix_gen.codes.of_graph import finding
from nix_gen.codes.placement import PLACEMENT
from nix_gen.codes.translation import TRANSLATION
from nix_gen.codes.validation import VALIDATION

__all__ = ["IMPORT", "PLACEMENT", "TRANSLATION", "VALIDATION", "CodeFacts", "finding"]
