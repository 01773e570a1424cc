"""Monitoring programs.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import Name, Port, SecretName, Settings


class MonitoringEngine(StrEnum):
    """Monitoring engines; `MONITORING_PORTS` gives the usual port of each."""

    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    LOKI = "loki"
    ALERTMANAGER = "alertmanager"
    NODE_EXPORTER = "node_exporter"


MONITORING_PORTS: dict[MonitoringEngine, int] = {
    MonitoringEngine.PROMETHEUS: 9090,
    MonitoringEngine.GRAFANA: 3000,
    MonitoringEngine.LOKI: 3100,
    MonitoringEngine.ALERTMANAGER: 9093,
    MonitoringEngine.NODE_EXPORTER: 9100,
}


class Monitoring(RunningBase):
    """A monitoring program run by its native NixOS module; what it watches are its `monitors` edges."""

    kind: Literal["monitoring"] = "monitoring"
    engine: MonitoringEngine
    version: Name | None = None
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    retention_ms: Annotated[int, Field(strict=True, ge=0, le=10 * 365 * 24 * 3600 * 1000)] | None = None
    password: SecretName | None = None
    """Name of the secret that holds the administrator's password."""
    settings: Settings = Field(default_factory=dict)

    @property
    def listen_port(self) -> int:
        """The port clients use."""
        return self.port if self.port is not None else MONITORING_PORTS[self.engine]
