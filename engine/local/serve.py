"""The server's life: one lock, one socket, `server.json` while it can be reached, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import secrets
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from time import monotonic

import msgspec
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine import __version__, config
from engine.errors import StudioError
from engine.folders import private
from engine.local import disk
from engine.local.certificate import Certificate
from engine.local.files import Files
from engine.local.generation.hosts import Hosts
from engine.local.guard import Guard, is_address, json_response
from engine.local.jobs import Jobs
from engine.local.queue import Queue
from engine.local.routes import application

IDLE_SECONDS = 30 * 60.0
# Longer than any client keeps an idle connection: a client never sends into one we are just closing.
_KEEP_ALIVE = 600
_LAST_REPLIES = 2
_SOCKET_PATH_BYTES = 100
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "local.invalid"})


class Running(msgspec.Struct, frozen=True, omit_defaults=True):
    """`server.json`: where a client finds this server. Either `socket`, or `host` and `port`, there with
    the file of the `certificate` where it speaks TLS."""

    pid: int
    token: str
    version: str
    started_at: int
    socket: str | None = None
    host: str | None = None
    port: int | None = None
    certificate: str | None = None


class Listener(msgspec.Struct, frozen=True):
    """A bound socket. path: of a Unix socket. allows: whether a Host header is one of ours."""

    bound: socket.socket
    allows: Callable[[str], bool]
    path: Path | None = None
    host: str | None = None
    certificate: Certificate | None = None


def run(
    folder: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    certificate: Certificate | None = None,
    idle_seconds: float = IDLE_SECONDS,
    announce: Callable[[Running], None] | None = None,
) -> None:
    """Serve `folder` until a signal, POST /shutdown or `idle_seconds` without job and request.

    A Unix socket, unless host or port is given (port 0: any free one); there with TLS where there is a
    certificate. `announce` is called once, when it can be reached. Raises StudioError when the folder is
    served already or the address is taken.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    folder = private(folder.expanduser().absolute())
    folder.chmod(0o700)
    token = os.environ.pop("UNDERSTUDY_LOCAL_TOKEN", "") or secrets.token_urlsafe(32)
    with _lock(folder):
        (folder / "server.json").unlink(missing_ok=True)
        tempfile.tempdir = str(private(folder / "files"))  # an upload's private text is spooled nowhere else
        _log_to(folder / "server.log")
        listener = (
            _listen_tcp(host or "127.0.0.1", port or 0, certificate)
            if host or port is not None
            else _listen(folder)
        )
        try:
            asyncio.run(_serve(folder, listener, token, idle_seconds, announce))
        finally:
            (folder / "server.json").unlink(missing_ok=True)
            if listener.path:
                listener.path.unlink(missing_ok=True)
                if listener.path.parent != folder:
                    listener.path.parent.rmdir()


