"""Secrets written into a graph: everything in it ends in the Nix store, which everybody on a host can read.

Pure. The recogniser is that of the compose importer. No message ever holds a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nix_gen.codes import finding
from nix_gen.concealment import holds_secret, looks_secret, names_a_place, secret_arguments
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, Host, Node, Running, Service, Storage

_MEND = "name a secret in its place, and change this one: it has been written down"


def secret_findings(graph: Graph) -> Iterator[Finding]:
    """secret-in-graph. Complexity: linear in the texts of all nodes."""
    for node in graph.nodes:
        for where in _places(node):
            yield finding("secret-in-graph", node.id, f"{where} looks like a secret", _MEND)


def _places(node: Node) -> Iterator[str]:
    yield from _of_pairs("label", node.labels)
    if isinstance(node, Host | Storage):
        return
    yield from _of_pairs("variable", node.environment)
    yield from _of_files(node)
    if node.health_check is not None:
        check = node.health_check
        yield from _of_arguments("health check", (*check.command, *((check.shell or "").split())))
    if node.container is not None:
        yield from _of_pairs("annotation", node.container.annotations)
        if node.container.logging is not None:
            yield from _of_pairs("logging option", node.container.logging.options)
    if not isinstance(node, Service | Agent):
        yield from _of_pairs("setting", {name: str(given) for name, given in node.settings.items()})
        return
    yield from _of_arguments("command", node.command or ())
    yield from _of_arguments("entrypoint", node.entrypoint or ())
    if node.build is not None:
        yield from _of_pairs("build argument", node.build.args)


def _of_pairs(what: str, pairs: Mapping[str, str]) -> Iterator[str]:
    for name, text in sorted(pairs.items()):
        # A name may tell that this is where the secret lies; a text that is a secret is one in any case.
        if looks_secret(name, text) and (looks_secret("", text) or not names_a_place(text)):
            yield f"the {what} {name}"


def _of_arguments(what: str, words: tuple[str, ...]) -> Iterator[str]:
    for index, secret in secret_arguments(words):
        if not names_a_place(secret):
            yield f"word {index + 1} of its {what}"


def _of_files(node: Running) -> Iterator[str]:
    for file in node.files:
        if holds_secret(file.text):
            yield f"a line of the file {file.path}"
