"""The docker-compose importer, written for the compose specification. Pure: a reader is injected."""

from nix_gen.compose.project import import_compose
from nix_gen.compose.variables import read_variables

__all__ = ["import_compose", "read_variables"]
