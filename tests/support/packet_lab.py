"""A network of machines on one wire, each in a network namespace of its own, through which real packets go.

Run as a program inside a fresh namespace: it reads what to build and whom to let connect (JSON, `Lab`), and
prints for each connection where it arrived. A machine has addresses, a ruleset, and containers behind a
bridge. On every address and port of interest something answers with the address and port it has.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
_BATCH_COUNT = 150
_DEADLINE_S = 1.0
"""For what is dropped without an answer; what the input chain refuses is told at once."""
_QUIET = (
    "net/ipv4/icmp_ratemask=0",
    "net/ipv4/ip_forward=1",
    "net/ipv4/ip_nonlocal_bind=0",
    "net/ipv6/icmp/ratelimit=0",
)
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One host."""

    addresses: list[str]
    ruleset: str = ""
    bridge: str = ""
    gateway: str = ""
    """Of the containers' network, whose first 16 bits they share."""
    containers: list[str] = field(default_factory=list)
    routes: dict[str, str] = field(default_factory=dict)
    """Address -> the machine's neighbour through which it tries to reach it."""


class Lab:
    """The namespaces; this process walks from one to the other, and sockets stay where they were opened."""

    def __init__(self, nft: str, ip: str, machines: dict[str, Machine], ports: list[list[Any]]) -> None:
        self._nft, self._ip = nft, ip
        self._machines = machines
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._spaces: dict[str, int] = {}
        self._listeners = selectors.DefaultSelector()
        self._run("link", "add", "wire", "type", "bridge")
        self._run("link", "set", "wire", "up")
        for index, (name, machine) in enumerate(machines.items()):
            self._build(index, name, machine, ports)
        threading.Thread(target=self._answer, daemon=True).start()

    def _run(self, *words: str) -> None:
        subprocess.run([self._ip, *words], check=True)

    def _new_space(self, name: str) -> str:
        if _LIBC.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self._spaces[name] = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._run("link", "set", "lo", "up")
        for setting in _QUIET:
            path, _, value = setting.partition("=")
            Path(f"/proc/sys/{path}").write_text(value, encoding="ascii")
        self._enter(self._home)
        return f"/proc/{os.getpid()}/fd/{self._spaces[name]}"

    def _enter(self, space: int) -> None:
        if _LIBC.setns(space, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    @contextlib.contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        self._enter(self._spaces[name])
        try:
            yield
        finally:
            self._enter(self._home)

    def _build(self, index: int, name: str, machine: Machine, ports: list[list[Any]]) -> None:
        space = self._new_space(name)
        self._run("link", "add", f"wire{index}", "type", "veth", "peer", "name", "eth0", "netns", space)
        self._run("link", "set", f"wire{index}", "master", "wire", "up")
        with self._inside(name):
            self._run("link", "set", "eth0", "up")
            for address in machine.addresses:
                prefix = f"{address}/64" if ":" in address else f"{address}/8"
                extra = ["nodad"] if ":" in address else []
                self._run("address", "add", prefix, "dev", "eth0", *extra)
            self._run("route", "add", "default", "dev", "eth0")
            self._run("-6", "route", "add", "default", "dev", "eth0")
            for goal, neighbour in machine.routes.items():
                self._run("route", "add", f"{goal}/32", "via", neighbour, "dev", "eth0", "onlink")
        if machine.containers:
            self._build_containers(name, machine, ports)
        with self._inside(name):
            subprocess.run([self._nft, "--file", "-"], input=machine.ruleset, text=True, check=True)
            self._listen([*machine.addresses, *([machine.gateway] if machine.containers else [])], ports)

    def _build_containers(self, name: str, machine: Machine, ports: list[list[Any]]) -> None:
        inside = f"containers of {name}"
        space = self._new_space(inside)
        with self._inside(name):
            self._run("link", "add", machine.bridge, "type", "veth", "peer", "name", "eth0", "netns", space)
            self._run("address", "add", f"{machine.gateway}/16", "dev", machine.bridge)
            self._run("link", "set", machine.bridge, "up")
        with self._inside(inside):
            self._run("link", "set", "eth0", "up")
            for address in machine.containers:
                self._run("address", "add", f"{address}/16", "dev", "eth0")
            self._run("route", "add", "default", "via", machine.gateway)
            self._listen(machine.containers, ports)

    def _listen(self, addresses: list[str], ports: list[list[Any]]) -> None:
        for address in addresses:
            for port, protocol in ports:
                one = _socket(address, protocol)
                one.bind((address, port))
                if protocol == "tcp":
                    one.listen(64)
                self._listeners.register(one, selectors.EVENT_READ, json.dumps([address, port]).encode())

    def _answer(self) -> None:
        while True:
            for key, _ in self._listeners.select():
                one = key.fileobj
                assert isinstance(one, socket.socket)
                with contextlib.suppress(OSError):
                    if one.type == socket.SOCK_STREAM:
                        client, _ = one.accept()
                        client.sendall(key.data)
                        client.close()
                    else:
                        _, client_address = one.recvfrom(16)
                        one.sendto(key.data, client_address)

    def arrivals(self, probes: list[list[Any]]) -> list[Any]:
        """Where each probe (space, source, goal, protocol, port) arrives: [address, port] or None."""
        found: list[Any] = []
        for start in range(0, len(probes), _BATCH_COUNT):
            found += self._batch(probes[start : start + _BATCH_COUNT])
        return found

    def _batch(self, probes: list[list[Any]]) -> list[Any]:
        found: list[Any] = [None] * len(probes)
        waiting = selectors.DefaultSelector()
        for index, (space, source, goal, protocol, port) in enumerate(probes):
            with self._inside(space):
                one = _socket(source, protocol)
                one.bind((source, 0))
                # What is refused at once raises; what answers later is read below.
                with contextlib.suppress(OSError):
                    one.connect_ex((goal, port))
                    if protocol == "udp":
                        one.send(b"?")
                waiting.register(one, selectors.EVENT_READ, index)
        until = time.monotonic() + _DEADLINE_S
        while waiting.get_map() and time.monotonic() < until:
            for key, _ in waiting.select(timeout=0.1):
                probe = key.fileobj
                assert isinstance(probe, socket.socket)
                with contextlib.suppress(OSError):
                    said = probe.recv(256)
                    found[key.data] = json.loads(said) if said else None
                waiting.unregister(probe)
                probe.close()
        for key in list(waiting.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        return found


def _socket(address: str, protocol: str) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, _KINDS[protocol])
    one.setblocking(False)
    return one


def main() -> None:
    """Read what to build from standard input, and print the arrivals."""
    given = json.load(sys.stdin)
    machines = {name: Machine(**machine) for name, machine in given["machines"].items()}
    lab = Lab(given["nft"], given["ip"], machines, given["ports"])
    json.dump(lab.arrivals(given["probes"]), sys.stdout)


if __name__ == "__main__":
    main()
