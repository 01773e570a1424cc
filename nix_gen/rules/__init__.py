"""The rules of the validator, by theme. Each takes a graph and yields findings."""

from nix_gen.rules.buses import bus_findings
from nix_gen.rules.containers import container_findings
from nix_gen.rules.database_settings import setting_findings
from nix_gen.rules.hosts import host_findings
from nix_gen.rules.monitoring import monitoring_findings
from nix_gen.rules.placement import placement_findings
from nix_gen.rules.port_clashes import port_findings
from nix_gen.rules.replication import replication_findings
from nix_gen.rules.roles import role_findings
from nix_gen.rules.secrets import secret_findings
from nix_gen.rules.settings import text_findings
from nix_gen.rules.start import start_findings
from nix_gen.rules.structure import structure_findings

__all__ = [
    "bus_findings",
    "container_findings",
    "host_findings",
    "monitoring_findings",
    "placement_findings",
    "port_findings",
    "replication_findings",
    "role_findings",
    "secret_findings",
    "setting_findings",
    "start_findings",
    "structure_findings",
    "text_findings",
]
