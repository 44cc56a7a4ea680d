"""The shell: panes, the line on top, the line of keys, help, palette, and the table behind them."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text
from textual import events
from textual.geometry import Size
from textual.message import Message

from engine.archive import open_studio, people
from tui import last_pane
from tui.actions import ACTIONS, bindings, find
from tui.app import PANES, UnderstudyApp
from tui.pane import Pane
from tui.screens.palette import Palette
from tui.screens.small import Small
from tui.themes import NAMES
from tui.widgets.ask import Ask
from tui.widgets.field import Field
from tui.widgets.key_line import AT_MOST

SIZES = [(80, 24), (120, 36), (160, 48)]
RESERVED = {f"ctrl+{letter}" for letter in "sqbaohmi"}
"""Of ctrl+z, see test_suspending: it does what the terminal would do with it."""


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


def test_every_binding_has_an_id_of_its_own_and_no_reserved_key() -> None:
    made = [binding for group in ACTIONS for binding in bindings(group)]
    assert all(binding.id for binding in made)  # type: ignore[union-attr]
    counts = Counter(binding.id for binding in made)  # type: ignore[union-attr]
    assert not [id for id, count in counts.items() if count > 1]
    keys = [key.strip() for binding in made for key in binding.key.split(",")]  # type: ignore[union-attr]
    assert not RESERVED & set(keys)


@pytest.mark.parametrize("size", SIZES)
async def test_bindings_of_the_running_app_all_come_from_the_table(
    studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in ("1", "2", "slash"):
            await press(pilot, key)
            for pressed, active in app.screen.active_bindings.items():
                assert find(active.binding.id), (pressed, active.binding)
                assert pressed not in RESERVED


async def test_digits_change_panes_except_while_typing(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "Hare" in text(app)
        assert "role" in await press(pilot, "2")
        await press(pilot, "1", "slash", "2")
        assert isinstance(app.screen, Pane) and app.screen.DIGIT == 1
        assert app.screen.query_one(Field).value == "2"
        await press(pilot, "ctrl+g", "2")
        assert app.screen.DIGIT == 2
        await press(pilot, "1")
        assert app.screen.query_one(Field).value == "2"


async def test_the_line_on_top_shortens_to_digits_and_says_the_most_urgent(studio: Path) -> None:
    app = UnderstudyApp(studio, demo=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert rows(app)[0].startswith(" 1 Conversations  2 Senders")
        assert rows(app)[0].endswith("demo")
        app.status.publish("provider", "local · ready")
        app.status.publish("job", "step 120/300 · loss 1.84 · LIVE", urgency=1)
        app.status.count(2, 1_042)
        await pilot.pause()
        assert rows(app)[0].endswith("demo · step 120/300 · loss 1.84 · LIVE")
        assert "2 Senders 1,042" in rows(app)[0]
        app.status.publish("job", "")
        await pilot.pause()
        assert rows(app)[0].endswith("demo · local · ready")
        await press(pilot, "2")
        app.status.count(1, 7)
        shown = await press(pilot, "1")
        assert "1 Conversations 7" in shown.splitlines()[0], "what changed while the pane was away"
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        app.status.publish("job", "job \x1b[31mft · step 120/300 · loss 1.84 · LIVE", urgency=1)
        await settled(pilot)
        assert rows(app)[0].startswith(" [1] 2")
        assert "Conversations" in rows(app)[0]
        assert rows(app)[0].endswith("job ␛[31mft · step 120/300 · loss 1.84 · LIVE")


@pytest.mark.parametrize("size", SIZES)
async def test_the_last_line_offers_at_most_six_keys_and_always_the_help(
    studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for keys in (["1"], ["enter"], ["2"]):
            shown = (await press(pilot, *keys)).splitlines()[-1]
            assert "? keys" in shown
            assert len(shown.strip().split("   ")) <= AT_MOST
            assert len(shown) <= size[0]


async def test_help_lists_the_keys_of_what_has_the_focus(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 50)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "question_mark")
        assert "find in all messages as you type" in shown
        assert "open the row under the bar" in shown
        assert "copy the message" not in shown
        await press(pilot, "escape", "enter")
        assert "or the message under the bar" in await press(pilot, "question_mark")


async def test_a_help_that_is_too_long_for_its_line_goes_on_under_itself(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(60, 50)) as pilot:
        await settled(pilot)
        lines = (await press(pilot, "2", "question_mark")).splitlines()
        first = next(at for at, line in enumerate(lines) if "this is me: the exports" in line)
        rest = lines[first + 1]
        assert rest.rstrip().endswith("mine")
        assert len(rest) - len(rest.lstrip()) == lines[first].index("this is me")


async def test_the_palette_finds_an_action_by_name_and_does_it(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "ctrl+p", *"copy")
        assert "or the message under the bar" in shown, "actions of other parts of the pane are listed too"
        assert "Nothing here is called that." in await press(pilot, *"zz")
        shown = await press(pilot, "ctrl+u", *"senders")
        assert "Nothing here" not in shown
        assert "go to Senders" in shown
        await press(pilot, "enter")
        assert isinstance(app.screen, Pane) and app.screen.DIGIT == 2


@pytest.mark.parametrize("digit", "12345")
async def test_the_palette_has_every_action_that_can_be_done(studio: Path, digit: str) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, digit)
        can = {one.binding.id for one in app.screen.active_bindings.values() if one.enabled}
        found = {f"{item.group}.{item.action.name}" for item in Palette(app.screen).items}
        assert can <= found, can - found


async def test_help_lists_what_does_not_apply_now_too(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 50)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "question_mark")
        assert "next hit" in shown and "load the sample exports" in shown, (
            "nothing is searched, nothing empty"
        )


def test_every_pane_has_its_key_and_no_key_leads_nowhere() -> None:
    keys = {action.keys for action in ACTIONS["app"] if action.name.startswith("pane-")}
    assert keys == {str(pane.digit) for pane in PANES}


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_sheet_fills_a_narrow_screen_and_leaves_room_around_it_on_a_wide_one(
    studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "f")
        sheet = app.screen.query_one("#sheet")
        assert sheet.region.width == (80 if size[0] == 80 else 72)
        assert sheet.region.y > 0, "it lies over the pane, which is seen above it"


async def test_z_does_nothing_while_no_detail_is_shown(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        before = text(app)
        assert await press(pilot, "z") == before


async def test_the_panes_keep_their_names_while_a_long_state_gives_way(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for state in ("x" * 20, "x" * 90):
            app.status.publish("job", state, urgency=1, shorter=["in short"])
            await pilot.pause()
            assert rows(app)[0].startswith(" 1 Conversations  2 Senders")
        assert rows(app)[0].endswith("in short")


async def test_themes_go_round_and_leave_the_app_alive(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        first = app.theme
        for _ in NAMES:
            assert "Hare" in await press(pilot, "T")
        assert app.theme == first


async def test_notifications_are_safe_and_never_markup(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settled(pilot)
        app.notify("[/] \x1b]52;c;x\x07", title="[/nope] \x9b", markup=True)
        app.screen.notify("[/some/path]")
        await settled(pilot)
        shown = text(app)
        assert "[/] ␛]52;c;x␇" in shown
        assert "[/some/path]" in shown


async def test_what_is_typed_and_pasted_while_a_sheet_opens_is_taken_in_its_order(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        answers: list[str | None] = []
        app.push_screen(Ask("Which word?"), answers.append)
        assert not app.screen.is_mounted
        for typed in (*"slow", " and ", *"steady"):
            app.post_message(events.Key(typed, typed) if len(typed) == 1 else events.Paste(typed))
        app.post_message(events.Key("enter", "\r"))
        await settled(pilot)
        assert answers == ["slow and steady"]
        assert "Race committee" in text(app)


async def test_a_broken_text_is_copied_as_far_as_it_can_be(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.copy("harbour \ud800 \udc9b")
        await settled(pilot)
        assert app.clipboard == "harbour ? ?"
        assert "Sent to the terminal's clipboard." in text(app)


async def test_a_narrow_screen_shows_one_thing_at_a_time(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Race committee" in text(app) and "Speed is key" not in text(app)
        shown = await press(pilot, "enter")
        assert "Race committee" not in shown and "Speed is key" in shown
        assert "esc back" in shown.splitlines()[-1]
        assert "Race committee" in await press(pilot, "escape")
        await press(pilot, "enter")
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert "Race committee" in text(app) and "Speed is key" in text(app)
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "Race committee" not in text(app) and "Speed is key" in text(app)


@pytest.mark.parametrize(("digit", "at"), [(2, (75, 4)), (3, (60, 6))])
async def test_what_the_mouse_selects_is_what_the_copy_key_copies(
    studio: Path, digit: int, at: tuple[int, int]
) -> None:
    async with await open_studio(studio) as archive:
        await people.set_ai(archive, (await people.find_person(archive, "Tortoise")).id)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        before = await press(pilot, str(digit))
        await pilot.mouse_down(offset=at)
        await pilot.hover(offset=(at[0] + 20, at[1] + 1))
        await pilot.mouse_up(offset=(at[0] + 20, at[1] + 1))
        await settled(pilot)
        assert "y copies what is selected." in rows(app)[-1]
        assert "Sent to the terminal's clipboard." in await press(pilot, "y")
        assert any(line and line in before for line in app.clipboard.splitlines())


async def test_the_studio_opens_in_the_pane_that_was_left(studio: Path, tmp_path: Path) -> None:
    for digit, found in (("4", 1), ("2", 4), ("1", 2), ("1", 1)):
        app = UnderstudyApp(studio)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            assert isinstance(app.screen, Pane) and found == app.screen.DIGIT
            await press(pilot, digit)
            assert isinstance(app.screen, Pane) and digit == str(app.screen.DIGIT)
    assert last_pane.load(tmp_path / "another.db") == 1
    last_pane.save(studio, 9)
    async with UnderstudyApp(studio).run_test() as pilot:
        await settled(pilot)
        assert isinstance(pilot.app.screen, Pane) and pilot.app.screen.DIGIT == 1, "there is no such pane"


async def test_a_file_that_is_no_studio_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    path.write_text("this is not a database, and it is longer than a header would be " * 20)
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = text(app)
        assert "studio.db" in shown
        assert "Error" not in shown and "Traceback" not in shown


async def test_the_first_paint_waits_for_nothing(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "new" / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert rows(app)[0].startswith(" 1 Conversations")
        await settled(pilot)
        assert "Nothing here yet." in text(app)


async def test_a_pane_that_comes_back_is_painted_whole(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        first = text(app)
        await press(pilot, "2", "3", "2")
        await pilot.pause(0.1)
        assert await press(pilot, "1") == first


def test_a_field_that_is_made_before_its_pane_stands(tmp_path):
    UnderstudyApp(tmp_path / "studio.db").clear_selection()  # Textual's own raises: there is no screen yet


@pytest.mark.parametrize("small", [(59, 30), (120, 14), (20, 5), (1, 1)])
async def test_a_window_that_is_too_small_says_so_and_everything_is_kept(
    studio: Path, small: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "j", "slash", *"lettuce")
        before = text(app)
        await pilot.resize_terminal(*small)
        await settled(pilot)
        assert isinstance(app.screen, Small)
        assert small[0] < 20 or "60 x 15 is enough." in text(app)
        await press(pilot, "x", "2", "question_mark", "ctrl+p", "escape")  # nobody could see what they do
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert text(app) == before


async def test_a_window_that_begins_too_small_grows_into_the_studio(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(20, 5)) as pilot:
        await settled(pilot)
        assert " ".join(text(app).split()) == "20 x 5 is too small. 60 x 15 is enough."
        await pilot.resize_terminal(60, 15)
        await settled(pilot)
        assert "2 conversations" in text(app) and "? keys" in text(app)
        await press(pilot, "question_mark")
        await pilot.resize_terminal(20, 5)
        await settled(pilot)
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "next part of the pane" in text(app), "the help is still open"


@pytest.mark.parametrize("keys", [(), ("question_mark",), ("ctrl+p",), ("i",)])
async def test_two_sizes_that_wait_are_not_laid_out_in_turns(tmp_path: Path, keys: tuple[str, ...]) -> None:
    app = UnderstudyApp(await studio_builder.build(tmp_path / "studio.db", studio_builder.fable()))
    heard = 0

    def hear(message: Message) -> None:
        nonlocal heard
        heard += isinstance(message, events.Resize)
        assert heard < 1000, "it goes on for ever"

    async with app.run_test(size=(100, 30), message_hook=hear) as pilot:
        await settled(pilot)
        await pilot.press(*keys)
        await settled(pilot)
        heard = 0
        for size in (Size(99, 29), Size(100, 30)):
            app.screen.post_message(events.Resize(size, size))
            app.screen.call_later(app.bell)  # of two in a row the first one is dropped
        await asyncio.sleep(0.3)
        assert 2 <= heard < 20
        assert app.screen.size == Size(100, 30)
