"""Grafana: data sources and dashboards from its edges, secrets from its credentials.

Pure. A `monitors` or `connects_to` edge to prometheus, loki or alertmanager is a data source. Dashboards are
files beside the host's module: Grafana reads them, and nobody edits them in the browser.
"""

from __future__ import annotations

from nix_gen.edges import ConnectsTo, DataFlow, LoadBalances, Monitors
from nix_gen.ir import Plain, RelativePath, value
from nix_gen.lower.data_directories import data_directory
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.dashboards import UID_MAX_CHARS, dashboards
from nix_gen.lower.monitoring.targets import SCRAPE_INTERVAL_MS, targets_of
from nix_gen.lower.monitoring.words import credential, duration, listen_address, socket_address
from nix_gen.lower.natives import variables
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import address_for
from nix_gen.lower.secrets import environment_file, load_credentials, lower_environment
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment, short
from nix_gen.nodes import Host, LoadBalancer, Monitoring, MonitoringEngine

FOLDER = "dashboards"
SOURCES = {
    MonitoringEngine.PROMETHEUS: "prometheus",
    MonitoringEngine.LOKI: "loki",
    MonitoringEngine.ALERTMANAGER: "alertmanager",
}
"""What Grafana can show, by the type of its data source."""
_OPTION = ("services", "grafana")
_UNIT = "grafana"


def lower_grafana(site: Site, draft: Draft, host: Host) -> None:
    """Write the grafana of a host."""
    for node in site.of_form(host.id, Form.GRAFANA):
        assert isinstance(node, Monitoring)
        comments = [node_comment(node)]
        own = data_directory(site, node)
        if own is not None:
            draft.put((*_OPTION, "dataDir"), own[1], f"{own[0].id}.")
        else:
            comments += [
                f"{edge.id}: the module keeps the data in /var/lib/grafana."
                for edge, _ in mounts_of(site, node)
            ]
        draft.put(
            _OPTION,
            {"enable": True, "settings": _settings(site, node, listen_address(site, host, node))},
            *comments,
        )
        _provision(site, draft, node)
        _service(site, draft, node)
        start_after(site, draft, node, ("systemd", "services", _UNIT))


def _settings(site: Site, node: Monitoring, address: str) -> dict[str, Plain]:
    secret_key, password = _secrets(node)
    sections: dict[str, dict[str, Plain]] = {
        "analytics": {"check_for_updates": False, "reporting_enabled": False},
        "security": {
            "admin_password": f"$__file{{{credential(_UNIT, password)}}}",
            "secret_key": f"$__file{{{credential(_UNIT, secret_key)}}}",
        },
        "server": {"http_addr": address.strip("[]"), "http_port": node.listen_port, **_below(site, node)},
        "users": {"allow_sign_up": False},
    }
    for name in sorted(node.settings):
        section, _, key = name.rpartition(".")
        if not section or not key or (section == "server" and key in {"http_addr", "http_port"}):
            site.find(
                "bad-setting",
                node.id,
                f"the setting {name!r} is no `section.key` of Grafana that is free to choose",
                "write it as `users.default_theme`; `port` says where it listens",
            )
            continue
        sections.setdefault(section, {})[key] = node.settings[name]
    return {section: value(entries) for section, entries in sections.items()}


def _below(site: Site, node: Monitoring) -> dict[str, Plain]:
    """What a grafana has to know of the path below which a balancer shows it; the balancer passes it on."""
    for edge in site.graph.edges_to(node.id):
        if not isinstance(edge, LoadBalances) or edge.path == "/":
            continue
        path = f"{edge.path.rstrip('/')}/"
        root = "%(protocol)s://%(domain)s"
        balancer = site.graph.by_id.get(edge.source)
        hosts = balancer.virtual_hosts if isinstance(balancer, LoadBalancer) else ()
        for host in hosts:
            if host.name != "_" and edge.virtual_host in {None, host.name, *host.aliases}:
                root = f"{'http' if host.tls is None else 'https'}://{host.name}"
                break
        return {"root_url": f"{root}{path}", "serve_from_sub_path": True}
    return {}


def _secrets(node: Monitoring) -> tuple[str, str]:
    return node.secret_key or f"{node.id}-secret-key", node.password or f"{node.id}-password"


def _service(site: Site, draft: Draft, node: Monitoring) -> None:
    unit = ("systemd", "services", _UNIT)
    draft.put((*unit, "serviceConfig"), load_credentials(site, f"{_UNIT}.service", _secrets(node)))
    environment = variables(site, node, node.environment)
    if environment:
        draft.put((*unit, "environment"), environment)
    file = environment_file(site, node, podman=False)
    if file is not None:
        draft.put((*unit, "serviceConfig", "EnvironmentFile"), file)
        lower_environment(site, draft, node, [f"{_UNIT}.service"], podman=False)


def sources_of(site: Site, node: Monitoring) -> list[tuple[Monitoring, str]]:
    """What a grafana shows, and where that is, by id."""
    wanted = {
        edge.target
        for edge in site.graph.edges_from(node.id)
        if isinstance(edge, Monitors | ConnectsTo | DataFlow)
    }
    found = []
    for route in site.routes_from(node.id):
        target = route.target
        if isinstance(target, Monitoring) and target.engine in SOURCES and target.id in wanted:
            address = address_for(site, route)
            if address is not None:
                found.append((target, address))
    return found


def _provision(site: Site, draft: Draft, node: Monitoring) -> None:
    sources = sources_of(site, node)
    if not sources:
        return
    first = next(
        (one.id for one, _ in sources if one.engine is MonitoringEngine.PROMETHEUS), sources[0][0].id
    )
    draft.put(
        (*_OPTION, "provision"),
        {
            "enable": True,
            "datasources": {
                "settings": {
                    "datasources": [
                        _source(target, address, is_default=target.id == first) for target, address in sources
                    ]
                }
            },
        },
    )
    jobs = {
        target.job
        for source, _ in sources
        if site.forms.get(source.id) is Form.PROMETHEUS
        for target in targets_of(site, source)
    }
    logs = any(source.engine is MonitoringEngine.LOKI for source, _ in sources)
    files = dashboards(site.project, frozenset(jobs), logs=logs)
    draft.files.update({f"{FOLDER}/{name}": text for name, text in files.items()})
    if files:
        provider: dict[str, Plain] = {
            "name": site.project,
            "options": {"path": RelativePath(f"./{FOLDER}")},
        }
        draft.put(
            (*_OPTION, "provision", "dashboards", "settings", "providers"),
            [provider],
            "The JSON files beside this one.",
        )


def _source(target: Monitoring, address: str, *, is_default: bool) -> Plain:
    entry: dict[str, Plain] = {
        "name": target.id,
        "type": SOURCES[target.engine],
        "uid": short(target.id, UID_MAX_CHARS),
        "url": f"http://{socket_address(address, target.listen_port)}",
        "access": "proxy",
    }
    if is_default:
        entry["isDefault"] = True
    if target.engine is MonitoringEngine.PROMETHEUS:
        entry["jsonData"] = {
            "httpMethod": "POST",
            "timeInterval": duration(target.scrape_interval_ms or SCRAPE_INTERVAL_MS),
        }
    if target.engine is MonitoringEngine.ALERTMANAGER:
        entry["jsonData"] = {"implementation": "prometheus"}
    return entry
