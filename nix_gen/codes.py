"""Every code a finding of the validator or of an importer may carry, and what it means.

Pure data; docs/validation.md shows the same table, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.findings import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """What a code means. `severity` is None where it depends on the case (info or warning)."""

    severity: Severity | None
    meaning: str
    mend: str


def _error(meaning: str, mend: str) -> CodeFacts:
    return CodeFacts(severity=Severity.ERROR, meaning=meaning, mend=mend)


def _warning(meaning: str, mend: str) -> CodeFacts:
    return CodeFacts(severity=Severity.WARNING, meaning=meaning, mend=mend)


def _info(meaning: str, mend: str) -> CodeFacts:
    return CodeFacts(severity=Severity.INFO, meaning=meaning, mend=mend)


def _either(meaning: str, mend: str) -> CodeFacts:
    return CodeFacts(severity=None, meaning=meaning, mend=mend)


VALIDATION = {
    "balancer-without-upstream": _error(
        "A load balancer has no `load_balances` edge.", "Add one to each node it stands before."
    ),
    "cross-host-mount": _error(
        "A node mounts local or block storage that stands on another host.",
        "Place both on one host, or use nfs or s3.",
    ),
    "dangling-edge": _error("An edge names a node that does not exist.", "Add the node or remove the edge."),
    "database-without-volume": _info(
        "A database mounts no storage; its data lies in the module's own directory.",
        "Add a storage node and a `mounts_volume` edge if the data must be moved or backed up.",
    ),
    "dependency-cycle": _error(
        "Nodes wait for each other to start. One shortest cycle of each knot is named.",
        "Remove one `depends_on` edge of the cycle.",
    ),
    "duplicate-edge": _warning("Two edges say exactly the same.", "Remove one."),
    "duplicate-virtual-host": _error(
        "A load balancer has two virtual hosts, or aliases, of one name on one port.", "Keep one."
    ),
    "edge-pairing": _error(
        "An edge joins kinds of node it cannot join.", "Use another edge kind, or other nodes."
    ),
    "engine-mismatch": _error(
        "A node replicates one of another engine.", "Join nodes of the same kind and engine."
    ),
    "engine-twice": _warning(
        "Two nodes of a host need a NixOS module it has once; the later one runs as a container.",
        "Place them on different hosts, or use one node for both.",
    ),
    "engine-unsupported": _error(
        "There is no native module for the engine yet, and the node has no image.",
        "Give the node an image, or model it as a service.",
    ),
    "exposed-database": _warning(
        "A database or message bus is published on every address of its host.",
        "Publish it on 127.0.0.1 or not at all; edges open what nodes need.",
    ),
    "missing-health-check": _info(
        "A container has no health check, so nothing notices when it hangs.", "Add `health_check`."
    ),
    "mount-path-twice": _error("A node mounts two things at one path.", "Use different paths."),
    "never-completes": _warning(
        "A node waits for another to complete that runs for ever.",
        "Use the condition `started` or `healthy`, or set `restart` to `no` or `on-failure`.",
    ),
    "no-health-check": _warning(
        "A node waits for another to be healthy that states no health check (its image may have one).",
        "Add `health_check` to the target, or use the condition `started`.",
    ),
    "password-missing": _warning(
        "A database user or a published redis has no password.", "Name a secret as its `password`."
    ),
    "port-clash": _error(
        "Two nodes of a host listen on, or publish, one port of one address.",
        "Give one of them another port.",
    ),
    "replicas-share-port": _warning(
        "Several replicas of a node publish one host port.",
        "Publish through a load balancer instead, or use one replica.",
    ),
    "reserved-name": _error(
        "The id means something else to NixOS: a unit of the system, or a name in every hosts file.",
        "Rename the node.",
    ),
    "self-edge": _error("An edge leads from a node to itself.", "Remove it."),
    "small-cluster": _warning(
        "A message bus cluster has fewer than three members, or an even number: it cannot outlive a loss.",
        "Use three or five members.",
    ),
    "unknown-database": _error(
        "A user owns a database that the node does not have.", "Add it to `databases`."
    ),
    "unknown-host": _error("A node names a host that does not exist.", "Add a node of kind host."),
    "unknown-virtual-host": _error(
        "A `load_balances` edge names a virtual host its source does not have.",
        "Add the virtual host or mend the name.",
    ),
    "unmounted-storage": _info("Nothing mounts a storage node.", "Add a `mounts_volume` edge or remove it."),
    "unplaced-node": _error(
        "The graph has several hosts and does not say on which one a node stands.", "Set `host`."
    ),
    "unreachable-dependency": _error(
        "A node connects to one on another host that listens on no port, or not on this one, "
        "or whose host has no address.",
        "Give the target the port, or its host an address.",
    ),
    "upstream-without-port": _error(
        "A load balancer's edge names no port and its target listens on none.", "Set `port` on the edge."
    ),
}
"""Codes of `validate`."""

IMPORT = {
    "connection-assumed": _info(
        "No file says who uses a server, so every service on its networks is taken to.",
        "Name the server in the environment of the services that use it.",
    ),
    "file-not-read": _warning(
        "A file that the compose file names was not read.", "Put it beside the file and import again."
    ),
    "file-to-bring": _info(
        "A bind mount's source lay beside the compose file.", "Bring it to the named path on the host."
    ),
    "image-decided": _warning(
        "An unset variable left an image reference incomplete; the rest of it is used.", "Set the variable."
    ),
    "image-to-build": _info(
        "The image is built from sources.", "Build and load it on the host, or name a published image."
    ),
    "kept-as-container": _info(
        "An image that looks like a program with a native module stays a container.",
        "Nothing, or write a graph.",
    ),
    "not-carried-over": _either(
        "Something the compose file says has no place in the graph.", "Say it on the host if it matters."
    ),
    "port-decided": _either("The compose file leaves a port open.", "Write the port."),
    "profile-not-enabled": _warning(
        "A service runs only with a profile and is left out.", "Set `COMPOSE_PROFILES` in `.env`."
    ),
    "renamed": _info("A name was no valid id; the node has another.", "Nothing."),
    "secret-reference": _either(
        "A value that is a secret became a reference; the graph does not hold it.",
        "Provide the secret under this name on the host.",
    ),
    "tag-applied": _info(
        "`!reset` or `!override` was applied within one file.", "Merge override files first."
    ),
    "unknown-key": _warning("Compose does not know this key.", "Remove it or mend its name."),
    "unset-variable": _warning("A variable has no value.", "Set it in `.env` beside the file."),
}
"""Codes of the compose importer's notes."""


def finding(code: str, place: str, message: str, mend: str) -> Finding:
    """A finding of the validator, with the severity of its code."""
    severity = VALIDATION[code].severity
    assert severity is not None, code
    return Finding(code=code, severity=severity, place=place, message=message, mend=mend)
