"""Proposals and votes."""

from consensus.client import ConsensusClient
from consensus.service import NAME, define

__all__ = ["NAME", "ConsensusClient", "define"]
