"""MongoDB nodes: `services.mongodb`, alone or as a replica set, with users whose passwords are credentials.

Pure. The module's own `enableAuth` makes one user of a fixed name, so access control is switched on in the
settings, and a unit of our own makes the users: the first by the exception the server makes for its own host
while it has none, the others as that one, an administrator. The same unit founds the replica set and takes
its members in and out; it reads passwords from its credentials, so that they are in no argument and no store.
"""

from __future__ import annotations

import json
import re

from nix_gen.ir import Call, ListOf, Multiline, Plain, Ref, Str, attrs
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.mongosh import mongosh_unit
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, host_address, is_reached_from_outside
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Database, DatabaseUser, Host
from nix_gen.replication import descents, lineage, origin, replication_password

PACKAGE = "mongodb-ce"
"""What MongoDB itself has built; the package `mongodb` would be compiled on the host, for hours."""
RETRY_S = 10
SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_OPTION = ("services", "mongodb")
_EVERY = "0.0.0.0"  # noqa: S104  # the firewall says who gets through
_EVERY_V6 = f"::,{_EVERY}"
_KEY = "key"
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_SETS = """\
function found(set, members) {
  if (!db.hello().setName) rs.initiate({ _id: set, members: [{ _id: 0, host: members[0] }] });
  for (let turn = 0; turn < 100 && !db.hello().primary; turn++) sleep(100);
}
// A member that is not there yet fails here, and systemd tries again.
function gather(members) {
  const known = rs.conf().members.map((member) => member.host);
  for (const host of known) if (!members.includes(host)) rs.remove(host);
  for (const host of members) if (!known.includes(host)) rs.add(host);
}
"""
_USERS = """\
const { readFileSync } = require("fs");
function secret(name) {
  return readFileSync(process.env.CREDENTIALS_DIRECTORY + "/" + name, "utf8").replace(/\\n$/, "");
}
function enter(name, password) {
  try {
    db.auth(name, password);
  } catch (error) {
    // No user yet: the server lets its own host make the first one.
    db.createUser({ user: name, pwd: password, roles: ["root"] });
    db.auth(name, password);
  }
}
function ensure(name, password, roles) {
  if (db.getUser(name) === null) db.createUser({ user: name, pwd: password, roles });
  else db.updateUser(name, { pwd: password, roles });
}
"""


def lower_mongodb(site: Site, draft: Draft, host: Host) -> None:
    """Write the MongoDB server of a host."""
    for node in site.of_form(host.id, Form.MONGODB):
        assert isinstance(node, Database)
        if not _names_are_safe(site, node):
            continue
        _allow(draft)
        reached = is_reached_from_outside(site, node)
        options: dict[str, Plain] = {
            "enable": True,
            "package": Ref(("pkgs", PACKAGE)),
            "bind_ip": (_EVERY_V6 if _speaks_v6(host) else _EVERY) if reached else LOOPBACK,
            "extraConfig": Multiline("".join(f"{line}\n" for line in _lines(site, draft, host, node))),
        }
        comments = [node_comment(node)]
        if len(lineage(site.graph, node)) > 1:
            options["replSetName"] = origin(site.graph, node).id
        own = data_directory(site, node)
        if own is not None:
            options["dbpath"] = own[1]
            comments.append(f"{own[0].id}.")
        else:
            comments += [
                f"{edge.id}: the module keeps the data in /var/db/mongodb."
                for edge, _ in mounts_of(site, node)
            ]
        draft.put(_OPTION, options, *comments)
        if origin(site.graph, node).id == node.id:
            _administration(site, draft, node)
        start_after(site, draft, node, ("systemd", "services", "mongodb"))


def _allow(draft: Draft) -> None:
    """Consent to the licence, for this package alone."""
    name_of = Ref(("lib", "getName"))
    flip = Ref(("lib", "flip"))
    is_ours = Call(flip, (Ref(("builtins", "elem")), ListOf((Str(PACKAGE),))))
    draft.put(
        ("nixpkgs", "config"),
        attrs({"allowUnfreePredicate": Call(flip, (Ref(("lib", "pipe")), ListOf((name_of, is_ours))))}),
        "MongoDB's licence (SSPL) is not free: NixOS asks for consent, and the graph asks for MongoDB.",
    )


def _names_are_safe(site: Site, node: Database) -> bool:
    names = [*node.databases, *(user.name for user in node.users)]
    bad = [name for name in names if not SAFE_NAME.fullmatch(name)]
    for name in bad:
        site.find(
            "unsafe-name",
            node.id,
            f"the name {name!r} of a user or database could be read as something else by the server",
            "use letters, digits, _ and -, beginning with a letter",
        )
    return not bad


def _speaks_v6(host: Host) -> bool:
    return any(":" in address for address in host.addresses)


