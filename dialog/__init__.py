"""Conversations between agents."""
