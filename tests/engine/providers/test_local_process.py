"""The real local server's process: started once, found again, replaced, and never in the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

import engine
from engine.errors import StudioError
from engine.providers import local_process
from engine.providers.local_process import Endpoint, find, start, stop


@pytest.fixture
async def folder(tmp_path: Path):
    folder = tmp_path / "local"
    yield folder
    await stop(folder)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)


def _content(path: Path) -> bytes:
    """Empty where the system has no such file (macOS has no /proc)."""
    return path.read_bytes() if path.exists() else b""


async def test_it_is_started_found_again_and_stopped(folder: Path) -> None:
    assert await find(folder) is None
    assert not await stop(folder)
    started = await start(folder)
    assert await start(folder) == started == await find(folder)
    assert os.getsid(started.pid) == started.pid != os.getsid(0), "it would die with our terminal"
    assert await stop(folder)
    assert await find(folder) is None
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


async def test_its_folder_and_files_are_private(folder: Path) -> None:
    await start(folder)
    assert _mode(folder) == 0o700
    for name in ("server.json", "server.log"):
        assert _mode(folder / name) == 0o600


async def test_two_starters_get_the_same_server(folder: Path) -> None:
    first, second = await asyncio.gather(start(folder), start(folder))
    assert first == second


async def test_two_starters_in_two_processes_get_the_same_server(folder: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from engine.providers.local_process import start\n"
        "print(asyncio.run(start(pathlib.Path(sys.argv[1]))).pid)\n"
    )
    starters = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(folder), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [(await starter.communicate())[0] for starter in starters]
    found = await find(folder)
    assert found is not None, "it outlives who started it"
    assert said == [f"{found.pid}\n".encode()] * 2


async def test_a_killed_servers_traces_do_not_mislead(folder: Path) -> None:
    killed = await start(folder)
    os.kill(killed.pid, signal.SIGKILL)
    while await find(folder):
        pass
    assert _content(folder / "server.json")
    again = await start(folder)
    assert again.pid != killed.pid
    assert again.token != killed.token


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b'{"pid":1,"token":"t","version":"1"}'])
async def test_a_broken_server_json_counts_as_none(folder: Path, content: bytes) -> None:
    _write(folder / "server.json", content)
    assert await find(folder) is None
    assert (await start(folder)).pid


async def test_an_idle_server_of_another_version_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await start(folder)
    monkeypatch.setattr(engine, "__version__", "99.0")
    new = await start(folder)
    assert new.pid != old.pid
    monkeypatch.undo()
    assert await start(folder) == new


async def test_no_secret_of_ours_reaches_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "UNDERSTUDY_API_KEY", "HF_TOKEN", "DB_PASSWORD", "LANGSMITH_PROJECT"):
        monkeypatch.setenv(name, "do-not-pass-on")
    monkeypatch.setenv("LC_TEST", "pass-on")
    kept = local_process._environment(os.environ)
    assert "do-not-pass-on" not in kept.values()
    assert kept["LC_TEST"] == "pass-on"
    assert kept["PATH"] == os.environ["PATH"]
    endpoint = await start(folder)
    for name in ("environ", "cmdline"):
        shown = _content(Path(f"/proc/{endpoint.pid}/{name}"))
        assert b"do-not-pass-on" not in shown
        assert endpoint.token.encode() not in shown


async def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    _write(folder / "jobs", b"in the way")
    with pytest.raises(StudioError, match=r"could not start: .*File exists") as refused:
        await start(folder)
    assert "server.log" in refused.value.hint


def test_an_endpoints_repr_hides_its_token() -> None:
    endpoint = Endpoint(pid=1, token="t0ken", version="1", socket="/s")
    assert "t0ken" not in repr(endpoint)
    assert json.loads(json.dumps(repr(endpoint)))
    assert Endpoint(pid=1, token="t", version="1", host="h", port=2).base_url == "http://h:2/v1"
