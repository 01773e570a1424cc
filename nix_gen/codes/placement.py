"""Codes of placement: which node stands where, and which one nowhere. Pure data."""

from __future__ import annotations

from nix_gen.codes.facts import error, warning

PLACEMENT = {
    "does-not-fit": error(
        "No host of the graph can take a node; the message says why, host by host.",
        "Add a host or capacity, relax the constraint that is named, or set `host`.",
    ),
    "host-overcommitted": warning(
        "The nodes that name a host as theirs reserve more than its capacity.",
        "Move one of them, or raise the capacity.",
    ),
    "placement-unmet": error(
        "A node names a host itself that its own `placement` forbids.", "Change `host` or `placement`."
    ),
    "spread-impossible": error(
        "The replicas of a node cannot become nodes: an id is taken or too long, or there would be too many.",
        "Rename the node, or lower `replicas`.",
    ),
    "spread-narrow": warning(
        "Replicas, cluster members or upstreams that should outlive a host or zone share one.",
        "Add hosts or zones, or use fewer copies.",
    ),
    "unknown-placement": error(
        "A `placement` rule names a node or host that does not exist.", "Mend the name, or remove it."
    ),
}
"""Codes of `nix_gen.placement.place`."""
