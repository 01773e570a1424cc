"""What the NixOS modules would make of a generated flake: the files that the real programs read.

One module per program. Each imitates the text of the NixOS module of that name as far as the program's own
check can tell, and says what it leaves out. Options come from `nixcheck --config`, which evaluates the flake
in real Nix; an option that nobody set is absent there, and each module puts NixOS's default in its place.
"""

from tests.support.nixos_rendering.configs import Config, host_configs
from tests.support.nixos_rendering.haproxy import haproxy_cfg
from tests.support.nixos_rendering.keepalived import keepalived_conf
from tests.support.nixos_rendering.nats import nats_json
from tests.support.nixos_rendering.nftables import nftables_ruleset
from tests.support.nixos_rendering.nginx import nginx_conf
from tests.support.nixos_rendering.rabbitmq import rabbitmq_conf
from tests.support.nixos_rendering.systemd import systemd_units

__all__ = [
    "Config",
    "haproxy_cfg",
    "host_configs",
    "keepalived_conf",
    "nats_json",
    "nftables_ruleset",
    "nginx_conf",
    "rabbitmq_conf",
    "systemd_units",
]
