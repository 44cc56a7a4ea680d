from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from faulty_provider import FaultyProvider

from engine.archive import Studio, open_studio
from engine.providers import Connection, connect, local_process, provider


@pytest.fixture(scope="session")
def local_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a real local provider that these tests share."""
    folder = tmp_path_factory.mktemp("local")
    yield folder
    asyncio.run(local_process.stop(folder))


@pytest.fixture
async def local(local_folder: Path) -> AsyncIterator[Connection]:
    async with await connect(provider("local"), local_folder) as connection:
        yield connection


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyProvider]:
    server = FaultyProvider()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def remote(faulty: FaultyProvider, tmp_path: Path) -> AsyncIterator[Connection]:
    """A connection to `faulty` that waits for a second at most."""
    chosen = provider("custom", base_url=faulty.url)
    async with await connect(chosen, tmp_path, patience=1.0) as connection:
        faulty.requests.clear()
        yield connection


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with await open_studio(tmp_path / "studio.db") as studio:
        yield studio