async def _serve(
    folder: Path,
    listener: Listener,
    token: str,
    idle_seconds: float,
    announce: Callable[[Running], None] | None,
) -> None:
    files = Files(folder / "files")
    jobs = Jobs(folder, files)
    hosts = Hosts(folder / "generation.log", lambda: config.load().settings.local.unload_minutes * 60)
    queue = Queue(jobs, files, hosts.unload)
    stopping = asyncio.Event()

    async def health(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__, "pid": os.getpid()})

    async def shutdown(_: Request) -> Response:
        stopping.set()
        return json_response({"status": "stopping"})

    own = [Route("/healthz", health), Route("/shutdown", shutdown, methods=["POST"])]
    door = Guard(application(jobs, files, queue, hosts, own), token, listener.allows)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def ready() -> None:
        running = _running(listener, token)
        disk.write_record(folder / "server.json", running)
        if announce:
            announce(running)

    def ending() -> None:
        (folder / "server.json").unlink(missing_ok=True)
        queue.close()

    queue.recover()
    training = loop.create_task(queue.run())
    idle = loop.create_task(_stop_when_idle(door, queue, stopping, idle_seconds))
    await _Server(door, listener.certificate, stopping, ready, ending).serve(sockets=[listener.bound])
    await hosts.close()
    await training
    idle.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its own signals and without waking ten times a second to look whether to stop."""

    def __init__(
        self,
        app: Guard,
        certificate: Certificate | None,
        stopping: asyncio.Event,
        ready: Callable[[], None],
        ending: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_LAST_REPLIES,
                ssl_certfile=certificate.chain if certificate else None,
                ssl_keyfile=certificate.key if certificate else None,
            )
        )
        self._stopping = stopping
        self._ready = ready
        self._ending = ending

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()

    async def main_loop(self) -> None:
        self._ready()
        await self._stopping.wait()
        self._ending()


async def _stop_when_idle(door: Guard, queue: Queue, stopping: asyncio.Event, seconds: float) -> None:
    while True:
        busy = door.active or queue.busy
        left = seconds if busy else max(door.last_request, queue.last_end) + seconds - monotonic()
        if left <= 0:
            stopping.set()
            return
        await asyncio.sleep(left)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. A server that is just ending (its server.json is gone) is waited for."""
    deadline = monotonic() + 20
    with (folder / "lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if (folder / "server.json").exists() or monotonic() > deadline:
                    raise StudioError(
                        f"A local provider already serves {folder}.",
                        "Use that one, or stop it first (`understudy local stop`).",
                    ) from None
                time.sleep(0.05)
        yield


def _listen(folder: Path) -> Listener:
    path = _socket_path(folder)
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    path.chmod(0o600)
    return Listener(bound, lambda host: host in _LOOPBACK, path=path)


def _socket_path(folder: Path) -> Path:
    """FOLDER/s, or where that is too long for a socket a short private folder of its own."""
    if len(os.fsencode(folder / "s")) < _SOCKET_PATH_BYTES:
        return folder / "s"
    name = "understudy-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp"):  # noqa: S108
        if not base or len(os.fsencode(Path(base) / name / "s")) >= _SOCKET_PATH_BYTES:
            continue
        short = Path(base) / name
        with contextlib.suppress(OSError):
            short.mkdir(mode=0o700, exist_ok=True)
            about = short.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o077:
                return short / "s"
    raise StudioError("No folder is short enough for the local provider's socket.", "Set XDG_RUNTIME_DIR.")


def _listen_tcp(host: str, port: int, certificate: Certificate | None) -> Listener:
    address = f"{host}:{port}"
    try:
        if not 0 <= port <= 65535:  # the system's look-up would quietly take the port modulo 65536
            raise OSError(f"{port} is no port number")
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named asyncio sets TCP_NODELAY; without it each answer waits some 40 ms.
        bound = socket.socket(family, kind, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message, hint = f"{address} is in use by another program.", "Choose another --port, or 0 for any."
        else:
            message, hint = f"{address} cannot be listened on ({error}).", "Choose another --host or --port."
        raise StudioError(message, hint) from None
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - asked for by name
    names = {socket.gethostname(), f"{socket.gethostname()}.local"} if everywhere else {host}

    def allows(asked: str) -> bool:
        own = asked in _LOOPBACK or asked in names or (everywhere and is_address(asked))
        return own or (certificate is not None and certificate.covers(asked))

    return Listener(bound, allows, host="127.0.0.1" if everywhere else host, certificate=certificate)


def _running(listener: Listener, token: str) -> Running:
    return Running(
        pid=os.getpid(),
        token=token,
        version=__version__,
        started_at=int(time.time()),
        socket=str(listener.path) if listener.path else None,
        host=listener.host,
        port=None if listener.path else listener.bound.getsockname()[1],
        certificate=str(listener.certificate.chain) if listener.certificate else None,
    )


def _log_to(path: Path) -> None:
    """Warnings and errors, without any message's text; at most 2 MB."""
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1)
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    sys.excepthook = lambda _, error, __: logging.critical("The server failed:\n%s", disk.traces(error))


class _Plain(logging.Formatter):
    """An exception's own text may quote a private message: frames and type must do."""

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        error = ei[1] if isinstance(ei, tuple) else None
        return disk.traces(error) if isinstance(error, BaseException) else ""
