"""`manages`: the right to start, stop and restart exactly the units of a node, by a rule of polkit.

Pure. Reading a unit's state needs no right. The rule names the manager's user: a program that names none gets
a dynamic one of a fixed name, so that the rule means it and nobody else. A right ends at the host: nothing
here opens a way to another machine.
"""

from __future__ import annotations

import json

from nix_gen.edges import Manages
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.order import ordered_units
from nix_gen.lower.site import Site
from nix_gen.lower.words import USER_MAX_CHARS, short
from nix_gen.nodes import Agent, Host, Service, Storage

VERBS = ("restart", "start", "stop")
_RULES = ("security", "polkit", "extraConfig")


def manager_user(site: Site, node: Service | Agent) -> str | None:
    """The name of the dynamic user of a manager; None for who manages nothing, or names a user."""
    if node.user is not None or site.forms.get(node.id) is not Form.SYSTEMD:
        return None
    if not site.graph.kind_from(node.id, Manages):
        return None
    return short(f"agent-{node.id}", USER_MAX_CHARS)


def lower_management(site: Site, draft: Draft, host: Host) -> None:
    """Write the rights of the managers of a host."""
    for node in site.graph.nodes_on(host.id):
        if not isinstance(node, Service | Agent):
            continue
        edges = site.graph.kind_from(node.id, Manages)
        if not edges:
            continue
        units = sorted({unit for edge in edges for unit in _units(site, host, node, edge)})
        user = node.user or manager_user(site, node)
        if units and user is not None and user != "root":
            draft.put(("security", "polkit", "enable"), plain=True)
            targets = ", ".join(sorted({edge.target for edge in edges}))
            draft.write(_RULES, _rule(user, units, f"{node.id} manages {targets}"))


def managed_units(site: Site, edge: Manages) -> list[str]:
    """The units that an edge lets its source start, stop and restart; none where it gives no right."""
    source = site.graph.by_id.get(edge.source)
    place = site.graph.host_of(edge.source)
    if place is None or not isinstance(source, Service | Agent):
        return []
    if source.user is None and manager_user(site, source) is None:
        return []
    return sorted(_units(site, site.hosts[place], source, edge))


def _units(site: Site, host: Host, node: Service | Agent, edge: Manages) -> list[str]:
    target = site.graph.by_id.get(edge.target)
    if target is None:
        return []
    if isinstance(target, Storage | Host):
        message = f"a {target.kind} has no unit to start or stop, so {node.id} gets no right"
        site.warn("nothing-to-manage", edge.id, message, "let it manage the nodes that run there")
        return []
    place = site.graph.host_of(target.id)
    if place != host.id:
        site.warn(
            "manages-elsewhere",
            edge.id,
            f"{target.id} stands on {place}, and the right to start and stop it ends at {host.id}",
            f"place an agent on {place}, and let the two talk over their message bus",
        )
        return []
    if site.forms.get(node.id) is Form.CONTAINER:
        site.warn(
            "manages-from-container",
            edge.id,
            f"{node.id} runs as a container, from which no unit of the host can be started or stopped",
            "let it run as a package or a command",
        )
        return []
    return ordered_units(site, target)


def _rule(user: str, units: list[str], label: str) -> list[str]:
    """A rule in JavaScript: JSON strings are JavaScript's, and ASCII has none of the line separators."""
    comment = "".join(char if char.isascii() and char.isprintable() else " " for char in label)
    return [
        f"// {comment}",
        "polkit.addRule(function(action, subject) {",
        '  if (action.id == "org.freedesktop.systemd1.manage-units" &&',
        f"      subject.user == {json.dumps(user)} &&",
        f'      {json.dumps(units)}.indexOf(action.lookup("unit")) >= 0 &&',
        f'      {json.dumps(list(VERBS))}.indexOf(action.lookup("verb")) >= 0) {{',
        "    return polkit.Result.YES;",
        "  }",
        "});",
    ]
