"""One base model in a process of its own: `python -m engine.local.generation torch|mlx [quantised]`.

Reads commands from standard input and writes events to standard output (see `pipe`). Ends at once when
its standard input is closed: the server wants it to, or is gone. Replies of several chats take turns,
a token each; those that come when `_TOGETHER` are under way wait for one of them to end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, cast

# What these libraries read when they are loaded. The model is on this disk: nothing is asked of the hub.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}

import msgspec

from engine.errors import StudioError
from engine.local import disk
from engine.local.generation import pipe
from engine.local.generation.backend import Backend, BackendName, backend
from engine.local.generation.talk import talk

if TYPE_CHECKING:
    from engine.local.generation.language import Language

_TOGETHER = 4
_ADAPTERS = 8


class Speaker:
    """The loaded base model and the replies under way. All but `listen` happens in the main thread."""

    _backend: Backend

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._inbox: SimpleQueue[pipe.Command] = SimpleQueue()
        self._stopped: set[int] = set()
        self._language: Language | None = None
        self._adapters: list[Path] = []  # the one used last is the last
        self._talking: deque[tuple[pipe.Ask, Iterator[pipe.Event | None]]] = deque()
        self._waiting: deque[tuple[pipe.Ask, Iterator[pipe.Event | None]]] = deque()

    def listen(self, commands: BinaryIO) -> None:
        """Take in commands until there can be no more; then this process ends, whatever it is doing."""
        decoder = msgspec.json.Decoder(pipe.Command)
        for line in commands:
            command = decoder.decode(line)
            if isinstance(command, pipe.Stop):
                self._stopped.add(command.number)
            else:
                self._inbox.put(command)
        os._exit(0)

    def run(self, name: BackendName, quantised: bool) -> None:
        self._backend = backend(name, quantised)
        while True:
            while not self._talking or not self._inbox.empty():
                self._obey(self._inbox.get())
            self._step()

    def _obey(self, command: pipe.Command) -> None:
        if isinstance(command, pipe.Load):
            self._load(Path(command.base))
        elif isinstance(command, pipe.Forget):
            self._forget(Path(command.adapter))
        elif isinstance(command, pipe.Ask):
            line = self._waiting if len(self._talking) >= _TOGETHER else self._talking
            try:
                line.append((command, self._begin(command)))
            except Exception as error:  # noqa: BLE001
                self._refuse(command, error)

    def _load(self, base: Path) -> None:
        from engine.local.generation.language import Language

        try:
            room = self._backend.room(base)
            if room.needed > room.free:
                self._say(pipe.Short(room.needed, room.free))
                return
            self._language = Language(base)
            self._backend.load(base)
        except StudioError as error:
            self._say(pipe.Broken(str(error)))
        except Exception as error:  # noqa: BLE001
            self._say(pipe.Broken(_sentence(error, "The model could not be loaded")))
        else:
            self._say(pipe.Ready())

    def _begin(self, ask: pipe.Ask) -> Iterator[pipe.Event | None]:
        assert self._language is not None, "Ask before Ready"
        prompt = self._language.prompt(ask.messages)
        limit = self._language.limit(len(prompt), ask.max_tokens)
        adapter = Path(ask.adapter) if ask.adapter else None
        if adapter is not None:
            self._adapt(adapter)
        self._say(pipe.Began(ask.number, len(prompt)))
        return talk(ask, prompt, limit, self._language, self._backend.start(adapter))

    def _adapt(self, adapter: Path) -> None:
        """Load the adapter; the one unused for longest goes where there are many."""
        if adapter in self._adapters:
            self._adapters.remove(adapter)
        elif not adapter.is_dir():
            raise StudioError("The model was deleted.")
        else:
            used = {Path(ask.adapter) for ask, _ in (*self._talking, *self._waiting) if ask.adapter}
            idle = [old for old in self._adapters if old not in used]
            if len(self._adapters) >= _ADAPTERS and idle:
                self._adapters.remove(idle[0])
                self._backend.unload_adapter(idle[0])
            self._backend.load_adapter(adapter)
        self._adapters.append(adapter)

    def _forget(self, folder: Path) -> None:
        gone = [adapter for adapter in self._adapters if adapter.is_relative_to(folder)]
        for line in (self._talking, self._waiting):
            for entry in [entry for entry in line if entry[0].adapter and Path(entry[0].adapter) in gone]:
                line.remove(entry)
                self._say(pipe.Refused(entry[0].number, "The model was deleted."))
        for adapter in gone:
            self._adapters.remove(adapter)
            self._backend.unload_adapter(adapter)

    def _step(self) -> None:
        """The next token of the reply whose turn it is."""
        ask, events = self._talking.popleft()
        if ask.number in self._stopped:
            self._stopped.discard(ask.number)
        else:
            try:
                event = next(events)
                if event:
                    self._say(event)
                self._talking.append((ask, events))
            except StopIteration:
                pass
            except Exception as error:  # noqa: BLE001
                self._refuse(ask, error)
        while self._waiting and len(self._talking) < _TOGETHER:
            self._talking.append(self._waiting.popleft())

    def _refuse(self, ask: pipe.Ask, error: Exception) -> None:
        from engine.local.generation.language import TooLongError

        if isinstance(error, TooLongError):
            self._say(pipe.Refused(ask.number, str(error), "context_length_exceeded"))
        elif isinstance(error, StudioError):
            self._say(pipe.Refused(ask.number, str(error), "invalid_value"))
        elif isinstance(error, FloatingPointError):
            self._say(pipe.Refused(ask.number, str(error)))
        else:
            self._say(pipe.Refused(ask.number, _sentence(error, "The model failed to answer")))

    def _say(self, event: pipe.Event) -> None:
        try:
            self._out.write(msgspec.json.encode(event) + b"\n")
            self._out.flush()
        except BrokenPipeError:
            os._exit(0)


def _sentence(error: Exception, what: str) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"{what}: there is too little free memory."
    sys.stderr.write(disk.traces(error) + "\n")
    sys.stderr.flush()
    return f"{what} ({type(error).__name__}); generation.log says where."


def main(name: BackendName, quantised: bool) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    speaker = Speaker(out)
    threading.Thread(target=speaker.listen, args=(sys.stdin.buffer,), daemon=True).start()
    speaker.run(name, quantised)


if __name__ == "__main__":
    main(cast(BackendName, sys.argv[1]), "quantised" in sys.argv[2:])
