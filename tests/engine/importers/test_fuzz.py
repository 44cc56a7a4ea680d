"""A short walk with the fuzzer; the long ones are `python tests/fuzz/fuzz_importers.py --inputs 100000`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).parents[2] / "fuzz" / "fuzz_importers.py"


def test_a_short_walk_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, FUZZER, "--inputs", "600", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "600 inputs, 0 finds" in done.stdout


@pytest.mark.parametrize(("kind", "seed", "number"), [("database", 1, 42), ("zip", 5, 424)])
def test_what_it_found_before(kind: str, seed: int, number: int) -> None:
    """A schema whose error message is no text; rows whose numbers go backwards, for ever."""
    done = subprocess.run(
        [sys.executable, FUZZER, "--seed", str(seed), "--batch", kind, str(number), "1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")
