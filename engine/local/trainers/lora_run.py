"""One training process of `lora`: `python -m engine.local.trainers.lora_run STATEFOLDER`.

Started alone or, one for each device, by a launcher. Ends when the training is done, or after the step it
is at when its standard input closes. The first process speaks and writes for all.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import msgspec

from engine.errors import DataError, StudioError
from engine.local import disk
from engine.local.trainers.lora import SIGN, Data, Failed, Run, Said, written

FIRST = os.environ.get("RANK", "0") == "0"
# The base model is on this disk by now: nothing here has a reason to use the network, or to tell anybody.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}
# A process that nobody waits for any more may finish its step and save for this long.
_PATIENCE = 20.0


def main(state: Path) -> int:
    """Train as `state`/run.json says. Returns the exit status."""
    stop = threading.Event()
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    os.umask(0o077)
    os.environ.update(_ENVIRONMENT)
    if "WORLD_SIZE" not in os.environ:  # without a launcher there is one process, which takes one device
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        # Processes of a killed job may still be at their last step: never two on one state.
        with (state / "lock").open("a") as lock:
            if FIRST:
                fcntl.flock(lock, fcntl.LOCK_EX)
                lock.truncate(0)
                lock.write(f"{os.getpid()}\n")
                lock.flush()
            run = msgspec.json.decode((state / "run.json").read_bytes(), type=Run)
            data = msgspec.msgpack.decode((state / "data.msgpack").read_bytes(), type=Data)
            from engine.local.trainers.lora_training import train

            train(run, data, state, stop, tell)
    except StudioError as error:
        tell(Failed(error.message, error.hint, isinstance(error, DataError)))
        return 1
    except MemoryError:
        tell(_out_of_memory("This machine"))
        return 1
    except Exception as error:  # noqa: BLE001 - its text may quote a message: the log gets frames and type
        sys.stderr.write(disk.traces(error) + "\n")
        if type(error).__name__ == "OutOfMemoryError":
            tell(_out_of_memory("The GPU"))
        else:
            reason = f"The training failed ({type(error).__name__}); the job's train.log says where."
            tell(Failed(reason, "", False))
        return 1
    return 0


def tell(item: Said) -> None:
    """Say something to the job's process. Failures are heard from every process, the rest from the first."""
    if FIRST or isinstance(item, Failed):
        os.write(1, SIGN + written(item).encode() + b"\n")


def _out_of_memory(what: str) -> Failed:
    hint = "Use a smaller batch_size, a smaller max_length or a smaller base model."
    return Failed(f"{what} ran out of memory.", hint, False)


def _watch(stop: threading.Event) -> None:
    """Wait until our standard input closes; then a hung step may not outlive who started us."""
    while os.read(0, 1):
        continue
    stop.set()
    time.sleep(_PATIENCE)
    os._exit(75)


if __name__ == "__main__":
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the libraries' own ends take seconds, and there is nothing left to save