def _lines(site: Site, draft: Draft, host: Host, node: Database) -> list[str]:
    """The settings, as the dotted names of mongod.conf."""
    settings: dict[str, str] = {name: _value(given) for name, given in node.settings.items()}
    settings["net.port"] = str(node.listen_port)
    if _speaks_v6(host):
        settings["net.ipv6"] = "true"  # to reach the other members, too
    if origin(site.graph, node).users:
        settings["security.authorization"] = "enabled"
        if len(lineage(site.graph, node)) > 1:
            settings["security.keyFile"] = _key_file(site, draft, node)
    return [f"{name}: {settings[name]}" for name in sorted(settings)]


def _value(given: bool | int | str) -> str:  # noqa: FBT001  # a setting may be a truth value
    """A scalar of YAML."""
    if isinstance(given, str) and _PLAIN.fullmatch(given):
        return given
    return json.dumps(given)


def _key_file(site: Site, draft: Draft, node: Database) -> str:
    """Write the unit that gives a member the key of its set, and name the file."""
    name, secret = site.helper("key", node.id), _key(site, node)
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"The key by which the members of {origin(site.graph, node).id} know each other",
            "before": ["mongodb.service"],
            "requiredBy": ["mongodb.service"],
            "script": Multiline(
                f'install --mode=0400 "$CREDENTIALS_DIRECTORY/{secret}" "$RUNTIME_DIRECTORY/{_KEY}"\n'
            ),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "User": "mongodb",
                **load_credentials(site, f"{name}.service", [secret]),
                "RuntimeDirectory": name,
                "RuntimeDirectoryMode": "0700",
            },
        },
        f"{node.id}: a member of a replica set with users needs the key of the set.",
    )
    harden(draft, ("systemd", "services", name))
    return f"/run/{name}/{_KEY}"


def _key(site: Site, node: Database) -> str:
    """The secret with the key of a set: what an edge of it names, else `<origin>-replication`."""
    named = (
        replication_password(edge)
        for edge, _ in descents(site.graph, origin(site.graph, node))
        if edge.password is not None
    )
    return next(named, f"{origin(site.graph, node).id}-replication")


def _administration(site: Site, draft: Draft, node: Database) -> None:
    """The unit that founds the replica set and makes the users, if there is either."""
    users = [user for user in node.users if user.password is not None]
    members = _members(site, node)
    if not users and len(members) < 2:  # a set of one is none
        return
    name = site.helper("users", node.id)
    unit = mongosh_unit(
        site,
        node,
        name,
        does=f"Users and members of {node.id}",
        after="mongodb.service",
        script=_script(node, users, members),
        secrets=[user.password for user in users if user.password is not None],
    )
    draft.put(
        ("systemd", "services", name),
        unit,
        f"{node.id}: mongosh reads the passwords from the unit's credentials.",
    )
    again: dict[str, Plain] = {"Restart": "on-failure", "RestartSec": RETRY_S}
    draft.put(
        ("systemd", "services", name), {"serviceConfig": again, "unitConfig": {"StartLimitIntervalSec": 0}}
    )
    harden(draft, ("systemd", "services", name))


def _members(site: Site, node: Database) -> list[str]:
    """Address and port of every member of a node's set, the origin first."""
    found = []
    for member in sorted(lineage(site.graph, node), key=lambda one: (one.id != node.id, one.id)):
        place = site.graph.host_of(member.id)
        assert place is not None, "a node with a form stands on a host"
        if len(lineage(site.graph, node)) > 1:
            others = (one.id for one in lineage(site.graph, node) if one.id != member.id)
            address = host_address(site, place, member.id, *others)
            if address is not None:
                shown = f"[{address}]" if ":" in address else address
                found.append(f"{shown}:{member.listen_port}")
    return found


def _script(node: Database, users: list[DatabaseUser], members: list[str]) -> str:
    administrator = next((user for user in users if user.superuser), None)
    lines = []
    if len(members) > 1:
        lines += [f"const members = {json.dumps(members)};", f"found({json.dumps(node.id)}, members);"]
        lines.append("if (!db.hello().isWritablePrimary) quit(0); // another member leads, and has all this")
    if administrator is not None:
        lines.append(
            f"enter({json.dumps(administrator.name)}, secret({json.dumps(administrator.password)}));"
        )
    for user in users:
        roles = json.dumps(_roles(node, user), sort_keys=True)
        lines.append(f"ensure({json.dumps(user.name)}, secret({json.dumps(user.password)}), {roles});")
    if len(members) > 1:
        lines.append("gather(members);")
    body = "".join(f"{line}\n" for line in lines)
    return (_SETS if len(members) > 1 else "") + (_USERS if users else "") + body


def _roles(node: Database, user: DatabaseUser) -> list[str | dict[str, str]]:
    if user.superuser:
        return ["root"]
    return [{"db": name, "role": "dbOwner"} for name in user.owns if name in node.databases]
