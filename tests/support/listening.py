"""Find the listening sockets of a process and of all processes that it started."""

import socket
from contextlib import suppress
from ipaddress import ip_address

import psutil


def is_loopback(address):
    """Return True for a loopback address, also for IPv4 written as IPv6, as gRPC does."""
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def family(root, mark):
    """Return a process, its descendants, and all processes with ``mark`` in their environment.

    The mark finds processes that no longer are descendants.
    """
    found = {root.pid: root}
    with suppress(psutil.NoSuchProcess):
        found |= {one.pid: one for one in root.children(recursive=True)}
    for one in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if mark in one.environ().values():
                found[one.pid] = one
    return list(found.values())


def listening(root, mark):
    """Return (address, process name, port) of all listening TCP and unconnected UDP sockets."""
    found = set()
    for process in family(root, mark):
        with suppress(psutil.NoSuchProcess):
            name = process.name()
            for one in process.net_connections(kind="inet"):
                is_waiting = one.type == socket.SOCK_DGRAM and not one.raddr
                if one.status == psutil.CONN_LISTEN or (is_waiting and one.laddr):
                    found.add((one.laddr.ip, name, one.laddr.port))
    return found
