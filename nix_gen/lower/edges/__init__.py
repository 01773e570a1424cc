"""What each kind of edge means on the generated machines: one module per kind.

Pure. Each module says which connections its edge asks for (`connections`) and writes what else the edge
means.
"""

from nix_gen.lower.edges.clusters import cluster_connections
from nix_gen.lower.edges.connection import Connection, Ports, listening
from nix_gen.lower.edges.kinds import connections
from nix_gen.lower.edges.mounts_volume import backup_connections

__all__ = ["Connection", "Ports", "backup_connections", "cluster_connections", "connections", "listening"]
