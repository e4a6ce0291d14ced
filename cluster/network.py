"""Hosts on one machine: network namespaces joined by a bridge, or, where those are refused, loopback behind relays.

A host that is cut off keeps running; nothing reaches it and nothing leaves it, and nobody is told (no reset, no refusal).
"""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod

from cluster.relays import Relays

PREFIX = "fhc"
SUBNET = "10.77.0"


class Network(ABC):
    """Where the hosts are. Hosts are named; a host's address is what others reach it by."""

    name: str

    @abstractmethod
    def host(self, name: str) -> str:
        """Make a host; the address that its programs listen on."""

    @abstractmethod
    def wrap(self, host: str) -> tuple[str, ...]:
        """What begins a command that runs on the host."""

    @abstractmethod
    def way(self, source: str, target: str, address: str, port: int) -> tuple[str, int]:
        """By what address and port `source` (a host, or "" for us) reaches `address`:`port` of `target`."""

    @abstractmethod
    def cut(self, host: str) -> None: ...

    @abstractmethod
    def restore(self, host: str) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class Namespaces(Network):
    """One network namespace per host, a veth pair each, a bridge between them. Needs root and iproute2."""

    name = "network namespaces"

    def __init__(self) -> None:
        self._hosts: list[str] = []
        self._bridge = f"{PREFIX}-br"
        self.close()  # what a run that was killed has left
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{SUBNET}.1/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def host(self, name: str) -> str:
        space, inside = f"{PREFIX}-{name}", f"{PREFIX}-{name}-i"
        address = f"{SUBNET}.{10 + len(self._hosts)}"
        _ip("netns", "add", space)
        self._hosts.append(name)
        _ip("link", "add", space, "type", "veth", "peer", "name", inside, "netns", space)
        _ip("link", "set", space, "master", self._bridge, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", inside)
        _ip("-n", space, "link", "set", inside, "up")
        _ip("-n", space, "link", "set", "lo", "up")
        return address

    def wrap(self, host: str) -> tuple[str, ...]:
        # Not `ip netns exec`: that mounts another /sys, without the cgroups that functions are limited by.
        return ("nsenter", f"--net=/run/netns/{PREFIX}-{host}")

    def way(self, source: str, target: str, address: str, port: int) -> tuple[str, int]:
        return address, port

    def cut(self, host: str) -> None:
        """Its end of the cable is pulled at the switch."""
        _ip("link", "set", f"{PREFIX}-{host}", "down")

    def restore(self, host: str) -> None:
        _ip("link", "set", f"{PREFIX}-{host}", "up")

    def close(self) -> None:
        for line in _said("netns", "list").splitlines():
            name = line.split()[0] if line.split() else ""
            if name.startswith(f"{PREFIX}-"):
                _ip("netns", "del", name)
        if self._bridge in _said("-br", "link"):
            _ip("link", "del", self._bridge)


class Loopback(Network):
    """All on 127.0.0.1; each way between two hosts goes through a relay that can fall silent."""

    name = "loopback with relays (no rights to network namespaces)"

    def __init__(self) -> None:
        self._relays = Relays()

    def host(self, name: str) -> str:
        return "127.0.0.1"

    def wrap(self, host: str) -> tuple[str, ...]:
        return ()

    def way(self, source: str, target: str, address: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", self._relays.between(source, target, port)

    def cut(self, host: str) -> None:
        self._relays.silence(host)

    def restore(self, host: str) -> None:
        self._relays.resume(host)

    def close(self) -> None:
        self._relays.close()


class Unbroken(Loopback):
    """All on 127.0.0.1, with nothing in between: hosts die, but are never cut off."""

    name = "loopback"

    def way(self, source: str, target: str, address: str, port: int) -> tuple[str, int]:
        return address, port


def why_no_namespaces() -> str:
    """Why namespaces cannot be used here; empty: they can."""
    if os.geteuid() != 0:
        return "not root"
    try:
        _ip("netns", "add", f"{PREFIX}-probe")
        _ip("link", "add", f"{PREFIX}-probe", "type", "bridge")
        _ip("link", "del", f"{PREFIX}-probe")
        _ip("netns", "del", f"{PREFIX}-probe")
    except FileNotFoundError:
        return "no `ip`: apt-get install iproute2"
    except subprocess.CalledProcessError as problem:
        return f"`{' '.join(problem.cmd)}` is refused: {problem.stderr.strip()}"
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


def _said(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20).stdout
