"""`services.prometheus`, alertmanager and loki -> the files the programs read.

Left out: what the module makes of options that nix_gen never sets (remote write, TLS of its own). Rule files
are named beside the configuration, where the module names them in the store.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.nix_tools import run
from tests.support.nixos_rendering.configs import Config, option

RULES = "rules.json"


def prometheus_yaml(config: Config) -> str | None:
    """`prometheus.yml` (JSON is YAML), or None where the host has no prometheus."""
    service = option(config, "services", "prometheus", default={})
    if not service.get("enable"):
        return None
    document: dict[str, Any] = {
        "global": service.get("globalConfig", {}),
        "scrape_configs": service.get("scrapeConfigs", []),
        "rule_files": [RULES] if service.get("rules") else [],
        "alerting": {"alertmanagers": service.get("alertmanagers", [])},
    }
    return _json(document)


def prometheus_rules(config: Config) -> str | None:
    """The rule file: the texts of `rules`, one after another."""
    rules = option(config, "services", "prometheus", "rules", default=[])
    return "\n".join(rules) + "\n" if rules else None


def write_prometheus(config: Config, folder: Path) -> Path:
    """Write configuration and rules side by side. Returns the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    text, rules = prometheus_yaml(config), prometheus_rules(config)
    assert text is not None, "the host has no prometheus"
    if rules is not None:
        (folder / RULES).write_text(rules, encoding="utf-8")
    file = folder / "prometheus.yml"
    file.write_text(text, encoding="utf-8")
    return file


def alertmanager_yaml(config: Config) -> str | None:
    """`alertmanager.yml`, or None where the host has no alertmanager."""
    service = option(config, "services", "prometheus", "alertmanager", default={})
    return _json(service["configuration"]) if service.get("enable") else None


def loki_json(nix: str, module: str) -> str:
    """The configuration of loki: the expression of its file in a host's module, as Nix evaluates it."""
    head, expression = module.split('configFile = pkgs.writeText "loki.json" (builtins.toJSON ', 1)
    indent = head.rsplit("\n", 1)[1]
    expression = expression.split(f"\n{indent}}});", 1)[0] + "}"
    evaluator = Path(nix).with_name("nix-instantiate")
    return _json(json.loads(run([evaluator, "--eval", "--strict", "--json", "--expr", expression])))


def exporter(config: Config, name: str) -> dict[str, Any]:
    """The options of one exporter."""
    options: dict[str, Any] = option(config, "services", "prometheus", "exporters", name, default={})
    return options


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
