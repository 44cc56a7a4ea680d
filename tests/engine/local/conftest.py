"""One local provider for all tests that leave it as they found it, and fresh ones for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_server import Server


@pytest.fixture(scope="session")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server over a Unix socket, shared by the session."""
    server = Server(tmp_path_factory.mktemp("local")).start()
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers (by default on one and the same fresh folder); they are stopped at the end."""
    started: list[Server] = []

    def start(*arguments: str, folder: Path = tmp_path / "served") -> Server:
        started.append(Server(folder, arguments).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()
