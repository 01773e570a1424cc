"""Who is who: nkey users, what each may say and hear, and where their credentials are found."""

from conclave.identity.identities import AUTHORIZATION_FILE, Identities
from conclave.identity.lookup import ENVIRONMENT_VARIABLE, find_credentials
from conclave.identity.permissions import (
    OPERATOR,
    RESERVED_NAMES,
    SERVICE_NAMES,
    agent_permissions,
    foreign_permissions,
    service_permissions,
)
from conclave.identity.running import RunningServer
from conclave.identity.users import User, Users, UsersFileError

__all__ = [
    "AUTHORIZATION_FILE",
    "ENVIRONMENT_VARIABLE",
    "OPERATOR",
    "RESERVED_NAMES",
    "SERVICE_NAMES",
    "Identities",
    "RunningServer",
    "User",
    "Users",
    "UsersFileError",
    "agent_permissions",
    "find_credentials",
    "foreign_permissions",
    "service_permissions",
]
