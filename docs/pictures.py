"""Take the README's pictures, `python docs/pictures.py`: the real app on the bundled samples."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from engine.cli.demo import load_samples
from engine.folders import local_folder
from engine.providers import local_process
from tui.app import UnderstudyApp

HERE = Path(__file__).parent
SIZE = (112, 30)
QUESTIONS = ("the clock is late again", "are you coming to the boat?", "what should I do about the oven?")


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        studio = Path(name) / "studio.db"
        await load_samples(studio)
        app = UnderstudyApp(studio, demo=True)
        try:
            async with app.run_test(size=SIZE) as pilot:
                await _walk(app, pilot)
        finally:
            await local_process.stop(local_folder(studio))


async def _walk(app: UnderstudyApp, pilot: Pilot[None]) -> None:
    await _until(app, pilot, lambda screen: "30 conversations" in screen)
    await pilot.press("2")
    await _until(app, pilot, lambda screen: "32 people" in screen)
    await pilot.press("a")
    await _until(app, pilot, lambda screen: "is the AI sender" in screen)
    await pilot.press("1")
    await _until(app, pilot, lambda screen: "▌" in screen)
    _save(app, "conversations")
    await pilot.press("3")
    await _until(app, pilot, lambda screen: "188 train" in screen)
    await pilot.press("j", "j", "j", "j")
    await pilot.pause(0.5)
    _save(app, "chunks")
    await pilot.press("t")
    await _until(app, pilot, lambda screen: "stays on this machine" in screen)
    await pilot.press("y")
    await _until(app, pilot, lambda screen: "DONE" in screen)
    await pilot.pause(0.5)
    _save(app, "training")
    await pilot.press("5")
    await _until(app, pilot, lambda screen: "write to it" in screen)
    for number, question in enumerate(QUESTIONS, 1):
        await pilot.press(*question, "enter")
        await _until(app, pilot, lambda screen, n=number: screen.count("to the first") == n)
    _save(app, "chat")


async def _until(app: UnderstudyApp, pilot: Pilot[None], seen: Callable[[str], bool]) -> None:
    for _ in range(600):
        await pilot.pause(0.1)
        if seen(_text(app)):
            return
    raise SystemExit(f"the screen stayed:\n{_text(app)}")


def _text(app: UnderstudyApp) -> str:
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines[:height])[
        : width * height * 2
    ]


def _save(app: UnderstudyApp, name: str) -> None:
    svg = app.export_screenshot(title="Understudy")
    # No font from somebody's server: whoever looks at the picture has a monospaced one.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code", "font-family: Fira Code, ui-monospace, Menlo, monospace", svg)
    # A font without braille borrows it from another, whose blanks must then come from there too.
    svg = re.sub(r"(<text [^>]*>)([^<]*[\u2801-\u28ff][^<]*)", _all_braille, svg)
    svg = svg.replace("<text ", '<text xml:space="preserve" ')
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


def _all_braille(found: re.Match[str]) -> str:
    return found[1] + found[2].replace("&#160;", "\u2800")


if __name__ == "__main__":
    asyncio.run(main())
