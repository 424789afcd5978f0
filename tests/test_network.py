"""The suite runs without a network: what asks for one is refused."""

from __future__ import annotations

import socket

import pytest

from network import NetworkError


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
def test_other_machines_are_not_asked(host):
    with pytest.raises(NetworkError):
        socket.create_connection((host, 80), timeout=0.1)
    with socket.socket() as opened, pytest.raises(NetworkError):
        opened.connect(("192.0.2.1", 80))


def test_this_machine_may_be_asked():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client:
            assert client.getpeername() == server.getsockname()
