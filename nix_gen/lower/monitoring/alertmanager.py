"""Alertmanager: whom it tells, about what.

Pure. URLs of webhooks and passwords are read from credentials of the unit; neither stands in the
configuration.
"""

from __future__ import annotations

from nix_gen.ir import Plain
from nix_gen.lower.data_directories import is_without_place
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.words import credential, flags, listen_address
from nix_gen.lower.order import start_after
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import STATE, node_comment
from nix_gen.nodes import MONITORING_PORTS, Email, Host, Monitoring, Receiver

_OPTION = ("services", "prometheus", "alertmanager")
_UNIT = "alertmanager"
DATA_DIR = f"{STATE}/alertmanager"
"""Where the module keeps silences and what was sent; it has no option for it."""
NOBODY = "nobody"
"""The receiver of alerts that no route leads to anybody."""


def lower_alertmanager(site: Site, draft: Draft, host: Host) -> None:
    """Write the alertmanager of a host."""
    for node in site.of_form(host.id, Form.ALERTMANAGER):
        assert isinstance(node, Monitoring)
        options: dict[str, Plain] = {
            "enable": True,
            "listenAddress": listen_address(site, host, node),
            "configuration": configuration(node),
            # One alertmanager has no peers to gossip with.
            "extraFlags": ["--cluster.listen-address=", *flags(node.settings, by_no=True)],
        }
        if node.listen_port != MONITORING_PORTS[node.engine]:
            options["port"] = node.listen_port
        kept = (
            f"{edge.id}: the module keeps the data in {DATA_DIR}."
            for edge, storage in mounts_of(site, node)
            if is_without_place(storage)
        )
        draft.put(_OPTION, options, node_comment(node), *kept)
        secrets = _secrets(node)
        if secrets:
            service = ("systemd", "services", _UNIT, "serviceConfig")
            draft.put(service, load_credentials(site, f"{_UNIT}.service", secrets))
        start_after(site, draft, node, ("systemd", "services", _UNIT))


def _secrets(node: Monitoring) -> set[str]:
    wanted = {receiver.webhook for receiver in node.receivers}
    wanted |= {receiver.email.password for receiver in node.receivers if receiver.email is not None}
    return {name for name in wanted if name is not None}


def configuration(node: Monitoring) -> dict[str, Plain]:
    """The configuration: everybody is told what concerns them, nobody hides an alert from the next."""
    routes: list[Plain] = []
    for receiver in node.receivers:
        route: dict[str, Plain] = {"receiver": receiver.name, "continue": True}
        if receiver.severity is not None:
            route["matchers"] = [f'severity="{receiver.severity}"']
        routes.append(route)
    route = {
        "receiver": NOBODY,
        "group_by": ["alertname", "host"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
    }
    return {
        "route": {**route, "routes": routes} if routes else route,
        "receivers": [{"name": NOBODY}, *(_receiver(receiver) for receiver in node.receivers)],
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="TargetDown"', 'job="node"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["host"],
            }
        ],
    }


def _receiver(receiver: Receiver) -> dict[str, Plain]:
    entry: dict[str, Plain] = {"name": receiver.name}
    if receiver.webhook is not None:
        entry["webhook_configs"] = [{"url_file": credential(_UNIT, receiver.webhook), "send_resolved": True}]
    if receiver.email is not None:
        entry["email_configs"] = [_email(receiver.email)]
    return entry


def _email(email: Email) -> dict[str, Plain]:
    entry: dict[str, Plain] = {
        "to": email.to,
        "from": email.sender,
        "smarthost": email.smarthost,
        "require_tls": email.require_tls,
        "send_resolved": True,
    }
    if email.username is not None and email.password is not None:
        entry["auth_username"] = email.username
        entry["auth_password_file"] = credential(_UNIT, email.password)
    return entry
