"""Find, start and stop the local provider's process, which outlives the session that started it.

The server is found by the file FOLDER/server.json, which it writes when it is ready. Nothing in
that file is believed before the server has answered with the token that stands there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

import engine
from engine.errors import StudioError
from engine.folders import private

START_SECONDS = 45.0  # a server that is just ending is waited for
STOP_SECONDS = 20.0  # a training job saves its state first
_POLL = 0.02
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|^OPENAI_|^LANGSMITH_|^LANGCHAIN_|^AWS_", re.I)
_WORK = ("validating_files", "queued", "running")

# Our own children: one that has ended stays a zombie, and its pid alive, until its parent asks.
_children: dict[int, subprocess.Popen[bytes]] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """Where a running local server answers: at `socket` (a path), else at host and port; there with TLS
    where it shows a `certificate` (a file)."""

    pid: int
    token: str
    version: str
    socket: str | None = None
    host: str | None = None
    port: int | None = None
    certificate: str | None = None

    @property
    def base_url(self) -> str:
        if self.socket:
            return "http://local.invalid/v1"
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}/v1"

    def trusted(self) -> ssl.SSLContext | bool:
        """What to believe on the way there: this server's own certificate and no other."""
        if self.certificate is None:
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # here it is asked by an address that the certificate need not hold
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(self.certificate)
        return context

    def __repr__(self) -> str:
        """Without the token: a repr ends up in logs."""
        return f"Endpoint(pid={self.pid}, at={self.socket or self.base_url!r}, version={self.version!r})"


async def start(folder: Path) -> Endpoint:
    """The server of `folder`: the running one, else a new one, ready to answer.

    Two starters at once get the same server. A server of another version is replaced when it has
    nothing to do. Raises StudioError with the last line of its log when it cannot start.
    """
    folder = _own(folder)
    found = await find(folder)
    if found is not None and found.version == engine.__version__:
        return found
    with os.fdopen(os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        await _locked(lock.fileno())
        found = await find(folder)
        if found is not None:
            if found.version == engine.__version__ or await _is_busy(found):
                return found
            await stop(folder)
        return await _spawn(folder)


async def find(folder: Path) -> Endpoint | None:
    """The running server of `folder`, or None. A server.json whose server is gone counts as none."""
    endpoint = _read(folder)
    if endpoint is None:
        return None
    try:
        answer = await _request(endpoint, "GET", "/healthz")
    except OSError:
        return None
    return endpoint if answer is not None else None


async def stop(folder: Path) -> bool:
    """Ask the server of `folder` to end and wait until it is gone. False where none was running."""
    endpoint = await find(folder)
    if endpoint is None:
        return False
    with contextlib.suppress(OSError):  # it may go down faster than it answers; that is seen below
        await _request(endpoint, "POST", "/shutdown")
    for _ in range(int(STOP_SECONDS / _POLL)):
        if not _alive(endpoint.pid):
            return True
        await asyncio.sleep(_POLL)
    raise StudioError(
        f"The local provider (process {endpoint.pid}) does not end.", "Wait for its job, or end that process."
    )


async def ask(folder: Path, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the server of `folder` (started where it is not) answers to a call of its own. StudioError."""
    try:
        answer = await _request(await start(folder), method, path, body)
    except OSError as error:
        raise StudioError("The local provider does not answer.", "Try again.") from error
    if answer is None:
        raise StudioError(
            "The local provider that runs is of another version.",
            "Stop it with `understudy local stop` when its job has ended.",
        )
    return answer


def _own(folder: Path) -> Path:
    try:
        return private(folder.absolute())
    except OSError as error:
        raise StudioError(
            f"The local provider's folder {folder} cannot be made: {error.strerror}.",
            "Choose another studio with --studio PATH.",
        ) from error


async def _spawn(folder: Path) -> Endpoint:
    """Start a server that no signal to our terminal reaches, and wait until it answers."""
    log = folder / "server.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(  # noqa: ASYNC220 - asyncio's own kills the child when its loop closes
            [sys.executable, "-P", "-m", "engine.local", "--folder", str(folder)],
            cwd=folder,
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    _children[child.pid] = child
    for _ in range(int(START_SECONDS / _POLL)):
        ended = child.poll() is not None
        found = await find(folder)
        if found is not None:
            return found
        if ended:
            break
        await asyncio.sleep(_POLL)
    if child.poll() is None:
        child.terminate()
    last = await asyncio.to_thread(_last_line, log)
    raise StudioError(
        f"The local provider could not start: {last or 'it said nothing'}.", f"Its whole log is {log}."
    )


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment without secrets: the server needs none of ours and must not keep any."""
    return {name: value for name, value in given.items() if not _SECRET.search(name)}


def _read(folder: Path) -> Endpoint | None:
    try:
        endpoint = msgspec.json.decode((folder / "server.json").read_bytes(), type=Endpoint)
    except (OSError, msgspec.DecodeError):
        return None
    return endpoint if endpoint.socket or (endpoint.host and endpoint.port) else None


async def _request(endpoint: Endpoint, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One small call; its JSON, or None for a refusal. Raises OSError where nothing answers."""
    client = await asyncio.to_thread(_client, endpoint)
    import httpx2

    async with client:
        try:
            answer = await client.request(method, path, json=body)
        except httpx2.TransportError as error:
            raise ConnectionError(str(error)) from error
    if answer.status_code != 200:
        return None
    try:
        return answer.json()
    except ValueError:
        return {}


def _client(endpoint: Endpoint) -> Any:
    import httpx2

    return httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=endpoint.socket, verify=endpoint.trusted()),
        base_url=endpoint.base_url.removesuffix("/v1"),
        headers={"Authorization": f"Bearer {endpoint.token}"},
        timeout=5.0,
        trust_env=False,
    )


async def _is_busy(endpoint: Endpoint) -> bool:
    listed = await _request(endpoint, "GET", "/v1/fine_tuning/jobs")
    jobs = listed.get("data", []) if isinstance(listed, dict) else []
    return any(job.get("status") in _WORK for job in jobs)


async def _locked(descriptor: int) -> None:
    """Wait for the lock without blocking the event loop; the system frees it when a holder dies."""
    for _ in range(int((START_SECONDS + STOP_SECONDS) / _POLL)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            await asyncio.sleep(_POLL)
    raise StudioError("Another Understudy has been starting the local provider for too long.", "Try again.")


def _alive(pid: int) -> bool:
    if (child := _children.get(pid)) is not None:
        if child.poll() is not None:
            del _children[pid]
            return False
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return state[0] != "Z"  # ended, and only its parent's asking is outstanding


def _last_line(log: Path) -> str:
    try:
        text = log.read_bytes()[-4096:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(c for c in lines[-1] if c.isprintable())[:300].rstrip(".") if lines else ""
