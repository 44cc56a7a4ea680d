"""[keys] in the settings: what is taken, what is refused, and that footer, help and palette show it."""

from __future__ import annotations

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text
from textual import events

from engine.config import Loaded, Settings
from tui import keymap
from tui.actions import ACTIONS
from tui.app import UnderstudyApp
from tui.keyboard import Parser
from tui.pane import Pane
from tui.widgets.field import Field
from tui.widgets.prompt import Prompt

FILE = Path("/config.toml")


def given(**keys: str | list[str]) -> Loaded:
    """Settings with these keys; `_` stands for the point in an id, and `__` for a hyphen."""
    named = {id.replace("__", "-").replace("_", ".", 1): value for id, value in keys.items()}
    lines = {f"keys.{id}": line for line, id in enumerate(named, 2)}
    return Loaded(settings=Settings(keys=named), lines=lines, file=FILE)


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


def test_actions_that_change_places_do_not_clash() -> None:
    moved, problems = keymap.read(given(chat_new="m", chat_model="n"))
    assert moved == {"chat.new": "m", "chat.model": "n"} and not problems


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"chat_nwe": "N"}, "line 2: There is no action chat.nwe. The nearest is chat.new."),
        ({"chat_new": "ctrl+s"}, "line 2: ctrl+s belongs to the terminal"),
        ({"chat_new": "Ctrl+Z"}, "line 2: ctrl+z belongs to the terminal"),
        ({"chat_new": "hyperspace"}, "line 2: There is no key hyperspace."),
        ({"chat_new": ""}, "line 2: chat.new takes a key, or a list of keys."),
        ({"chat_new": "m"}, "line 2: chat.new cannot take m: it is chat.model in the same place."),
        ({"chat_new": "q"}, "line 2: chat.new cannot take q: it is app.quit in the same place."),
        ({"chat_new": "j"}, "line 2: chat.new cannot take j: it is list.down in the same place."),
        ({"chunks_problem": "?"}, "line 2: chunks.problem cannot take ?: it is app.help in the same place."),
        (
            {"chat_new": "N", "chat_model": "N"},
            "line 3: chat.model cannot take N: it is chat.new in the same place.",
        ),
        ({"prompt_send": ["f5", ","]}, "line 2: prompt.send works while typing too"),
        ({"field_end": "e"}, "line 2: field.end works while typing too"),
        ({"pane_back": ["h", "space"]}, "line 2: pane.back is needed while typing too"),
        (
            {"choose_close": "ctrl+c"},
            "line 2: choose.close cannot take ctrl+c: it is app.interrupt in the same place.",
        ),
        ({"chat_new": "ctrl+["}, "line 2: ctrl+[ belongs to the terminal"),
        ({"chat_new": "shift+1"}, "line 2: There is no key shift+1."),
        ({"app_go": "x"}, "line 2: app.go works while typing too"),
        (
            {"chat_new": "m", "chat_model": "ctrl+s"},
            "line 2: chat.new cannot take m: it is chat.model in the same place.",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_line_and_the_default_stays(keys: dict[str, str], said: str) -> None:
    moved, problems = keymap.read(given(**keys))
    assert any(str(problem).startswith(f"{FILE}, {said}") for problem in problems), problems
    assert "chat.new" not in moved or "line 3" in said


def test_the_defaults_do_not_clash_with_themselves_and_every_action_can_be_moved() -> None:
    for group, actions in ACTIONS.items():
        for action in actions:
            id = f"{group}.{action.name}"
            assert keymap.read(Loaded(settings=Settings(keys={id: "f12"}))) == ({id: "f12"}, [])


async def test_a_moved_key_works_is_shown_and_the_old_one_is_free(studio: Path) -> None:
    loaded = given(conversations_find=["Y", "ctrl+f"], app_help="f1", app_quit="Q", choose_close="X")
    app = UnderstudyApp(studio, loaded=loaded)
    async with app.run_test(size=(120, 50)) as pilot:
        await settled(pilot)
        assert "Y find" in rows(app)[-1] and "f1 keys" in rows(app)[-1]
        before = text(app)
        assert await press(pilot, "slash", "question_mark", "q") == before, "the old keys do nothing"
        shown = await press(pilot, "f1")
        assert " Y  ctrl+f      find in all messages as you type" in shown
        await press(pilot, "escape", "ctrl+p", *"find in")
        assert any("find in all messages" in row and "Y" in row.split() for row in rows(app))
        await press(pilot, "escape", "f")
        assert "X close" in text(app)
        await press(pilot, "q")
        assert not isinstance(app.screen, Pane)
        await press(pilot, "X", "Y")
        assert isinstance(app.screen, Pane) and app.screen.query_one(Field).has_focus
        await press(pilot, *"hare Q")
        assert app.screen.query_one(Field).value == "hare Q", "typing is typing"
        await press(pilot, "escape", "Q")
        assert app.return_code == 0 and not app.is_running


@pytest.mark.parametrize(
    ("written", "sent", "shown"),
    [
        ("ctrl+]", "\x1d", "ctrl+]"),
        ("shift+i", "I", "I"),
        ("Ctrl+Space", "\x00", "ctrl+@"),
        ("F5", "\x1b[15~", "f5"),
        ("é", "é", "é"),
        ("@", "@", "@"),
    ],
)
async def test_a_key_is_what_the_terminal_sends_for_it(
    studio: Path, written: str, sent: str, shown: str
) -> None:
    parser = Parser()
    (key,) = [event for event in [*parser.feed(sent), *parser.feed("")] if isinstance(event, events.Key)]
    app = UnderstudyApp(studio, loaded=given(conversations_filter=written))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert f"{shown} filter" in rows(app)[-1]
        app.post_message(events.Key(key.key, key.character))
        await settled(pilot)
        assert "Narrow the list by" in text(app)


async def test_two_actions_on_one_key_keep_it_when_one_of_them_moves(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=given(chat_back="f4"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "5")
        active = {
            binding.id
            for bindings in app.screen._binding_chain
            for binding in bindings[1].key_to_bindings.get("escape", [])
        }
        assert "chat.stop-here" in active and "chat.back" not in active


async def test_every_sentence_names_the_moved_key(tmp_path: Path) -> None:
    sample = await studio_builder.build(tmp_path / "studio.db")
    await studio_builder.build(sample, studio_builder.group(), source="iMessage")
    keys = {"senders.same": "Y", "senders.not-same": "ctrl+n", "senders.join": "f9", "pane.zoom": "f8"}
    app = UnderstudyApp(sample, loaded=Loaded(settings=Settings(keys=keys)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "f8 next chunk" in shown
        assert "Y join   ctrl+n not the same" in shown
        assert "f9 joins the marked ones" in await press(pilot, "space")


async def test_the_way_back_stays_in_the_line_whatever_its_key(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=Loaded(settings=Settings(keys={"pane.back": ["h", "f4"]})))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "h back   ? keys" in await press(pilot, "enter")
        assert "Race committee" in await press(pilot, "h")


async def test_a_message_is_sent_with_the_key_that_was_chosen(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=given(prompt_send="f5", prompt_newline="ctrl+y", prompt_undo="f6"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "5")
        prompt = app.screen.query_one(Prompt)
        sent: list[str] = []
        prompt.action_send = lambda: sent.append(prompt.text)  # type: ignore[method-assign]
        prompt.focus()
        await press(pilot, "a", "enter", "b")
        assert prompt.text == "a\nb" and not sent
        await press(pilot, "f5")
        assert sent == ["a\nb"]


async def test_what_does_not_count_is_a_notice_on_the_screen(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=given(**{"[/]_\x1b[31m": "x", "chat_new": "ctrl+s"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = " ".join(text(app).split())
        assert f"{FILE}, line 2: There is no action [/].␛[31m." in shown
        assert "(1 more: `understudy config` lists them.)" in shown
        assert "? keys" in await press(pilot, "j"), "until the next key"
