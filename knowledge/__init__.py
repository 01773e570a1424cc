"""Shared knowledge: facts in a replica at every agent, kept by Automerge, one document per topic."""
