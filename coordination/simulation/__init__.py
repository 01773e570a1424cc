"""A whole cluster in one process: virtual time, seeded faults, independent checkers."""
