"""On one's own machine: look at the disk, make room, read a job's log, take a model elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_command import understudy

from engine import samples


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A studio in which `nearest` was trained, and nothing else happened."""
    path = tmp_path_factory.mktemp("own") / "studio.db"
    assert not understudy(
        "import", str(samples.messenger()), "--owner", samples.OWNER, studio=path
    ).returncode
    chosen = ("--ai", samples.OWNER, "--base-model", "nearest", "--suffix", "wren")
    done = understudy("train", *chosen, "--lora", "rank=4", "--follow", studio=path)
    assert done.returncode == 0, done.stderr
    yield path
    understudy("local", "stop", studio=path)


def rows(*args: str, studio: Path) -> list[dict[str, Any]]:
    done = understudy(*args, "--json", studio=studio)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_usage_says_what_everything_takes(studio: Path) -> None:
    listed = rows("local", "usage", studio=studio)
    assert {"job", "model"} <= {row["kind"] for row in listed}
    assert all(row["bytes"] > 0 and Path(row["path"]).exists() for row in listed)
    done = understudy("local", "usage", studio=studio)
    assert "ft:nearest:wren:" in done.stdout and f"in {studio.parent / 'studio-local'}." in done.stderr


def test_prune_asks_first_and_removes_only_what_it_named(studio: Path) -> None:
    local = studio.parent / "studio-local"
    stray = local / "models" / "0123abcd"
    stray.mkdir()
    (stray / "half.bin").write_bytes(b"x" * 3000)
    assert "would free" in understudy("local", "usage", studio=studio).stderr
    done = understudy("local", "prune", studio=studio)
    assert done.returncode == 2 and "nobody is here to agree" in done.stderr and "0123abcd" in done.stdout
    assert stray.exists()
    gone = rows("local", "prune", "--yes", studio=studio)
    assert "0123abcd" in [row["id"] for row in gone] and not stray.exists()
    done = understudy("local", "prune", "--yes", studio=studio)
    assert done.returncode == 0 and "There is nothing to remove" in done.stderr
    assert not understudy("chat", "-p", "are you there?", studio=studio).returncode, (
        "the model is still there"
    )


def test_a_jobs_log_is_printed_and_cannot_steer_the_terminal(studio: Path) -> None:
    (job,) = rows("jobs", studio=studio)
    log = studio.parent / "studio-local" / "jobs" / job["id"] / "train.log"
    assert "wrote nothing" in understudy("jobs", "log", job["id"], studio=studio).stderr
    log.write_bytes(b"Loading: 10 %\rLoading: 90 %\n\x1b]0;title\x07red \x1b[31malert\n\xff\xfe\n")
    done = understudy("jobs", "log", job["id"], studio=studio)
    assert done.returncode == 0 and "Loading: 90 %" in done.stdout.splitlines()
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout and "alert" in done.stdout
    lines = rows("jobs", "log", "wren", studio=studio)
    assert lines[0] == {"job": job["id"], "line": "Loading: 10 %"}
    with log.open("wb") as file:
        file.truncate(3_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    assert len(understudy("jobs", "log", studio=studio).stdout) < 9_000_000
    assert understudy("jobs", "log", studio=studio).stdout.endswith("the end\n")
    log.unlink()


def test_a_model_that_serves_only_here_is_not_exported(studio: Path, tmp_path: Path) -> None:
    done = understudy("models", "export", "wren", "--to", str(tmp_path / "out"), studio=studio)
    assert done.returncode == 2 and "A model of nearest serves only here" in done.stderr
    assert not (tmp_path / "out").exists()
    done = understudy("models", "export", "wren", studio=studio)
    assert done.returncode == 2 and "--to DIR" in done.stderr
