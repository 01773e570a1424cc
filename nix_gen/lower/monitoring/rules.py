"""Alert rules for what is really asked: a rule stands only where its metrics come from.

Pure. The metrics are those of the exporters in nixpkgs; thresholds are the usual first ones, and every
alert names host and node, the labels each target carries.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.ir import Plain

DISK_FREE_MIN_PERCENT = 10
MEMORY_FREE_MIN_PERCENT = 5
REPLICA_BEHIND_MAX_S = 60
CERTIFICATE_DAYS_LEFT_MIN = 14
_REAL_DISK = 'fstype!~"tmpfs|ramfs|overlay|squashfs|nsfs"'
_HOST = "{{ $labels.host }}"
_WHO = "{{ $labels.node }} on {{ $labels.host }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert."""

    name: str
    expression: str
    summary: str
    lasting: str = "5m"
    """How long it must be true."""
    critical: bool = False
    needs: frozenset[str] = frozenset()
    """Jobs and facts without which it means nothing; the first sorted is its group."""


def _needs(*facts: str) -> frozenset[str]:
    return frozenset(facts)


RULES: dict[str, tuple[Rule, ...]] = {
    "targets": (
        Rule(
            name="TargetDown",
            expression="up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not answer to the job {{{{ $labels.job }}}}",
        ),
    ),
    "node": (
        Rule(
            name="DiskAlmostFull",
            expression=(
                f"100 * node_filesystem_avail_bytes{{{_REAL_DISK}}} "
                f"/ node_filesystem_size_bytes{{{_REAL_DISK}}} < {DISK_FREE_MIN_PERCENT} "
                f"and node_filesystem_readonly{{{_REAL_DISK}}} == 0"
            ),
            lasting="15m",
            summary=f"{{{{ $labels.mountpoint }}}} of {_HOST} has less than {DISK_FREE_MIN_PERCENT} % left",
        ),
        Rule(
            name="MemoryAlmostFull",
            expression=(
                "100 * node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes "
                f"< {MEMORY_FREE_MIN_PERCENT}"
            ),
            lasting="15m",
            summary=f"{_HOST} has less than {MEMORY_FREE_MIN_PERCENT} % of its memory left",
        ),
        Rule(
            name="UnitFailed",
            expression='node_systemd_unit_state{state="failed"} == 1',
            summary="{{ $labels.name }} of {{ $labels.host }} has failed",
        ),
    ),
    "postgres": (
        Rule(
            name="PostgresqlDown",
            expression="pg_up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not let its exporter in",
        ),
        Rule(
            name="PostgresqlConnectionsAlmostUsedUp",
            expression=(
                "100 * sum by (host, node) (pg_stat_database_numbackends) "
                "/ max by (host, node) (pg_settings_max_connections) > 90"
            ),
            summary=f"{_WHO} has hardly a connection left",
        ),
        Rule(
            name="PostgresqlReplicaBehind",
            expression=(
                f"pg_replication_lag_seconds > {REPLICA_BEHIND_MAX_S} and pg_replication_is_replica == 1"
            ),
            summary=f"{_WHO} is {{{{ $value }}}} s behind its primary",
            needs=_needs("replicas"),
        ),
    ),
    "mysql": (
        Rule(
            name="MysqlDown",
            expression="mysql_up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not let its exporter in",
        ),
        Rule(
            name="MysqlReplicaBehind",
            expression=f"mysql_slave_status_seconds_behind_master > {REPLICA_BEHIND_MAX_S}",
            summary=f"{_WHO} is {{{{ $value }}}} s behind its primary",
            needs=_needs("replicas"),
        ),
    ),
    "redis": (
        Rule(
            name="RedisDown",
            expression="redis_up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not let its exporter in",
        ),
        Rule(
            name="RedisMemoryAlmostFull",
            expression=(
                "100 * redis_memory_used_bytes / redis_memory_max_bytes > 90 and redis_memory_max_bytes > 0"
            ),
            summary=f"{_WHO} is near its `maxmemory`",
        ),
        Rule(
            name="RedisReplicaWithoutMaster",
            expression="redis_master_link_up == 0",
            summary=f"{_WHO} has lost its master",
            needs=_needs("replicas"),
        ),
    ),
    "mongodb": (
        Rule(
            name="MongodbDown",
            expression="mongodb_up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not let its exporter in",
        ),
    ),
    "nats": (
        Rule(
            name="NatsSlowConsumers",
            expression="increase(gnatsd_varz_slow_consumers[5m]) > 0",
            lasting="1m",
            summary=f"{_WHO} drops clients that read too slowly",
        ),
        Rule(
            name="NatsUnhealthy",
            expression="gnatsd_healthz_status > 0",
            critical=True,
            summary=f"{_WHO} says that it is not healthy",
        ),
    ),
    "nginx": (
        Rule(
            name="NginxDown",
            expression="nginx_up == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not answer its exporter",
        ),
    ),
    "haproxy": (
        Rule(
            name="HaproxyBackendDown",
            expression='haproxy_backend_status{state="DOWN"} == 1',
            lasting="2m",
            critical=True,
            summary=f"no server of {{{{ $labels.proxy }}}} is there for {_WHO}",
        ),
    ),
    "rabbitmq": (
        Rule(
            name="RabbitmqAlarm",
            expression=(
                "rabbitmq_alarms_memory_used_watermark == 1 or rabbitmq_alarms_free_disk_space_watermark == 1"
            ),
            lasting="1m",
            critical=True,
            summary=f"{_WHO} blocks publishers for want of memory or disk",
        ),
    ),
    "probe": (
        Rule(
            name="ProbeFailed",
            expression="probe_success == 0",
            lasting="2m",
            critical=True,
            summary=f"{_WHO} does not answer at {{{{ $labels.instance }}}}",
        ),
        Rule(
            name="CertificateExpiresSoon",
            expression=f"probe_ssl_earliest_cert_expiry - time() < {CERTIFICATE_DAYS_LEFT_MIN} * 86400",
            lasting="1h",
            summary=(
                "the certificate of {{ $labels.instance }} has less than "
                f"{CERTIFICATE_DAYS_LEFT_MIN} days left"
            ),
            needs=_needs("certificates"),
        ),
    ),
}
"""Rules by the job that has their metrics; those of `targets` hold for every job."""


def rule_groups(facts: frozenset[str]) -> list[Plain]:
    """Rule groups for the jobs there are.

    Args:
        facts: names of jobs, and `replicas`, `certificates` where there are such.
    """
    groups: list[Plain] = []
    for job, rules in RULES.items():
        fitting = [rule for rule in rules if rule.needs <= facts]
        if fitting and (job == "targets" or job in facts):
            groups.append({"name": job, "rules": [_rule(rule) for rule in fitting]})
    return groups


def _rule(rule: Rule) -> Plain:
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": rule.lasting,
        "labels": {"severity": "critical" if rule.critical else "warning"},
        "annotations": {"summary": rule.summary},
    }
