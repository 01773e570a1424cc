"""The kernel under every service: bus, journal, host, clock, errors."""
