"""`networking.firewall` and `networking.nftables` -> the ruleset that nftables.service loads.

After nixos/modules/services/networking/{firewall,firewall-nftables,nftables}.nix. The loopback interface is
trusted, echo requests are answered, the reverse path is filtered strictly: as the module does by itself.
Left out: rules that only write to the log, and ranges of ports.
"""

from __future__ import annotations

from typing import Any

from tests.support.nixos_rendering.configs import Config, option

_RPFILTER = """\
chain rpfilter {
  type filter hook prerouting priority mangle + 10; policy drop;
  meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept comment "DHCPv4 client/server"
  fib saddr . mark %s oif exists accept
  jump rpfilter-allow
}
chain rpfilter-allow {
%s
}
"""
_INPUT = """\
chain input {
  type filter hook input priority filter; policy drop;
  iifname { %s } accept comment "trusted interfaces"
  ct state vmap {
    invalid : drop,
    established : accept,
    related : accept,
    new : jump input-allow,
    untracked: jump input-allow,
  }
%s}
chain input-allow {
%s
  meta l4proto . th dport @temp-ports accept
%s  icmpv6 type != { nd-redirect, 139 } accept comment "all but redirects and node information queries"
  ip6 daddr fe80::/64 udp dport 546 accept comment "DHCPv6 client"
%s
}
"""
_REJECT = "  meta l4proto tcp reject with tcp reset\n  reject\n"
_FORWARD = """\
chain forward {
  type filter hook forward priority filter; policy drop;
  ct state vmap {
    invalid : drop,
    established : accept,
    related : accept,
    new : jump forward-allow,
    untracked : jump forward-allow,
  }
}
chain forward-allow {
  icmpv6 type != { router-renumbering, 139 } accept comment "all but renumbering"
  ct status dnat accept comment "allow port forward"
%s
}
"""
_TEMPORARY = """\
set temp-ports {
  comment "Temporarily opened ports"
  type inet_proto . inet_service
  flags interval
  auto-merge
}
"""


def nftables_ruleset(config: Config) -> str | None:
    """The ruleset of a host, or None where it has no nftables."""
    nftables = option(config, "networking", "nftables", default={})
    if not nftables.get("enable"):
        return None
    tables = dict(nftables.get("tables") or {})
    firewall = option(config, "networking", "firewall", default={})
    if firewall.get("enable", True):
        tables["nixos-fw"] = {"family": "inet", "content": _firewall(firewall)}
    return "\n".join(_table(name, tables[name]) for name in sorted(tables)) + (nftables.get("ruleset") or "")


def _table(name: str, table: dict[str, Any]) -> str:
    head = f"table {table['family']} {table.get('name') or name}"
    return f"{head}\ndelete {head}\n{head} {{\n{table['content']}\n}}\n"


def _firewall(firewall: dict[str, Any]) -> str:
    reverse_path = firewall.get("checkReversePath", True)
    chains = [_TEMPORARY]
    if reverse_path is not False:
        allowed = firewall.get("extraReversePathFilterRules", "")
        chains.append(_RPFILTER % ("" if reverse_path == "loose" else ". iif", allowed))
    trusted = sorted({"lo", *(firewall.get("trustedInterfaces") or ())})
    ping = 'icmp type echo-request accept comment "allow ping"'
    limit = firewall.get("pingLimit")
    if limit is not None:
        ping = ping.replace(" accept", f" limit rate {limit} accept")
    chains.append(
        _INPUT
        % (
            ", ".join(f'"{name}"' for name in trusted),
            _REJECT if firewall.get("rejectPackets") else "",
            "\n".join(_open_ports(firewall)),
            f"  {ping}\n" if firewall.get("allowPing", True) else "",
            firewall.get("extraInputRules", ""),
        )
    )
    if firewall.get("filterForward"):
        chains.append(_FORWARD % firewall.get("extraForwardRules", ""))
    return "\n".join(chains)


def _open_ports(firewall: dict[str, Any]) -> list[str]:
    interfaces = {"default": firewall, **(firewall.get("interfaces") or {})}
    lines = []
    for name in sorted(interfaces):
        where = "" if name == "default" else f"iifname {name} "
        for protocol in ("TCP", "UDP"):
            ports = interfaces[name].get(f"allowed{protocol}Ports") or []
            if ports:
                numbers = ", ".join(map(str, sorted(set(ports))))
                lines.append(f"  {where}{protocol.lower()} dport {{ {numbers} }} accept")
    return lines
