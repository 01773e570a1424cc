"""What a ruleset does with a packet: an evaluator of the JSON in which nft lists what the kernel holds.

It knows nothing of the graph or of what generated the rules. An expression it does not know is an error, so
that no rule passes unseen. It judges the first packet of a connection: state `new`, from an address that is
not spoofed.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

Rules = list[dict[str, Any]]
_VERDICTS = ("accept", "drop", "jump", "goto", "return")
_SAYS_NOTHING = ("counter", "log", "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a connection, as it comes in."""

    source: str
    destination: str
    protocol: str
    port: int
    interface: str = "eth0"
    asked_port: int | None = None
    """The port before a redirection; None: there was none."""


@dataclass(frozen=True, kw_only=True)
class Ruleset:
    """What the kernel of one host holds."""

    items: Rules
    """As `nft -j list ruleset` prints it."""
    addresses: frozenset[str]
    """The host's own."""

    def reached(self, packet: Packet) -> list[tuple[str, int]]:
        """Every address and port at which the connection may arrive; none if it is refused."""
        if not self._passes("filter", "prerouting", packet):
            return []
        found = []
        for one in self._translated(packet):
            here = one.destination in self.addresses
            if self._passes("filter", "input" if here else "forward", one):
                found.append((one.destination, one.port))
        return found

    def _translated(self, packet: Packet) -> list[Packet]:
        for chain in self._base_chains("nat", "prerouting"):
            for rule in self._rules(chain):
                if not _matches(rule["expr"], packet, self):
                    continue
                for expression in rule["expr"]:
                    if "redirect" in expression:
                        port = expression["redirect"]["port"]
                        return [replace(packet, port=port, asked_port=packet.port)]
                    if "dnat" in expression:
                        assert "port" not in expression["dnat"], "no rule of ours changes address and port"
                        return [
                            replace(packet, destination=address, asked_port=packet.port)
                            for address in _addresses(expression["dnat"]["addr"])
                        ]
        return [packet]

    def _passes(self, kind: str, hook: str, packet: Packet) -> bool:
        """Whether every base chain of a hook lets it through: one drop is final."""
        return all(
            (self._verdict(chain, packet) or chain.get("policy", "accept")) == "accept"
            for chain in self._base_chains(kind, hook)
        )

    def _base_chains(self, kind: str, hook: str) -> Rules:
        return self._chains.get((kind, hook), [])

    @cached_property
    def _chains(self) -> dict[tuple[str, str], Rules]:
        """Chains by what calls them, in the order in which they are called."""
        found: dict[tuple[str, str], Rules] = {}
        for chain in sorted(
            (item["chain"] for item in self.items if "hook" in item.get("chain", {})),
            key=lambda chain: int(chain["prio"]),
        ):
            found.setdefault((chain["type"], chain["hook"]), []).append(chain)
        return found

    @cached_property
    def _rules_by_chain(self) -> dict[tuple[str, str], Rules]:
        found: dict[tuple[str, str], Rules] = {}
        for item in self.items:
            if "rule" in item:
                found.setdefault((item["rule"]["table"], item["rule"]["chain"]), []).append(item["rule"])
        return found

    def _rules(self, chain: dict[str, Any]) -> Rules:
        return self._rules_by_chain.get((chain["table"], chain["name"]), [])

    def _verdict(self, chain: dict[str, Any], packet: Packet) -> str | None:
        for rule in self._rules(chain):
            if not _matches(rule["expr"], packet, self):
                continue
            for expression in rule["expr"]:
                said = _said(expression, packet, self)
                if said is None:
                    continue
                word, target = said
                if word in {"jump", "goto"}:
                    word = self._verdict({"table": chain["table"], "name": target}, packet) or "continue"
                if word in {"accept", "drop", "return"}:
                    return None if word == "return" else word
        return None


def _said(expression: dict[str, Any], packet: Packet, ruleset: Ruleset) -> tuple[str, str] | None:
    (name, body), *_ = expression.items()
    if name == "vmap":
        value = _value(body["key"], packet, ruleset)
        chosen = next((verdict for key, verdict in body["data"]["set"] if key == value), None)
        return None if chosen is None else _said(chosen, packet, ruleset)
    if name in {"jump", "goto"}:
        return name, body["target"]
    if name == "reject":
        return "drop", ""
    return (name, "") if name in _VERDICTS else None


