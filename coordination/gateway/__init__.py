"""Speaks the Synadia Agent Protocol for NATS (v0.3) on behalf of registered agents."""
