"""RabbitMQ: `services.rabbitmq`, with users and the Erlang cookie read from secrets when it starts.

Pure. The module's own option for the cookie would put it into the store, which everybody can read. Members
of a cluster find each other by host name (`rabbit@<host>`), prove themselves with the cookie, and reach each
other at epmd and at one port for everything else; the firewall opens both to the members alone.
"""

from __future__ import annotations

import shlex

from nix_gen.ir import Multiline, Plain, Ref
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.edges.clusters import KIND
from nix_gen.lower.forms import Form
from nix_gen.lower.nats import every_address
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, address_for, is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import BusUser, Host, MessageBus

_OPTION = ("services", "rabbitmq")
_UNIT = ("systemd", "services", "rabbitmq")
_DATA_DIR = "/var/lib/rabbitmq"
_USER = "rabbitmq"
_PROMETHEUS = "rabbitmq_prometheus"
_OWN_PREFIXES = ("listeners.tcp.", "cluster_formation.", "prometheus.tcp.port")
"""Settings that the fields and edges of the graph say."""


def lower_rabbitmq(site: Site, draft: Draft, host: Host) -> None:
    """Write the RabbitMQ server of a host."""
    for node in site.of_form(host.id, Form.RABBITMQ):
        assert isinstance(node, MessageBus)
        data_dir = _data_directory(site, draft, node)
        options: dict[str, Plain] = {
            "enable": True,
            "listenAddress": every_address(host) if is_reached_from_outside(site, node) else LOOPBACK,
            "port": node.listen_port,
        }
        if data_dir != _DATA_DIR:
            options["dataDir"] = data_dir
        items = _items(site, host, node)
        if node.monitor_port is not None:
            options["plugins"] = [_PROMETHEUS]
            items["prometheus.tcp.port"] = str(node.monitor_port)
        if items:
            options["configItems"] = items
        draft.put(_OPTION, options, node_comment(node))
        if node.cluster is not None:
            _cluster(site, draft, host, node, data_dir)
        members = site.graph.bus_members(node.id)
        users = {user.name: user for member in reversed(members) for user in member.users}
        if users and node.id == members[0].id:  # members share their users, and two at once would collide
            _users(site, draft, node, data_dir, [users[name] for name in sorted(users)])
        start_after(site, draft, node, _UNIT)


def _data_directory(site: Site, draft: Draft, node: MessageBus) -> str:
    own = data_directory(site, node)
    if own is not None:
        draft.say(_OPTION, f"{own[0].id}.")
        return own[1]
    for edge, _ in mounts_of(site, node):
        draft.say(_OPTION, f"{edge.id}: the module keeps the data in {_DATA_DIR}.")
    return _DATA_DIR


def _items(site: Site, host: Host, node: MessageBus) -> dict[str, Plain]:
    left_out = sorted(
        name
        for name, given in node.settings.items()
        if name.startswith(_OWN_PREFIXES) or not str(given).isprintable()
    )
    if left_out:
        message = (
            f"the settings {', '.join(left_out)} are said by other fields, or cannot be, so they are left out"
        )
        site.warn("not-used", node.id, message, "use the fields of the node and its edges")
    items: dict[str, Plain] = {
        name: str(given).lower() if isinstance(given, bool) else str(given)
        for name, given in node.settings.items()
        if name not in left_out
    }
    if node.cluster is not None:
        items["cluster_formation.peer_discovery_backend"] = "classic_config"
        places = {site.graph.host_of(member.id) or host.id for member in site.graph.bus_members(node.id)}
        for index, place in enumerate(sorted(places), start=1):
            items[f"cluster_formation.classic_config.nodes.{index}"] = f"rabbit@{place}"
    return items


def _cluster(site: Site, draft: Draft, host: Host, node: MessageBus, data_dir: str) -> None:
    assert node.cluster is not None
    environment: dict[str, Plain] = {
        "RABBITMQ_NODENAME": f"rabbit@{host.id}",
        "RABBITMQ_DIST_PORT": str(node.cluster_port),
    }
    draft.put((*_UNIT, "environment"), environment)
    for route in site.routes_from(node.id):
        place = site.graph.host_of(route.target.id)
        address = address_for(site, route)
        if KIND in route.kinds and place is not None and address is not None:
            draft.add(("networking", "hosts", address), [place])
    if node.cluster.cookie is not None:
        cookie = node.cluster.cookie
        draft.put((*_UNIT, "serviceConfig"), load_credentials(site, "rabbitmq.service", [cookie]))
        script = (
            f'install --mode=0400 "$CREDENTIALS_DIRECTORY/{cookie}" {shlex.quote(data_dir)}/.erlang.cookie\n'
        )
        draft.put((*_UNIT, "preStart"), Multiline(script), "The cookie by which members know each other.")


def _users(site: Site, draft: Draft, node: MessageBus, data_dir: str, users: list[BusUser]) -> None:
    """The unit that makes the users once the server answers; passwords come over standard input."""
    name = site.helper("users", node.id)
    after = ["rabbitmq.service"]
    lines = ['have() { rabbitmqctl --quiet list_users --no-table-headers | cut -f 1 | grep -Fqx -- "$1"; }']
    for user in users:
        lines += _user_lines(user)
    if not any(user.name == "guest" for user in users):
        lines.append("if have guest; then rabbitmqctl --quiet delete_user guest; fi")
    secrets = {user.password for user in users}
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Users of {node.id}",
            "after": after,
            "requires": after,
            "wantedBy": ["multi-user.target"],
            "environment": {"HOME": data_dir} | _node_name(site, node),
            "path": [Ref(("config", "services", "rabbitmq", "package"))],
            "script": Multiline("".join(f"{line}\n" for line in lines)),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "User": _USER,
                **load_credentials(site, f"{name}.service", secrets),
            },
        },
        f"{node.id}: users and their rights; rabbitmqctl reads each password from the unit's credentials.",
    )


def _node_name(site: Site, node: MessageBus) -> dict[str, Plain]:
    return {} if node.cluster is None else {"RABBITMQ_NODENAME": f"rabbit@{site.graph.host_of(node.id)}"}


def _user_lines(user: BusUser) -> list[str]:
    password = f'"$CREDENTIALS_DIRECTORY/{user.password}"'
    tags = "administrator" if user.administrator else ""
    rights = shlex.join((user.configure, user.write, user.read))
    return [
        f"if have {user.name}; then verb=change_password; else verb=add_user; fi",
        f'rabbitmqctl --quiet "$verb" {user.name} < {password}',
        f"rabbitmqctl --quiet set_user_tags {user.name} {tags}".rstrip(),
        f"rabbitmqctl --quiet set_permissions --vhost / {user.name} {rights}",
    ]
