"""Monitoring programs: metrics, alerts, logs, dashboards, and the exporters that tell metrics for others.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import DURATION_MAX_MS, Name, Part, Port, SecretName, Settings, in_one_order

RECEIVERS_MAX_COUNT = 64
RETENTION_MAX_MS = 10 * 365 * 24 * 3600 * 1000
SCRAPE_INTERVAL_MIN_MS = 1_000

ReceiverName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
MailAddress = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$")
]
"""`ops@example.org`; without a display name."""
MailLogin = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f/$\\\"'`]+$", max_length=255)]
"""Without what alertmanager's module would expand (`$`), or that would have to be quoted."""
Smarthost = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\]):[0-9]{1,5}$")
]
"""`mail.example.org:587`."""


class MonitoringEngine(StrEnum):
    """Monitoring engines; `MONITORING_PORTS` gives the usual port of each."""

    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    LOKI = "loki"
    ALERTMANAGER = "alertmanager"
    NODE_EXPORTER = "node_exporter"
    BLACKBOX_EXPORTER = "blackbox_exporter"
    MONGODB_EXPORTER = "mongodb_exporter"
    MYSQLD_EXPORTER = "mysqld_exporter"
    NATS_EXPORTER = "nats_exporter"
    NGINX_EXPORTER = "nginx_exporter"
    POSTGRES_EXPORTER = "postgres_exporter"
    REDIS_EXPORTER = "redis_exporter"
    SYSTEMD_EXPORTER = "systemd_exporter"


MONITORING_PORTS: dict[MonitoringEngine, int] = {
    MonitoringEngine.PROMETHEUS: 9090,
    MonitoringEngine.GRAFANA: 3000,
    MonitoringEngine.LOKI: 3100,
    MonitoringEngine.ALERTMANAGER: 9093,
    MonitoringEngine.NODE_EXPORTER: 9100,
    MonitoringEngine.BLACKBOX_EXPORTER: 9115,
    MonitoringEngine.MONGODB_EXPORTER: 9216,
    MonitoringEngine.MYSQLD_EXPORTER: 9104,
    MonitoringEngine.NATS_EXPORTER: 7777,
    MonitoringEngine.NGINX_EXPORTER: 9113,
    MonitoringEngine.POSTGRES_EXPORTER: 9187,
    MonitoringEngine.REDIS_EXPORTER: 9121,
    MonitoringEngine.SYSTEMD_EXPORTER: 9558,
}

EXPORTERS = frozenset(engine for engine in MonitoringEngine if engine.value.endswith("_exporter"))
"""Engines that tell metrics on behalf of something else. Of each a host has one."""


class AlertSeverity(StrEnum):
    """How bad an alert is: the label `severity` of the alerts that nix_gen writes."""

    WARNING = "warning"
    CRITICAL = "critical"


class Email(Part):
    """A mailbox alerts go to, by way of a mail server."""

    to: MailAddress
    sender: MailAddress
    smarthost: Smarthost
    """Host and port of the mail server."""
    username: MailLogin | None = None
    password: SecretName | None = None
    """Name of the secret that holds the password of `username`."""
    require_tls: bool = True

    @model_validator(mode="after")
    def _login_is_whole(self) -> Email:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self


class Receiver(Part):
    """Whom alertmanager tells: a webhook, a mailbox, or both."""

    name: ReceiverName
    webhook: SecretName | None = None
    """Name of the secret that holds the URL: whoever knows such a URL may post to it."""
    email: Email | None = None
    severity: AlertSeverity | None = None
    """Only alerts of this severity. None: all."""

    @model_validator(mode="after")
    def _someone_is_told(self) -> Receiver:
        if self.webhook is None and self.email is None:
            raise ValueError("give webhook, email or both")
        return self


def _unique_names(receivers: tuple[Receiver, ...]) -> tuple[Receiver, ...]:
    names = [receiver.name for receiver in receivers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two receivers have the name {twice[0]!r}")
    return in_one_order(receivers)


class Monitoring(RunningBase):
    """A monitoring program run by its native NixOS module; what it watches are its `monitors` edges."""

    kind: Literal["monitoring"] = "monitoring"
    engine: MonitoringEngine
    version: Name | None = None
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    retention_ms: Annotated[int, Field(strict=True, ge=0, le=RETENTION_MAX_MS)] | None = None
    """How long prometheus and loki keep what they collect. None: 15 days (prometheus), 31 days (loki)."""
    scrape_interval_ms: (
        Annotated[int, Field(strict=True, ge=SCRAPE_INTERVAL_MIN_MS, le=DURATION_MAX_MS)] | None
    ) = None
    """How often prometheus asks its targets, where their edges do not say. None: every 15 s."""
    default_alerts: bool = True
    """Whether prometheus gets alert rules for what it scrapes: down, disk full, replication behind."""
    receivers: Annotated[
        tuple[Receiver, ...], Field(max_length=RECEIVERS_MAX_COUNT), AfterValidator(_unique_names)
    ] = ()
    """Whom alertmanager tells."""
    password: SecretName | None = None
    """Name of the secret that holds the administrator's password (grafana). None: `<id>-password`."""
    secret_key: SecretName | None = None
    """Name of the secret with which grafana encrypts what it stores. None: `<id>-secret-key`."""
    settings: Settings = Field(default_factory=dict)
    """Grafana: `section.key`; loki: dotted path in its configuration; others: command-line flags by name."""

    @model_validator(mode="after")
    def _fields_of_the_engine(self) -> Monitoring:
        fitting = {
            "receivers": {MonitoringEngine.ALERTMANAGER},
            "secret_key": {MonitoringEngine.GRAFANA},
            "scrape_interval_ms": {MonitoringEngine.PROMETHEUS},
        }
        for field, engines in fitting.items():
            if getattr(self, field) and self.engine not in engines:
                raise ValueError(f"{field} is for {', '.join(sorted(engines))}, not for {self.engine}")
        return self

    @property
    def listen_port(self) -> int:
        """The port clients use."""
        return self.port if self.port is not None else MONITORING_PORTS[self.engine]

    @property
    def is_exporter(self) -> bool:
        """Whether the engine tells metrics of something else."""
        return self.engine in EXPORTERS
