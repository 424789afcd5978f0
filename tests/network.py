"""No network: what a process asks of another machine is refused, by Python's audit events."""

from __future__ import annotations

from typing import Any

LOCAL = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104 - no server is opened here


class NetworkError(Exception):
    """Something asks another machine."""


def refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Raise NetworkError for an event that leaves this machine; sockets by path stay."""
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if host and not str(host).startswith(LOCAL):
        raise NetworkError(f"{event} {host}")
