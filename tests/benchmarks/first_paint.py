"""How long until the screen stands, and how many bytes it takes, beside a Textual hello-world.

    python tests/benchmarks/first_paint.py [RUNS]

Both run in turn in a pseudo-terminal of 120x36; medians, their difference and ratio are printed.
First paint is the moment at which a known word of the first screen has reached the terminal.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from pseudo_terminal import PseudoTerminal

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("Conversations")
Hello().run()
"""


def first_paint(program: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds until the word stands on the screen, and the bytes written once it is quiet."""
    started = time.perf_counter()
    with PseudoTerminal(program, columns=120, rows=36, environment=environment) as terminal:
        while b"onversations" not in terminal.raw:
            terminal.read(0.005)
            if time.perf_counter() - started > 30:
                raise SystemExit(f"nothing was painted:\n{terminal.text()}")
        seconds = time.perf_counter() - started
        terminal.settle()
        return seconds, len(terminal.raw)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "UNDERSTUDY_STUDIO": str(Path(home) / "studio.db")}
        programs = {
            "hello-world": [sys.executable, "-c", HELLO],
            "understudy": [sys.executable, "-m", "tui"],
        }
        measured: dict[str, list[tuple[float, int]]] = {name: [] for name in programs}
        for _ in range(runs):
            for name, program in programs.items():
                measured[name].append(first_paint(program, environment))
    for name, results in measured.items():
        seconds = statistics.median(result[0] for result in results)
        size = statistics.median(result[1] for result in results)
        print(f"{name:<12} first paint {seconds * 1000:6.0f} ms   {size / 1000:6.1f} KB until quiet")
    hello, ours = (statistics.median(r[0] for r in measured[name]) for name in programs)
    print(f"understudy paints {(ours - hello) * 1000:.0f} ms after hello-world, ratio {ours / hello:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
