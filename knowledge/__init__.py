"""Shared knowledge: facts that every agent holds in its own replica, kept by Automerge, one document per topic."""
