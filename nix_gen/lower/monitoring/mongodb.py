"""The exporter of MongoDB, and the user it logs in as where the server asks for one.

Pure. MongoDB knows no user by its system user, so that this one has a password: a secret of the operator's,
`<id>-exporter`, that the server is told by mongosh and the exporter in a variable.
"""

from __future__ import annotations

import json

from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.mongosh import mongosh_unit
from nix_gen.lower.monitoring.endpoints import Exporter
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.secrets import environment_file, lower_environment
from nix_gen.lower.site import Site
from nix_gen.nodes import Database, DatabaseUser, Host, Monitoring, MonitoringEngine, SecretRef

_COLLECTORS = ("diagnosticdata", "replicasetstatus", "dbstats")
_USER = "exporter"
_ROLES = [{"db": "admin", "role": "clusterMonitor"}, {"db": "local", "role": "read"}]
_SCRIPT = """\
const { readFileSync } = require("fs");
function secret(name) {
  return readFileSync(process.env.CREDENTIALS_DIRECTORY + "/" + name, "utf8").replace(/\\n$/, "");
}
if (!db.hello().isWritablePrimary) quit(0); // another member leads, and what it knows comes here
"""


def mongodb_options(
    site: Site,
    draft: Draft,
    host: Host,  # noqa: ARG001  # as its sisters
    exporter: Exporter,
) -> dict[str, Plain]:
    """Options of the exporter beyond those of all exporters."""
    node = site.graph.by_id.get(exporter.targets[0]) if exporter.targets else None
    port = node.listen_port if isinstance(node, Database) else 27017
    if isinstance(node, Database) and _administrator(site, node) is not None:
        password = SecretRef(name=_secret(site, node), env="MONGODB_PASSWORD")
        carrier = Monitoring(
            id=f"{exporter.option}-exporter", engine=MonitoringEngine.MONGODB_EXPORTER, secrets=(password,)
        )
        unit = ("systemd", "services", exporter.unit)
        draft.put((*unit, "environment", "MONGODB_USER"), _USER)
        file = environment_file(site, carrier, podman=False)
        assert file is not None
        draft.put((*unit, "serviceConfig", "EnvironmentFile"), file)
        lower_environment(site, draft, carrier, [f"{exporter.unit}.service"], podman=False)
    return {
        "uri": f"mongodb://{LOOPBACK}:{port}/admin?directConnection=true",
        # The module has no defaults for these lists, and spells flags of `collector` that nobody knows.
        "collector": [],
        "collStats": [],
        "indexStats": [],
        "extraFlags": [f"--collector.{name}" for name in _COLLECTORS],
    }


def lower_mongodb_user(site: Site, draft: Draft, host: Host) -> None:
    """Make the exporter's user in a server of the host, where users are asked for."""
    for node in site.of_form(host.id, Form.MONGODB):
        assert isinstance(node, Database)
        administrator = _administrator(site, node)
        if node.id in site.metrics.watched_primaries and administrator is not None:
            _unit(site, draft, node, administrator)


def _administrator(site: Site, node: Database) -> DatabaseUser | None:
    """Who may make users in the server, or in the first of its set; None where nobody has to log in."""
    first = site.graph.by_id.get(site.metrics.primary_of(node.id))
    users = first.users if isinstance(first, Database) else ()
    return next((user for user in users if user.superuser and user.password is not None), None)


def _secret(site: Site, node: Database) -> str:
    return f"{site.metrics.primary_of(node.id)}-exporter"


def _unit(site: Site, draft: Draft, node: Database, administrator: DatabaseUser) -> None:
    assert administrator.password is not None
    name, after = site.helper("monitoring", node.id), f"{site.helper('users', node.id)}.service"
    secret = _secret(site, node)
    user, roles = json.dumps(_USER), json.dumps(_ROLES, sort_keys=True)
    body = (
        f"{_SCRIPT}db.auth({json.dumps(administrator.name)}, secret({json.dumps(administrator.password)}));\n"
        f"const known = {{ pwd: secret({json.dumps(secret)}), roles: {roles} }};\n"
        f"if (db.getUser({user}) === null) db.createUser({{ user: {user}, ...known }});\n"
        f"else db.updateUser({user}, known);\n"
    )
    unit = mongosh_unit(
        site,
        node,
        name,
        does=f"User of the exporter in {node.id}",
        after=after,
        script=body,
        secrets=[administrator.password, secret],
    )
    draft.put(
        ("systemd", "services", name),
        unit,
        f"{node.id}: the exporter may read statistics, not data.",
    )
