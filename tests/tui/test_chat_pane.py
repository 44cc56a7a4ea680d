"""Pane 5: replies as they come, stopped, broken off, asked again; everything that was said is kept."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import studio_builder
from faulty_provider import FaultyProvider, chunk, error
from screen_reader import press, rows, settled, text
from starlette.responses import Response
from textual import events
from training_studio import ready, trained, until

from engine.archive import Studio, chats, open_studio
from engine.archive.ingest import ingest
from engine.archive.rows import ChatTurnRow
from engine.conversation import Conversation
from engine.importers import ImportReport
from tui.app import UnderstudyApp
from tui.screens.chat import ChatPane
from tui.screens.chat.bubbles import Bubble, ChatView, bubble_lines
from tui.widgets.prompt import Prompt

SIZES = [(80, 24), (120, 36), (160, 48)]
MODEL = "ft:base-1:tortoise:1"


@pytest.fixture
async def faulty(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultyProvider]:
    server = FaultyProvider()
    await server.start()
    monkeypatch.setenv("UNDERSTUDY_BASE_URL", server.url)
    yield server
    await server.stop()


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await trained(tmp_path / "studio.db")


def says(*pieces: str) -> Response:
    """A whole stream that says these pieces."""
    body = b"".join(chunk({"content": piece}) for piece in pieces) + chunk({}, "stop") + b"data: [DONE]\n\n"
    return Response(body, media_type="text/event-stream")


async def turns(path: Path) -> list[tuple[str, str]]:
    """What is saved of the newest chat."""
    async with await open_studio(path) as studio:
        saved: list[ChatTurnRow] = await chats.chat_turns(studio, (await chats.chats(studio))[0].id)
    return [(turn.role, turn.text) for turn in saved]


async def at_the_prompt(app: UnderstudyApp) -> Prompt:
    app.go(5, MODEL)
    return app.screen.query_one(Prompt)


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_model_the_pane_says_how_to_get_one(tmp_path: Path, size: tuple[int, int]) -> None:
    app = UnderstudyApp(await ready(tmp_path / "studio.db"))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert "[4]  Training makes one." in await press(pilot, "5")
        assert "[n]" in await press(pilot, "4")


@pytest.mark.parametrize("size", SIZES)
async def test_a_reply_comes_is_kept_and_is_there_in_the_next_session(
    studio: Path, faulty: FaultyProvider, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        shown = await press(pilot, "h", "2", "question_mark", "enter")
        assert "│ h2?" in shown and "▌ slow and steady" in shown
        assert "s to the first" in shown
        (asked,) = faulty.chats
        assert asked["model"] == MODEL
        assert asked["messages"] == [
            {"role": "system", "content": "You are Tortoise."},
            {"role": "user", "content": "h2?"},
        ]
        await press(pilot, "o", "k", "enter")
        assert [message["content"] for message in faulty.chats[1]["messages"]][1:] == [
            "h2?",
            "slow and steady",
            "ok",
        ]
    assert await turns(studio) == [
        ("user", "h2?"),
        ("assistant", "slow and steady"),
        ("user", "ok"),
        ("assistant", "slow and steady"),
    ]
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "5")
        shown = await press(pilot, "escape")
        assert "h2?" in shown
        await pilot.press("enter")
        await until(pilot, lambda: "▌ slow and steady" in text(app) and "│ ok" in text(app))


async def test_enter_sends_ctrl_j_and_a_paste_make_lines(studio: Path, faulty: FaultyProvider) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        await press(pilot, "a", "ctrl+j", "b")
        app.post_message(events.Paste("one\ntwo\n"))
        await settled(pilot)
        assert not faulty.chats
        await press(pilot, "enter")
    assert (await turns(studio))[0] == ("user", "a\nbone\ntwo")


@pytest.mark.parametrize("key", ["ctrl+c", "escape"])
async def test_a_running_reply_is_stopped_first_and_what_came_is_kept(
    studio: Path, faulty: FaultyProvider, key: str
) -> None:
    faulty.chat = "slow"
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        await pilot.press("h", "i", "enter")
        view = app.screen.query_one(ChatView)
        await until(pilot, lambda: view.bubbles and "more more" in view.bubbles[-1].text)
        assert "esc stop" in rows(app)[-1] and "esc back" not in rows(app)[-1]
        await pilot.press(key)
        await until(pilot, lambda: faulty.left.is_set())
        shown = text(app)
        assert "Stopped." in shown and view.bubbles[-1].text.startswith("slow and steady more")
        assert app.screen.query_one(Prompt).has_focus, "only the reply was stopped"
        assert not view.bubbles[-1].growing
        await settled(pilot)
        assert app.is_running
    said = await turns(studio)
    assert said[0] == ("user", "hi") and said[1][1].startswith("slow and steady more")


async def test_what_goes_wrong_is_said_in_its_place_and_the_rest_is_kept(
    studio: Path, faulty: FaultyProvider
) -> None:
    faulty.chat = "drop"
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        shown = await press(pilot, "h", "i", "enter")
        lines = [row.split("│ ", 1)[-1].strip() for row in rows(app)]
        reply = lines.index("▌ slow and steady")
        assert lines[reply + 1].startswith("The reply broke off.")
        faulty.chat = error(404, "no such model", "model_not_found")
        shown = await press(pilot, "j", "enter")
        assert "│ j" in shown and shown.count("slow and steady") == 1
        faulty.chat = "ok"
        await press(pilot, "escape")
        shown = await press(pilot, "r")
        assert shown.count("▌ slow and steady") == 2
    assert await turns(studio) == [
        ("user", "hi"),
        ("assistant", "slow and steady"),
        ("user", "j"),
        ("assistant", "slow and steady"),
    ]


async def test_asking_again_and_editing_replace_what_was_saved(studio: Path, faulty: FaultyProvider) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        await press(pilot, "a", "enter", "b", "enter")
        faulty.chat = says("another ", "reply")
        await press(pilot, "escape")
        shown = await press(pilot, "r")
        assert "▌ another reply" in shown
        assert [message["content"] for message in faulty.chats[-1]["messages"]][1:] == [
            "a",
            "slow and steady",
            "b",
        ]
        shown = await press(pilot, "e")
        assert app.screen.query_one(Prompt).text == "b" and "editing the last message" in shown
        await press(pilot, "c", "enter")
        assert [message["content"] for message in faulty.chats[-1]["messages"]][1:] == [
            "a",
            "slow and steady",
            "bc",
        ]
        await press(pilot, "escape", "y")
        assert app.clipboard == "another reply"
    assert await turns(studio) == [
        ("user", "a"),
        ("assistant", "slow and steady"),
        ("user", "bc"),
        ("assistant", "another reply"),
    ]


async def test_a_new_chat_and_another_system_prompt_begin_anew(studio: Path, faulty: FaultyProvider) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        await press(pilot, "a", "enter")
        await press(pilot, "escape", "n")
        assert not app.screen.query_one(ChatView).bubbles
        await press(pilot, "escape", "s")
        prompt = app.screen.query_one(Prompt)
        assert prompt.text == "You are Tortoise."
        prompt.load_text("Be brief.")
        await press(pilot, "enter", "i", "b", "enter")
        assert faulty.chats[-1]["messages"][0] == {"role": "system", "content": "Be brief."}
        assert len(faulty.chats[-1]["messages"]) == 2
    async with await open_studio(studio) as archive:
        assert [row.system for row in await chats.chats(archive)] == ["Be brief.", "You are Tortoise."]


async def holding(studio: Studio, source: str, ended: threading.Event) -> asyncio.Task[None]:
    """A first import that has begun to write, and reads on until `ended`."""
    begun = threading.Event()

    def slowly() -> Iterator[Conversation]:
        yield studio_builder.fable(10)
        begun.set()
        ended.wait(60)

    taking = ingest(
        studio,
        source=source,
        importer="messenger",
        path="/export",
        conversations=slowly(),
        report=ImportReport(),
    )
    task = asyncio.create_task(taking)
    assert await asyncio.to_thread(begun.wait, 60)
    return task


async def test_a_chat_goes_on_while_an_import_writes(studio: Path, faulty: FaultyProvider) -> None:
    ended = threading.Event()
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        importing = await holding(await app.studio(), "another", ended)
        shown = await press(pilot, "h", "i", "enter")
        assert "slow and steady" in shown, "the reply waits for nobody"
        assert "this chat is saved when it has ended" in shown
        faulty.chat = says("another reply")
        assert "another reply" in await press(pilot, "o", "k", "enter")
        assert await app._studio.rows(str, "SELECT title FROM chats") == []  # type: ignore[union-attr]
        ended.set()
        await importing
        await until(pilot, lambda: "is saved when it has ended" not in text(app))
        # A new chat is another one, also where the old one is not saved yet.
        ended.clear()
        await press(pilot, "escape", "n")
        importing = await holding(await app.studio(), "a third", ended)
        await press(pilot, "n", "e", "w", "enter")
        asyncio.get_running_loop().call_later(0.3, ended.set)
    await importing
    async with await open_studio(studio) as archive:
        new, old = await chats.chats(archive)
        assert [(turn.role, turn.text) for turn in await chats.chat_turns(archive, old.id)] == [
            ("user", "hi"),
            ("assistant", "slow and steady"),
            ("user", "ok"),
            ("assistant", "another reply"),
        ]
        said = [turn.text for turn in await chats.chat_turns(archive, new.id)]
        assert said == ["new", "another reply"], "saved before the studio was left"


async def test_a_chat_outwaits_another_program(
    studio: Path, faulty: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its import may last longer than a write waits."""
    monkeypatch.setattr("engine.archive.studio.BUSY_MS", 50)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        with closing(sqlite3.connect(studio, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert "slow and steady" in await press(pilot, "h", "i", "enter")
            await asyncio.sleep(0.5)
            assert await app._studio.rows(str, "SELECT title FROM chats") == []  # type: ignore[union-attr]
        await until(pilot, lambda: "is saved when it has ended" not in text(app))
    assert await turns(studio) == [("user", "hi"), ("assistant", "slow and steady")]


async def test_the_end_is_followed_until_one_scrolls_away(studio: Path, faulty: FaultyProvider) -> None:
    faulty.chat = says(*[f"line {at}\n" for at in range(100)])
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.go(5, MODEL)
        await settled(pilot)
        assert "line 99" in await press(pilot, "a", "enter")
        view = app.screen.query_one(ChatView)
        await press(pilot, "escape")
        shown = await press(pilot, "g")
        assert "line 0" in shown and "line 99" not in shown and not view.following
        assert "G goes to the end" in shown
        view.add(Bubble("assistant", "late"))
        await settled(pilot)
        assert "late" not in text(app)
        assert "late" in await press(pilot, "G")


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_replies_titles_and_model_names_stay_text(
    tmp_path: Path, faulty: FaultyProvider, size: tuple[int, int]
) -> None:
    model = "ft:\x1b]0;x\x07[/]:\x9b31m"
    path = await trained(tmp_path / "studio.db", model=model, system="\x1b[2J[/] be\u202e")
    faulty.chat = says(*studio_builder.EVIL)
    app = UnderstudyApp(path)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        app.go(5, model)
        await settled(pilot)
        app.screen.query_one(Prompt).load_text("\x1b[31m[/] hello \u202e")
        await press(pilot, "enter")
        seen = await press(pilot, "escape", "g")
        for _ in range(4):
            shown = await press(pilot, "pagedown")
            seen += shown
            assert not set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E])) & set(shown) - {"\n"}
        assert "markup[/nope] [@click=app.quit]x[/]" in seen
        await press(pilot, "s")
        assert "␛[2J[/] be" in text(app)
        assert not set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E])) & set(text(app)) - {"\n"}
    assert (await turns(path))[1] == ("assistant", "".join(studio_builder.EVIL))


def test_figures_are_shown_only_where_they_were_measured() -> None:
    def drawn(**fields: object) -> str:
        return "\n".join(line.plain for line in bubble_lines(Bubble("assistant", "hi", **fields), 80, False))  # type: ignore[arg-type]

    assert drawn() == "▌ hi"
    assert (
        drawn(first_token=0.21, seconds=0.31, tokens=11) == "▌ hi\n  11 tokens · 0.2 s to the first · 100/s"
    )
    assert drawn(first_token=0.04, seconds=0.04, tokens=1) == "▌ hi\n  1 token · 0.04 s to the first"
    assert drawn(similarity=0.34, origin="x") == "▌ hi\n  nearest training line 34 % alike (o)"
    assert isinstance(ChatPane.DIGIT, int)
