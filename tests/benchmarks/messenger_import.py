"""How fast a Messenger export becomes a searchable studio, beside LangChain's loader, which stores nothing.

    python tests/benchmarks/messenger_import.py [MESSAGES [THREADS]]

An export of MESSAGES (200,000) in THREADS (200) is made, always the same one. Ours reads the zip
and leaves a studio file with its full-text index; LangChain's FolderFacebookMessengerChatLoader
loads the same files unpacked. Each run is a fresh process, the two take turns; medians of 3.
Imports of modules are not counted for either. Memory is that of a process with all that it starts.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from process_memory import measured

RUNS = 3
PER_FILE = 10_000
SPOKEN = """
the a to and I you it of in is that for on was have be with not at we are so but what he she they do just if
like all can about when really think know going time good one get there from or out up more some see then now
tomorrow please maybe café naïve Zoë über señor garçon dinner train sleeping ok haha yes no why because
"""
WORDS = SPOKEN.split()
EMOJI = ("😂", "❤", "👍", "🎉", "", "", "", "", "", "")


def row(rng: random.Random, people: list[str], moment: int) -> dict[str, Any]:
    """One message as Facebook writes it: mostly words, now and then media, a link, a call or a sticker."""
    sender = rng.choice(people)
    message: dict[str, Any] = {"sender_name": sender, "timestamp_ms": moment}
    words = " ".join(rng.choices(WORDS, k=min(60, 1 + int(rng.expovariate(1 / 9)))))
    chance = rng.random()
    if chance < 0.04:
        uri = f"your_activity_across_facebook/messages/inbox/photos/{moment}_n.jpg"
        message["photos"] = [{"uri": uri, "creation_timestamp": moment // 1000}]
        if chance < 0.005:
            message["content"] = words
    elif chance < 0.05:
        message["sticker"] = {"uri": "messages/stickers_used/1.png", "ai_stickers": []}
    elif chance < 0.07:
        message["content"] = f"https://example.org/{moment}"
        message["share"] = {"link": f"https://example.org/{moment}"}
    elif chance < 0.075:
        message["content"] = f"{sender.split()[0]} called you."
        message["call_duration"] = 61
    elif chance < 0.08:
        message["content"] = f"{sender} sent an attachment."
    elif chance < 0.09:
        message["content"] = "Reacted 😂 to your message "
    else:
        message["content"] = f"{words} {rng.choice(EMOJI)}".rstrip()
    if rng.random() < 0.06:
        message["reactions"] = [{"reaction": "❤", "actor": rng.choice(people), "timestamp": moment // 1000}]
    message["is_geoblocked_for_viewer"] = False
    message["is_unsent_image_by_messenger_kid_parent"] = False
    return message


def make(folder: Path, messages: int, threads: int) -> None:
    """Write the export: folder/messages/inbox/... and folder/export.zip."""
    rng = random.Random(20)
    for n in range(threads):
        people = [f"Zoë Friend{n}", "Wren Halloran"]
        if n % 10 == 9:
            people += [f"José Guest{n}", f"Ann Other{n}"]
        moment, rows = 1_500_000_000_000 + n, []
        for _ in range(messages * (n + 1) // threads - messages * n // threads):
            moment += int(rng.expovariate(1 / 600_000))
            rows.append(row(rng, people, moment))
        rows.reverse()
        thread = folder / "messages/inbox" / f"friend{n}_{10**15 + n}"
        thread.mkdir(parents=True)
        # A thread of a single file where there is only one: the hardest case for memory.
        per_file = len(rows) if threads == 1 else PER_FILE
        for number, start in enumerate(range(0, len(rows), per_file), 1):
            write(thread / f"message_{number}.json", people, rows[start : start + per_file])
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", str(folder / "export.zip"), str(folder / "messages")],
        check=True,
    )


def write(path: Path, people: list[str], rows: list[dict[str, Any]]) -> None:
    """A thread file with every byte above ASCII escaped on its own."""
    thread = {
        "participants": [{"name": name} for name in people],
        "messages": rows,
        "title": people[0],
        "is_still_participant": True,
        "thread_path": f"inbox/{path.parent.name}",
        "magic_words": [],
    }
    text = json.dumps(thread, indent=2, ensure_ascii=False)
    path.write_text(json_escaped(text.encode("utf-8").decode("latin-1")), "ascii")


def json_escaped(text: str) -> str:
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in text)


def ours(folder: Path) -> tuple[int, float]:
    """Rows read, and the seconds from the zip to a studio that can be searched."""
    from engine.archive import open_studio, searching
    from engine.importers.finding import recognise_all
    from engine.importing import begin, finish

    async def run() -> tuple[int, float]:
        started = time.perf_counter()
        (export,) = recognise_all([folder / "export.zip"]).exports
        begun = await begin(export)
        async with await open_studio(folder / f"{time.time_ns()}.db") as studio:
            imported = await finish(studio, begun)
            seconds = time.perf_counter() - started
            if not await searching.search(studio, "tomorrow"):
                raise SystemExit("the studio finds nothing")
        return imported.report.rows_read, seconds

    return asyncio.run(run())


def langchain(folder: Path) -> tuple[int, float]:
    """Rows read, and the seconds of load() alone."""
    warnings.simplefilter("ignore")
    from langchain_community.chat_loaders.facebook_messenger import FolderFacebookMessengerChatLoader

    started = time.perf_counter()
    sessions = FolderFacebookMessengerChatLoader(folder / "messages").load()
    seconds = time.perf_counter() - started
    return sum(len(session["messages"]) for session in sessions), seconds


def main(messages: int, threads: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = subprocess.run(
            [sys.executable, __file__, "make", place, str(messages), str(threads)], check=True
        )
        made.check_returncode()
        size = sum(file.stat().st_size for file in folder.rglob("*.json"))
        print(f"{messages:,} messages in {threads:,} threads, {size / 2**20:.0f} MB")
        rates: dict[str, list[float]] = {"ours": [], "langchain": []}
        peaks: dict[str, list[float]] = {"ours": [], "langchain": []}
        for _ in range(RUNS):
            for name in rates:
                said, peak = measured([sys.executable, __file__, name, place])
                _, seconds = map(float, said.split())
                # The same messages for both, whatever a loader leaves out of them.
                rates[name].append(messages / seconds)
                peaks[name].append(peak)
    for name in rates:
        rate, peak = statistics.median(rates[name]), statistics.median(peaks[name])
        print(f"{name:<10} {rate:9,.0f} messages/s   peak {peak:6,.0f} MB")
    print(f"ratio {statistics.median(rates['ours']) / statistics.median(rates['langchain']):.2f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder, messages, threads]:
            make(Path(folder), int(messages), int(threads))
        case [("ours" | "langchain") as name, folder]:
            rows, seconds = (ours if name == "ours" else langchain)(Path(folder))
            print(rows, seconds)
        case [*given]:
            main(*(int(number) for number in given), *(200_000, 200)[len(given) :])
