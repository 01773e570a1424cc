"""Artifacts by content: what is voted on is stored under its SHA-256 and checked when it is read."""