def _matches(expressions: Rules, packet: Packet, ruleset: Ruleset) -> bool:
    for expression in expressions:
        (name, body), *_ = expression.items()
        if name == "match":
            if not _match(body, packet, ruleset):
                return False
        else:
            known = (*_VERDICTS, *_SAYS_NOTHING, "vmap", "redirect", "dnat", "reject")
            assert name in known, f"an expression this evaluator does not know: {expression}"
    return True


def _match(body: dict[str, Any], packet: Packet, ruleset: Ruleset) -> bool:
    value = _value(body["left"], packet, ruleset)
    if value is None:
        return False
    right = body["right"]
    if isinstance(right, str) and right.startswith("@"):
        elements = [
            item["set"].get("elem", [])
            for item in ruleset.items
            if "set" in item and item["set"]["name"] == right[1:]
        ]
        right = {"set": [one for several in elements for one in several]}
    found = _among(value, right)
    assert body["op"] in {"==", "in", "!="}, f"an operator this evaluator does not know: {body}"
    return found is (body["op"] != "!=")


def _among(value: Any, right: Any) -> bool:
    if isinstance(right, list):
        return any(_among(value, one) for one in right)
    if not isinstance(right, dict):
        return bool(value == right)
    if "set" in right:
        return any(_among(value, one) for one in right["set"])
    if "prefix" in right:
        network = f"{right['prefix']['addr']}/{right['prefix']['len']}"
        return ipaddress.ip_address(value) in ipaddress.ip_network(network)
    if "range" in right:
        low, high = right["range"]
        return bool(low <= value <= high)
    if "concat" in right:
        return bool(value == right["concat"])
    raise AssertionError(f"a value this evaluator does not know: {right}")


def _value(left: dict[str, Any], packet: Packet, ruleset: Ruleset) -> Any:
    """What an expression reads from a packet; None where the packet has no such thing."""
    (kind, body), *_ = left.items()
    match kind:
        case "concat":
            parts = [_value(one, packet, ruleset) for one in body]
            return None if None in parts else parts
        case "meta":
            version = ipaddress.ip_address(packet.source).version
            facts = {
                "iifname": packet.interface,
                "l4proto": packet.protocol,
                "nfproto": {4: "ipv4", 6: "ipv6"}[version],
            }
            return facts[body["key"]]
        case "payload":
            return _payload(body, packet)
        case "ct":
            redirected = packet.asked_port is not None
            asked = packet.port if packet.asked_port is None else packet.asked_port
            known = {"state": "new", "status": "dnat" if redirected else "none", "proto-dst": asked}
            return known[body["key"]]
        case "fib":
            if body["result"] == "type":
                return "local" if packet.destination in ruleset.addresses else "unicast"
            assert (body["result"], body["flags"][0]) == ("oif", "saddr"), left
            return True
        case _:
            raise AssertionError(f"an expression this evaluator does not know: {left}")


def _payload(body: dict[str, Any], packet: Packet) -> Any:
    protocol, field = body["protocol"], body["field"]
    if protocol in {"ip", "ip6"}:
        version = ipaddress.ip_address(packet.source).version
        if version != {"ip": 4, "ip6": 6}[protocol]:
            return None
        return {"saddr": packet.source, "daddr": packet.destination}[field]
    if protocol in {packet.protocol, "th"}:
        # Nobody's own port is known before it connects.
        return {"dport": packet.port, "sport": 0}[field]
    assert protocol in {"tcp", "udp", "icmp", "icmpv6"}, f"a header this evaluator does not know: {body}"
    return None


def _addresses(goal: Any) -> list[str]:
    """Where a redirection may lead: one address, or every value of the map that spreads connections."""
    if isinstance(goal, str):
        return [goal]
    assert "numgen" in goal["map"]["key"], goal
    return [address for _, address in goal["map"]["data"]["set"]]
