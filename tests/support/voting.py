"""Clients of consensus that sign, and artifacts to vote on."""

from __future__ import annotations

import hashlib

from consensus.client import ConsensusClient
from consensus.signing import CredentialsSigner
from coordination.runtime.client import Caller
from coordination.runtime.credentials import Credentials

ARTIFACT = "a" * 64
OTHER_ARTIFACT = "b" * 64


def signer_of(agent: str) -> CredentialsSigner:
    """The same key for the same name, so that tests can be repeated."""
    return CredentialsSigner(Credentials.generate(hashlib.sha256(agent.encode()).digest()))


def signing(caller: Caller) -> ConsensusClient:
    """The client of an agent that signs what it votes."""
    return ConsensusClient(caller, signer_of(caller.agent))
