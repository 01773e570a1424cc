"""`services.keepalived` -> keepalived.conf, after nixos/modules/services/networking/keepalived."""

from __future__ import annotations

from typing import Any

from tests.support.nixos_rendering.configs import Config, option


def keepalived_conf(config: Config) -> str | None:
    """The file that keepalived reads, or None where the host has none.

    Programs of the Nix store stand as /bin/true, so that they exist.
    """
    service = option(config, "services", "keepalived", default={})
    if not service.get("enable"):
        return None
    text = "global_defs {\n}\n"
    for name, script in sorted((service.get("vrrpScripts") or {}).items()):
        words = ["/bin/true", *script["script"].split()[1:]]
        given = {key: script[key] for key in ("interval", "fall", "rise", "user") if key in script}
        text += f'vrrp_script {name} {{\n  script "{" ".join(words)}"\n{_lines(given)}}}\n'
    for name, instance in sorted((service.get("vrrpInstances") or {}).items()):
        text += f"vrrp_instance {name} {{\n{_instance(instance)}}}\n"
    return text


def _lines(given: dict[str, Any]) -> str:
    return "".join(f"  {name} {value}\n" for name, value in given.items())


def _items(items: list[str]) -> str:
    return "".join(f"    {item}\n" for item in items)


def _instance(instance: dict[str, Any]) -> str:
    given = {
        "interface": instance["interface"],
        "state": instance.get("state", "BACKUP"),
        "virtual_router_id": instance["virtualRouterId"],
        "priority": instance.get("priority", 100),
    }
    if instance.get("unicastSrcIp"):
        given["unicast_src_ip"] = instance["unicastSrcIp"]
    blocks = {
        "unicast_peer": instance.get("unicastPeers") or [],
        "virtual_ipaddress": [one["addr"] for one in instance.get("virtualIps") or ()],
        "track_script": instance.get("trackScripts") or [],
    }
    filled = (f"  {name} {{\n{_items(items)}  }}\n" for name, items in blocks.items() if items)
    return _lines(given) + "".join(filled)
