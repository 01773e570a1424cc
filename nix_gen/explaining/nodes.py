"""What one node becomes on its host.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.diff.changes import Rule
from nix_gen.explaining.explanation import Explanation, Pages
from nix_gen.explaining.ground import Ground
from nix_gen.lower.edges import listening
from nix_gen.lower.forms import SINGLE, Form
from nix_gen.lower.order import ordered_units
from nix_gen.lower.reach import address_for, published
from nix_gen.lower.site import Route
from nix_gen.meaning import spelled
from nix_gen.nodes import Agent, Host, Node, Placed, Running, Service, Storage


def explain_node(ground: Ground, node: Placed) -> Explanation:
    """Form, place, units, ports, neighbours, firewall, start order, secrets and files of a node."""
    pages = Pages(title=f"{node.id}  ({title_of(node)})")
    host = ground.graph.host_of(node.id)
    pages.add("what it is", [node.description] if node.description else [])
    pages.add("becomes", _form(ground, node))
    pages.add("stands on", _place(ground, node.id, host))
    if host is not None and node.id in ground.site.forms:
        if not isinstance(node, Storage):
            _running(ground, node, host, pages)
        pages.add("edges", [edge.id for edge in ground.graph.edges_from(node.id)])
        pages.add("named by", [edge.id for edge in ground.graph.edges_to(node.id)])
        _text(ground, node, host, pages)
    edges = (*ground.graph.edges_from(node.id), *ground.graph.edges_to(node.id))
    places = (node.id, *(edge.id for edge in edges))
    pages.add("findings", map(str, ground.findings_about(*places)))
    return pages.close()


def title_of(node: Node) -> str:
    """`database, postgresql 16`."""
    engine, version = getattr(node, "engine", None), getattr(node, "version", None)
    words = [str(word) for word in (engine, version) if word is not None]
    return node.kind.replace("_", " ") + (f", {' '.join(words)}" if words else "")


def _form(ground: Ground, node: Placed) -> Iterator[str]:
    form = ground.site.forms.get(node.id)
    if form is None:
        yield "nothing: it has no form yet, see the findings"
    else:
        yield f"{form}: {_reason(ground, node, form)}"


def _reason(ground: Ground, node: Placed, form: Form) -> str:
    match node:
        case Storage():
            return f"{node.storage} storage"
        case Service() | Agent():
            if node.is_container:
                return "its image is built" if node.build is not None else f"it has the image {node.image}"
            return f"it is the Nix package {node.package}" if node.package else "it is a command of the host"
        case _:
            engine = getattr(node, "engine", node.kind)
            if form is not Form.CONTAINER:
                return f"NixOS has a module for {engine}"
            return _why_container(ground, node, str(engine))


def _why_container(ground: Ground, node: Running, engine: str) -> str:
    asked = [name for name in ("mounts", "files", "container") if getattr(node, name, None)]
    if asked:
        return f"it has {' and '.join(asked)} of its own, which only a container can have"
    host = ground.graph.host_of(node.id)
    others = [
        other.id
        for other, form in (ground.site.running(host) if host is not None else ())
        if form in SINGLE and str(getattr(other, "engine", "")) == engine
    ]
    if others:
        return f"a host has one {engine} from NixOS, and {others[0]} is it"
    return f"the module of NixOS for {engine} does not fit what it asks for"


def _place(ground: Ground, node_id: str, host: str | None) -> Iterator[str]:
    if host is None:
        yield "no host"
    elif node_id in ground.decisions:
        yield f"{host}: {ground.decisions[node_id].reason}"
    else:
        yield host


def _running(ground: Ground, node: Running, host: str, pages: Pages) -> None:
    site = ground.site
    units = tuple(ordered_units(site, node))
    copies = [
        f"{copy.name}, {copy.unit}" + (f", at {copy.address}" if copy.address else "")
        for copy in site.copies(node.id)
    ]
    pages.add("runs as", copies or ["nothing runs"])
    pages.add("listens on", _ports(node))
    pages.add("reached by", [_reached_by(ground, route) for route in site.routes_to(node.id)])
    pages.add(
        "beside it",
        [f"{one.label} on {spelled(one.ports)}" for one in site.openings(host) if one.target == node.id],
    )
    pages.add("reaches", [_reaches(ground, route) for route in site.routes_from(node.id)])
    rules = sorted(rule for rule in ground.effects_on(host).rules if is_for(rule, node.id))
    pages.add("firewall", map(told, rules))
    level, last = ground.levels[node.id], max(ground.levels.values())
    order = [f"step {level + 1} of {last + 1}"]
    if after := ground.waits_for(host, units):
        order.append(f"after {', '.join(after)}")
    pages.add("starts", order)


def _ports(node: Running) -> Iterator[str]:
    bindings = {(one.port, one.protocol): one for one in published(node) if one.published is not None}
    for port, protocol in listening(node):
        binding = bindings.get((port, protocol))
        if binding is None:
            yield f"{port}/{protocol}, for nodes that name it in an edge"
        else:
            yield f"{port}/{protocol}, published on {binding.address or 'every address'}:{binding.published}"


def _reached_by(ground: Ground, route: Route) -> str:
    place = ground.graph.host_of(route.source.id)
    here = "" if ground.site.is_local(route) else f" on {place}"
    return f"{route.source.id}{here} on {spelled(route.ports) or 'no port'}, by {', '.join(route.kinds)}"


def _reaches(ground: Ground, route: Route) -> str:
    address = address_for(ground.site, route) or "by podman's name service"
    return (
        f"{route.target.id} at {address} on {spelled(route.ports) or 'no port'}, by {', '.join(route.kinds)}"
    )


def is_for(rule: Rule, node_id: str) -> bool:
    """Whether a rule lets somebody in to a node."""
    return f" -> {node_id} " in f"{rule.edges} " or rule.edges == f"{node_id} published"


def told(rule: Rule) -> str:
    """A rule in one line."""
    words = [rule.ports, *([f"from {rule.source}"] if rule.source else []), *([rule.via] if rule.via else [])]
    return " ".join(words) + (f"  ({rule.edges})" if rule.edges else "")


def _text(ground: Ground, node: Node, host: str, pages: Pages) -> None:
    """Secrets and files: where in the generated text the node is."""
    starts = (f"Node {node.id} (", f"{node.id}: ", f"Storage {node.id}")
    blocks = list(ground.blocks(host, *starts))
    names = sorted({name for block in blocks for name in block.secrets})
    pages.add("secrets", map(ground.secret_place, names))
    assert not isinstance(node, Host), "hosts are explained elsewhere"
    file = f"hosts/{host}/default.nix"
    pages.add("written in", [f"{file}: {block.option}" for block in blocks] or [file])
