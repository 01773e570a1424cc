"""`services.rabbitmq` -> rabbitmq.conf.

After nixos/modules/services/amqp/rabbitmq.nix: `configItems` as lines of `key = value`, the module's own
listener among them. Left out: advanced.config, which no generated flake sets, and the server's environment.
"""

from __future__ import annotations

from tests.support.nixos_rendering.configs import Config, option

_PORT = 5672
_ADDRESS = "127.0.0.1"


def rabbitmq_conf(config: Config) -> str | None:
    """The file that RabbitMQ reads, or None where the host has none."""
    service = option(config, "services", "rabbitmq", default={})
    if not service.get("enable"):
        return None
    listener = f"{service.get('listenAddress', _ADDRESS)}:{service.get('port', _PORT)}"
    items = {"listeners.tcp.1": listener, **service.get("configItems", {})}
    return "".join(f"{name}={value}\n" for name, value in sorted(items.items()))
