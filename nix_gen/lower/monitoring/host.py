"""The monitoring programs of one host, in one call.

Pure.
"""

from __future__ import annotations

from nix_gen.lower.draft import Draft
from nix_gen.lower.monitoring.alertmanager import lower_alertmanager
from nix_gen.lower.monitoring.alloy import lower_alloy
from nix_gen.lower.monitoring.exporters import lower_exporters
from nix_gen.lower.monitoring.grafana import lower_grafana
from nix_gen.lower.monitoring.loki import lower_loki
from nix_gen.lower.monitoring.prometheus import lower_prometheus
from nix_gen.lower.site import Site
from nix_gen.nodes import Host


def lower_monitoring(site: Site, draft: Draft, host: Host) -> None:
    """Write exporters, prometheus, alertmanager, loki, alloy and grafana of a host."""
    for program in (
        lower_exporters,
        lower_prometheus,
        lower_alertmanager,
        lower_loki,
        lower_alloy,
        lower_grafana,
    ):
        program(site, draft, host)
