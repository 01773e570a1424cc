"""Conversations between agents."""

from dialog.client import DialogClient
from dialog.service import NAME, define

__all__ = ["NAME", "DialogClient", "define"]
