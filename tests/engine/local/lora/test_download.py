"""A base model that is not on this disk is brought from the hub, and the job says how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import small_hub

FETCH = """
import sys
from engine.errors import StudioError
from engine.local.trainers import bases
from engine.local.trainers.download import base_folder
def bring():
    return (yield from base_folder(sys.argv[1]))
try:
    for note in bring():
        if note: print(note.message)
    print(bases.folder(sys.argv[1]))
except StudioError as error:
    print(error)
print(*bases.on_disk())
"""


def fetched(model: str, cache: Path, **environment: str) -> list[str]:
    own = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0", "UNDERSTUDY_LOCAL_MODELS": "", **environment}
    command = [sys.executable, "-c", FETCH, model]
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_model_is_downloaded_once_and_then_offered(tiny: Path, tmp_path: Path) -> None:
    with small_hub.serving("owl/small-talk", tiny) as endpoint:
        first, *_, last, found, offered = fetched("owl/small-talk", tmp_path, HF_ENDPOINT=endpoint)
    assert first == "Downloading the model owl/small-talk"
    assert last.startswith("Downloaded the model owl/small-talk: ")
    assert (Path(found) / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    assert offered == "owl/small-talk"
    # It is there now: no network is needed.
    assert fetched("owl/small-talk", tmp_path, HF_HUB_OFFLINE="1") == [found, offered]


def test_a_model_that_cannot_be_had_is_refused_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    with small_hub.serving("owl/small-talk", tiny) as endpoint:
        told = fetched("owl/nothing", tmp_path, HF_ENDPOINT=endpoint)
    assert "The hub has no model 'owl/nothing'." in told[1]
    told = fetched("owl/small-talk", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "is not on this machine, and the hub cannot be reached. What was loaded is kept." in told[1]
    with small_hub.serving("owl/small-talk", tiny, refuses=503) as endpoint:
        told = fetched("owl/small-talk", tmp_path, HF_ENDPOINT=endpoint)
    assert "The hub refused to send the model 'owl/small-talk' (HTTP 503)." in told[1]
    (tmp_path / "closed").write_text("a file where the cache would be")
    with small_hub.serving("owl/small-talk", tiny) as endpoint:
        told = fetched("owl/small-talk", tmp_path / "closed", HF_ENDPOINT=endpoint)
    assert f"cannot be kept in {tmp_path / 'closed'}: Not a directory." in told[1]
