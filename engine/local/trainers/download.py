"""Bringing a base model from the Hugging Face hub, with its progress and in a way that can be stopped."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from engine.errors import StudioError
from engine.local.trainers import Note, bases

_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt"]
_LOOK = 0.2
_TELL = 10.0


def base_folder(model: str) -> Generator[Note | None, None, Path]:
    """The folder of the base model; one that is not on this disk is downloaded into the hub's cache first.

    A download that is broken off goes on where it was. Raises StudioError where the model cannot be had.
    """
    if found := bases.folder(model):
        return found
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    bar = _progress_bar()
    outcome: list[Path | Exception] = []

    def fetch() -> None:
        from huggingface_hub import snapshot_download

        try:
            outcome.append(Path(snapshot_download(model, allow_patterns=_FILES, tqdm_class=bar)))
        except Exception as error:  # noqa: BLE001 - told where it is waited for
            outcome.append(error)

    yield Note(f"Downloading the model {model}")
    threading.Thread(target=fetch, daemon=True).start()
    told = time.monotonic()
    while not outcome:
        time.sleep(_LOOK)
        yield None
        if time.monotonic() - told > _TELL and bar.seen[1]:
            told = time.monotonic()
            done, total = (round(count / 1e6) for count in bar.seen)
            yield Note(f"Downloading the model {model}: {done:,} of {total:,} MB")
    if isinstance(outcome[0], Exception):
        raise _refusal(model, outcome[0])
    size = sum(path.stat().st_size for path in bases.weight_files(outcome[0]))
    yield Note(f"Downloaded the model {model}: {size / 1e6:,.0f} MB of weights")
    return outcome[0]


def _progress_bar() -> Any:
    """A silent progress bar of the hub's library. Its `seen` is (bytes done, bytes in all) so far."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        seen = (0, 0)

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": False, "file": _Nowhere()})

        def update(self, n: float | None = 1) -> Any:
            shown = super().update(n)
            if self.unit == "B":
                Bar.seen = (int(self.n), int(self.total or 0))
            return shown

    return Bar


class _Nowhere:
    def write(self, _: str) -> None: ...

    def flush(self) -> None: ...


def _refusal(model: str, error: Exception) -> StudioError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return StudioError(
            f"The model '{model}' is given only to those who accepted its licence.",
            "Accept it on the model's page, then set HF_TOKEN where the local provider runs.",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return StudioError(f"The hub has no model '{model}'.", "Check the name; private ones need HF_TOKEN.")
    if isinstance(error, OSError) and error.errno == 28:
        return StudioError(f"The disk is full: '{model}' could not be downloaded.", "Make room, then resume.")
    kept = "What was loaded is kept. "
    folder = "Or name a folder that holds the model."
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else error
    if isinstance(cause, errors.HfHubHTTPError):
        return StudioError(
            f"The hub refused to send the model '{model}' (HTTP {cause.response.status_code}).",
            f"{kept}Try again later. {folder}",
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return StudioError(
            f"The model '{model}' is not on this machine, and the hub cannot be reached.",
            f"{kept}Check the network and train again. {folder}",
        )
    if isinstance(error, OSError) and error.strerror:
        return StudioError(
            f"The model '{model}' cannot be kept in {bases.hub_cache()}: {error.strerror}.",
            "Make that folder yours to write, or set HF_HOME to another.",
        )
    return StudioError(
        f"The connection to the hub broke while the model '{model}' was downloaded ({type(error).__name__}).",
        f"{kept}Train again to go on from there. {folder}",
    )
