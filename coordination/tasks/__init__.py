"""Durable allocation of work to agents."""
