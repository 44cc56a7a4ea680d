"""`understudy serve`: what it says before somebody trusts it, and what it refuses to begin with."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from certificates import self_made
from real_command import COMMAND, environment, understudy


def said(studio: Path, *args: str) -> str:
    """What it says until it serves (its last line names the token's place)."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *args], stderr=subprocess.PIPE, text=True, env=environment(studio)
    ) as process:
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "token:" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, "".join(lines) + process.stderr.read()
    return "".join(lines)


def test_an_open_way_is_named_and_a_closed_one_says_its_names(tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    assert "others on the network can read" not in said(studio)
    open_way = said(studio, "--host", "0.0.0.0")
    assert "http://0.0.0.0:" in open_way and "others on the network can read" in open_way
    chain, key = map(str, self_made(tmp_path, "DNS:box.example", "DNS:alpha.example"))
    closed = said(studio, "--host", "0.0.0.0", "--certificate", chain, "--key", key)
    assert "https://0.0.0.0:" in closed and "good for alpha.example, box.example" in closed
    assert "others on the network" not in closed


@pytest.mark.parametrize(
    "given", [("--certificate", "a.pem"), ("--key", "a.key"), ("--certificate", "a", "--key", "b")]
)
def test_half_a_pair_or_none_is_refused_in_a_sentence(given: tuple[str, ...], tmp_path: Path) -> None:
    done = understudy("serve", *given, studio=tmp_path / "studio.db")
    assert done.returncode == 2 and "--certificate" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "studio-local").exists()
