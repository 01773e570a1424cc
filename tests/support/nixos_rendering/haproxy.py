"""`services.haproxy` -> haproxy.conf."""

from __future__ import annotations

from tests.support.nixos_rendering.configs import Config, option


def haproxy_cfg(config: Config, *, run_dir: str = "/run/haproxy") -> str | None:
    """The file that haproxy reads, or None where the host has none.

    Args:
        config: options of the host.
        run_dir: where the module's own statistics socket lies.
    """
    service = option(config, "services", "haproxy", default={})
    if not service.get("enable"):
        return None
    return (
        "global\n"
        "  # needed for hot-reload to work without dropping packets in multi-worker mode\n"
        f"  stats socket {run_dir}/haproxy.sock mode 600 expose-fd listeners level user\n\n"
        f"{service['config']}"
    )
