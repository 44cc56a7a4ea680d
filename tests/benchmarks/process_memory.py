"""The memory of a command and of every process that it starts, together."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

SECONDS = 0.05


def measured(command: list[str]) -> tuple[str, float]:
    """Run it; its output, and the most MB that it and its children had at one time.

    Pages that several of them share count once (Linux's Pss).
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ended, peak = threading.Event(), 0.0

    def watch() -> None:
        nonlocal peak
        while not ended.wait(SECONDS):
            peak = max(peak, sum(map(_megabytes, _with_children(process.pid))))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        said, _ = process.communicate()
    finally:
        ended.set()
        watching.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    return said, peak


def _with_children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in _with_children(child))]


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
