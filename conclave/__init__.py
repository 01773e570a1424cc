"""The front door: SDK, CLI, embedded host and demo."""
