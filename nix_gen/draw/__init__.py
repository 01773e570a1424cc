"""Pictures of a deployment graph: Mermaid for Markdown, DOT for Graphviz, SVG for everybody.

Pure, and without any other program. Hosts are frames, kinds of node have shapes, kinds of edge have lines.
"""

from nix_gen.draw.dot import dot
from nix_gen.draw.mermaid import mermaid
from nix_gen.draw.svg import svg

__all__ = ["dot", "mermaid", "svg"]
