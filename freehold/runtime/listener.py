"""The Runtime API as an address, for runtimes that bring their own client: a loopback port per instance.

Every connection is checked when it is accepted: the peer's socket must belong to the instance, by its host user, or,
where instances have no users of their own, by the socket's inode among the instance's descriptors.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

from freehold.runtime import process_tree
from freehold.runtime.api import Connection

if TYPE_CHECKING:
    from freehold.runtime.instance import Instance

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST = 4, 20, 1
_HEADER = struct.Struct("=IHHII")
_ANSWER_IDS = struct.Struct("=II")
_IDS_OFFSET = _HEADER.size + 4 + 48 + 12


class _CheckedConnection(Connection):
    """A connection over the network of the host."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not _belongs(self._instance, peer[1], own[1]):
            cast(asyncio.Transport, transport).abort()
            return
        super().connection_made(transport)
        self._instance.adopt(self)


async def listen(instance: Instance) -> tuple[asyncio.Server, str]:
    """A server for one instance and its address, `127.0.0.1:port`."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _CheckedConnection(instance), "127.0.0.1", 0)
    return server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _belongs(instance: Instance, peer_port: int, own_port: int) -> bool:
    owner = _owner(peer_port, own_port)
    if owner is None:
        return False
    uid, inode = owner
    if instance.crew.launcher.own_users:
        return uid == instance.uid
    return inode in process_tree.sockets(instance.pid)


def _owner(peer_port: int, own_port: int) -> tuple[int, int] | None:
    """User and inode of the loopback socket from `peer_port` to `own_port`."""
    try:
        return _owner_by_netlink(peer_port, own_port)
    except OSError:
        return _owner_by_table(peer_port, own_port)


def _owner_by_netlink(peer_port: int, own_port: int) -> tuple[int, int]:
    loopback = socket.inet_aton("127.0.0.1") + bytes(12)
    identity = struct.pack("!HH", peer_port, own_port) + loopback + loopback + struct.pack("=I", 0) + b"\xff" * 8
    body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + identity
    message = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(message, (0, 0))
        answer = netlink.recv(4096)
    _length, kind, *_rest = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        raise OSError("no such socket")
    uid, inode = _ANSWER_IDS.unpack_from(answer, _IDS_OFFSET)
    return uid, inode


def _owner_by_table(peer_port: int, own_port: int) -> tuple[int, int] | None:
    wanted = (f"0100007F:{peer_port:04X}", f"0100007F:{own_port:04X}")
    with open("/proc/net/tcp") as table:
        for line in table:
            words = line.split()
            if (words[1], words[2]) == wanted:
                return int(words[7]), int(words[9])
    return None
