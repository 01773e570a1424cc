"""Runtime, registry and tasks: how agents find each other and share work."""
