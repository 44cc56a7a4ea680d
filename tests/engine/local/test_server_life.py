"""The server as a process: its lock, its socket, its start and its ends."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from local_server import TOKEN, Server, training_file, wait_for

ENDLESS = Path(__file__).parents[2] / "fixtures" / "endless_model.py"
MODEL = "ft:endless::00000000"
HELLO = [{"role": "user", "content": "hi"}]


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    command = [sys.executable, "-m", "engine.local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_server_json_says_where_it_is(start_server: Callable[..., Server]) -> None:
    server = start_server()
    at = server.endpoint()
    assert at.keys() == {"pid", "socket", "token", "version", "started_at"}
    assert (at["pid"], at["token"]) == (server.process.pid, TOKEN)
    assert at["socket"] == str(server.folder / "s")
    assert (mode(server.folder), mode(server.folder / "server.json"), mode(server.folder / "s")) == (
        0o700,
        0o600,
        0o600,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start_server: Callable[..., Server], number: int) -> None:
    server = start_server()
    assert server.stop(number) == 0
    assert not (server.folder / "server.json").exists()
    assert not (server.folder / "s").exists()
    assert (server.folder / "server.log").read_text() == ""
    assert server.process.stderr is not None
    assert server.process.stderr.read() == b""


def test_shutdown_by_request(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.raw() as http:
        assert http.post("/shutdown").json() == {"status": "stopping"}
    assert server.process.wait(timeout=30) == 0
    assert not (server.folder / "server.json").exists()
    assert start_server().endpoint()["pid"] != server.process.pid


def test_a_hang_up_does_not_end_it(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGHUP)
    with server.raw() as http:
        assert http.get("/healthz").json()["pid"] == server.process.pid


def test_a_token_is_made_where_none_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    environment = {key: value for key, value in os.environ.items() if key != "UNDERSTUDY_LOCAL_TOKEN"}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.local", "--folder", str(folder)], env=environment
    )
    server = Server(folder)
    server.process = process
    try:
        wait_for(lambda: server.endpoint())
        token = server.endpoint()["token"]
        assert len(token) >= 32
        with server.raw(token) as http:
            assert http.get("/healthz").status_code == 200
    finally:
        server.stop()


def test_two_servers_never_share_a_folder(start_server: Callable[..., Server]) -> None:
    server = start_server()
    second = serve("--folder", str(server.folder))
    assert second.returncode == 2
    assert second.stderr == (
        f"A local provider already serves {server.folder}. "
        "Use that one, or stop it first (`understudy local stop`).\n"
    )
    with server.raw() as http:
        assert http.get("/healthz").json()["pid"] == server.process.pid


def test_a_server_waits_for_one_that_is_ending(start_server: Callable[..., Server]) -> None:
    server = start_server()
    (server.folder / "server.json").unlink()
    second = subprocess.Popen([sys.executable, "-m", "engine.local", "--folder", str(server.folder)])
    server.stop()
    wait_for(lambda: server.endpoint().get("pid") == second.pid)
    second.terminate()
    assert second.wait(timeout=30) == 0


def test_what_a_killed_server_left_is_replaced(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.kill()
    assert server.endpoint()
    assert (server.folder / "s").exists()
    second = start_server()
    assert second.endpoint()["pid"] == second.process.pid
    with second.client() as client:
        assert client.models.list().data


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = serve("--folder", str(tmp_path / "served"), "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"127.0.0.1:{port} is in use by another program. Choose another --port, or 0 for any.\n"
    )
    assert not (tmp_path / "served" / "server.json").exists()


@pytest.mark.parametrize("arguments", [("--host", "no.such.host.invalid"), ("--port", "99999")])
def test_an_address_that_cannot_be(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = serve("--folder", str(tmp_path / "served"), *arguments)
    assert ended.returncode == 2
    assert "cannot be listened on" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = serve("--folder", str(tmp_path / "file" / "served"))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_a_long_path_gets_a_short_private_socket(
    start_server: Callable[..., Server], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = start_server(folder=tmp_path / ("long" * 30))
    path = Path(server.endpoint()["socket"])
    assert len(str(path)) < 100
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    with server.client() as client:
        assert client.models.list().data
    assert server.stop() == 0
    assert not path.parent.exists()


def test_it_ends_when_nobody_needs_it(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    code = "import sys, pathlib, engine.local.serve as s; s.run(pathlib.Path(sys.argv[1]), idle_seconds=0.3)"
    ended = subprocess.run([sys.executable, "-c", code, str(folder)], timeout=30, check=False)
    assert ended.returncode == 0
    assert not (folder / "server.json").exists()


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, engine.local.serve;"
        "print(sorted({'numpy', 'tiktoken', 'openai', 'textual', 'torch'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_private_text_is_in_no_log(start_server: Callable[..., Server]) -> None:
    server = start_server()
    secret = "the lettuce is under the third stone"
    with server.client() as client:
        content = training_file(11).replace(b"the old oak", secret.encode()) + b'{"messages": 5}\n'
        file = client.files.create(file=("a.jsonl", content), purpose="fine-tune")
        client.fine_tuning.jobs.create(model="imitation", training_file=file.id)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=secret, messages=[{"role": secret, "content": secret}])
        (server.folder / "files" / f"{file.id}.data").unlink()
        with pytest.raises(openai.APIError):
            client.files.content(file.id).read()
    server.stop()
    log = (server.folder / "server.log").read_text()
    assert "RuntimeError" in log
    for path in server.folder.rglob("*"):
        if path.is_file() and path.suffix != ".data":
            assert secret not in path.read_text(), path


# --- replies under way -----------------------------------------------------------------------------


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Server]:
    """A server whose model talks until it is stopped."""
    server = Server(tmp_path / "served")
    environment = {**os.environ, "UNDERSTUDY_LOCAL_TOKEN": TOKEN}
    server.process = subprocess.Popen([sys.executable, str(ENDLESS), str(server.folder)], env=environment)
    wait_for(lambda: server.endpoint())
    yield server
    server.stop()


def talking(server: Server) -> str:
    return (server.folder / "talking").read_text()


def test_closing_a_stream_stops_the_model(endless: Server) -> None:
    with endless.client() as client:
        stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        assert next(stream).choices[0].delta.role == "assistant"
        assert next(stream).choices[0].delta.content
        assert talking(endless) == "1"
        assert client.models.list().data  # others are answered meanwhile
        stream.close()
        wait_for(lambda: talking(endless) == "0")


def test_a_plain_request_that_is_given_up_stops_the_model(endless: Server) -> None:
    with endless.client() as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=MODEL, messages=HELLO, timeout=0.5)
        wait_for(lambda: talking(endless) == "0")


def test_a_reply_under_way_does_not_hold_up_the_end(endless: Server) -> None:
    with endless.client() as client:
        stream: Any = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        next(stream)
        started = time.monotonic()
        assert endless.stop() == 0
        assert time.monotonic() - started < 15
        stream.close()
