"""A generation process as the server sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec

from engine.local.generation import pipe
from engine.local.generation.backend import BackendName
from engine.local.guard import ApiError

# While there is nothing to tell, whoever waits hears at least that.
BEAT_SECONDS = 2.0
# A process asked to end that is still there after so long is killed.
_PATIENCE = 2.0
_LINE_BYTES = 1 << 26
_LOG_BYTES = 1_000_000


class Key(NamedTuple):
    """What a process has loaded. base: the model's folder."""

    base: Path
    backend: BackendName
    quantised: bool


class Host:
    """One process, from its start to its end. users: how many replies wait for it or are under way."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.users = 0
        self.last_use = monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._replies: dict[int, asyncio.Queue[pipe.Event | None]] = {}
        self._about_base: asyncio.Queue[pipe.Event | None] = asyncio.Queue()
        self._ended = False

    @property
    def alive(self) -> bool:
        return not self._ended

    async def start(self, log: Path) -> None:
        """Start the process; its base is not loaded yet. log: takes what it has to say of its faults."""
        appending = os.O_APPEND if _small(log) else os.O_TRUNC
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | appending, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(["-P"] if sys.flags.safe_path else []),  # as this process was started
                "-m",
                "engine.local.generation",
                self.key.backend,
                *(["quantised"] if self.key.quantised else []),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                start_new_session=True,  # a Ctrl+C in the server's terminal is not for it
                limit=_LINE_BYTES,
            )
        finally:
            os.close(descriptor)
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process))
        if self._ended:  # while it was being started
            self.end()

    async def load(self) -> pipe.Short | None:
        """Load the base; None when that is done. Raises ApiError where it cannot be loaded."""
        self._tell(pipe.Load(str(self.key.base)))
        event = await self._about_base.get()
        if isinstance(event, pipe.Broken):
            raise ApiError(500, event.sentence, code="model_not_loaded", kind="server_error")
        if event is None:
            raise await self._death()
        return event if isinstance(event, pipe.Short) else None

    async def reply(self, ask: pipe.Ask) -> AsyncGenerator[pipe.Began | pipe.Said | pipe.Ended | None, None]:
        """The events of one reply, None for each BEAT_SECONDS without one. Close it to stop generating.

        ask.number does not matter. Raises ApiError where the reply is refused or the process ends.
        """
        number = next(self._numbers)
        events = self._replies[number] = asyncio.Queue()
        if self._ended:
            events.put_nowait(None)
        self._tell(msgspec.structs.replace(ask, number=number))
        event: pipe.Event | None = None
        try:
            while not isinstance(event, pipe.Ended):
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        event = await events.get()
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    raise await self._death()
                if isinstance(event, pipe.Refused):
                    raise _refusal(event)
                assert isinstance(event, pipe.Began | pipe.Said | pipe.Ended)
                yield event
        finally:
            del self._replies[number]
            if not isinstance(event, pipe.Ended | pipe.Refused):
                self._tell(pipe.Stop(number))

    def forget(self, folder: Path) -> None:
        self._tell(pipe.Forget(str(folder)))

    def end(self) -> None:
        """Let the process end. What waits for it fails."""
        self._ended = True
        if self._process and self._process.stdin:
            self._process.stdin.close()
            asyncio.get_running_loop().call_later(_PATIENCE, _kill, self._process)

    async def gone(self) -> None:
        """Return once the process has ended and its memory is free."""
        if self._reading:
            await asyncio.wait({self._reading})

    def _tell(self, command: pipe.Command) -> None:
        if self._process and self._process.stdin and not self._ended:
            self._process.stdin.write(msgspec.json.encode(command) + b"\n")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        try:
            await self._hear(process)
        except ValueError:  # nothing that we understand, so what waits for it would wait for ever
            process.kill()
        self._ended = True
        await process.wait()
        for events in (*self._replies.values(), self._about_base):
            events.put_nowait(None)

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        decoder = msgspec.json.Decoder(pipe.Event)
        while (line := await process.stdout.readline()).endswith(b"\n"):  # a killed one leaves half a line
            event = decoder.decode(line)
            if isinstance(event, pipe.Began | pipe.Said | pipe.Ended | pipe.Refused):
                if event.number in self._replies:  # otherwise it was stopped meanwhile
                    self._replies[event.number].put_nowait(event)
            else:
                self._about_base.put_nowait(event)

    async def _death(self) -> ApiError:
        how = "ended"
        if self._process:
            code = await self._process.wait()
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended (exit status {code})"
        sentence = f"The process that runs this model {how} at its work. The next request starts it anew."
        return ApiError(500, sentence, code="model_process_ended", kind="server_error")


def _refusal(refused: pipe.Refused) -> ApiError:
    if refused.code is None:
        return ApiError(500, refused.sentence, kind="server_error")
    return ApiError(400, refused.sentence, code=refused.code, param="messages")


def _small(log: Path) -> bool:
    try:
        return log.stat().st_size < _LOG_BYTES
    except OSError:
        return True


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
