"""The settings: where each comes from, and what a bad file or variable costs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from engine import config
from engine.config import starting_file
from engine.config.options import options, value
from engine.errors import StudioError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of this test, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "config" / "understudy" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def told(loaded: config.Loaded) -> list[tuple[int, str]]:
    return [(problem.line, f"{problem.message} {problem.hint}".strip()) for problem in loaded.problems]


def test_without_a_file_the_defaults_hold(file: Path) -> None:
    loaded = config.load({})
    assert config.file() == file
    assert loaded.settings == config.Settings()
    assert not loaded.sources and not loaded.problems


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(file: Path) -> None:
    file.write_text('theme = "light"\nmouse = false\n')
    loaded = config.load({"UNDERSTUDY_THEME": "ansi", "UNDERSTUDY_BOXES": "off", "UNDERSTUDY_SSH": ""})
    assert loaded.settings == config.Settings(theme="ansi", mouse=False, boxes=False)
    assert loaded.sources == {
        "theme": "UNDERSTUDY_THEME",
        "mouse": "the file, line 2",
        "boxes": "UNDERSTUDY_BOXES",
    }


@pytest.mark.parametrize("said", ["off", "false", "No", "0", "OFF"])
def test_a_switch_takes_the_usual_words(file: Path, said: str) -> None:
    assert config.load({"UNDERSTUDY_MOUSE": said}).settings.mouse is False


def test_every_wrong_line_is_told_and_costs_itself_alone(file: Path) -> None:
    file.write_text(
        '# mine\ntheme = "drak"\nmouze = true\nboxes = "maybe"\nthis is nothing\n'
        'mouse = false\nmouse = true\n[chat]\nmodel = "x"\n[keys]\nchat.new = "N"\n'
    )
    loaded = config.load({})
    assert loaded.settings == config.Settings(mouse=False, keys={"chat.new": "N"})
    lines = told(loaded)
    assert [line for line, _ in lines] == [5, 7, 2, 3, 4, 8]
    assert lines[0][1].startswith("This is no TOML")
    assert lines[2] == (2, "theme takes dark, light or ansi. It does not count.")
    assert lines[3] == (3, "There is no option mouze. The nearest is mouse.")
    assert lines[5][1].startswith("There is no option chat.")
    assert str(loaded.problems[2]) == f"{file}, line 2: theme takes dark, light or ansi. It does not count."


def test_a_wrong_variable_is_told_and_the_file_still_counts(file: Path) -> None:
    file.write_text('theme = "light"')
    loaded = config.load({"UNDERSTUDY_THEME": "puce"})
    assert loaded.settings.theme == "light"
    assert str(loaded.problems[0]).startswith("the environment: UNDERSTUDY_THEME takes dark, light or ansi.")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'theme = "light"\nmouse = "\xff"', 2),
        (b'theme = """light\n\n', 3),
        (b"keys = {", 1),
        (b"\x00\x00", 1),
        (b"\r\n\r\n[keys\r\n", 3),
    ],
)
def test_a_file_that_is_no_toml_costs_no_more_than_itself(file: Path, content: bytes, line: int) -> None:
    file.write_bytes(content)
    loaded = config.load({})
    assert loaded.settings == config.Settings()
    assert [problem.line for problem in loaded.problems] == [line]


def test_a_long_file_that_is_no_toml_is_told_shortly(file: Path) -> None:
    file.write_text("this is a novel\n" * 10_000 + "mouse = false")
    loaded = config.load({})
    assert loaded.settings == config.Settings() and len(loaded.problems) == 20


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_no_settings_and_told(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    loaded = config.load({})
    assert loaded.settings == config.Settings()
    assert [str(problem) for problem in loaded.problems] == [f"{file}: This is no file. It does not count."]


def test_the_null_device_stands_for_no_settings(file: Path) -> None:
    file.symlink_to("/dev/null")
    assert config.load({}) == config.Loaded(file=file)


def test_a_file_that_would_take_seconds_is_not_read(file: Path) -> None:
    file.write_text("# a comment\n" * 100_000 + "mouse = false")
    loaded = config.load({})
    assert loaded.settings == config.Settings()
    assert told(loaded) == [(0, "This is too long for settings. It does not count.")]


def test_a_value_of_a_wrong_kind_costs_itself_alone_wherever_it_stands(file: Path) -> None:
    file.write_text(
        'local = 3\ntheme = "light"\n[keys]\n"app.quit" = 5\n"app.help" = ["?", 5]\n"list.down" = [["j"]]\n'
        '"chat.new" = "N"\n"chat.model" = ["M", "f4"]\n'
    )
    loaded = config.load({})
    assert loaded.settings == config.Settings(
        theme="light", keys={"chat.new": "N", "chat.model": ["M", "f4"]}
    )
    assert [line for line, _ in told(loaded)] == [1, 4, 5, 6]
    assert told(loaded)[0] == (1, "local is a table, [local]. It does not count.")
    file.write_text('keys = "N"\nmouse = false')
    loaded = config.load({})
    assert loaded.settings == config.Settings(mouse=False)
    assert told(loaded) == [(1, "keys is a table, [keys]. It does not count.")]


@pytest.mark.parametrize("said", ["-1", "nan", "inf", "soon"])
def test_a_number_of_minutes_is_one(said: str) -> None:
    loaded = config.load({"UNDERSTUDY_LOCAL_UNLOAD_MINUTES": said})
    assert loaded.settings == config.Settings()
    assert "takes a number from 0 on" in str(loaded.problems[0])


def test_an_unreadable_file_is_told(file: Path) -> None:
    file.write_text("mouse = false")
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("root reads everything")
    assert "cannot be read" in config.load({}).problems[0].message


def test_a_path_in_the_file_begins_at_the_file(file: Path, tmp_path: Path) -> None:
    for given, wanted in (
        ("mine.db", file.parent / "mine.db"),
        ("/data/s.db", Path("/data/s.db")),
        ("~/s.db", Path.home() / "s.db"),
        ("", None),
    ):
        file.write_text(f'studio = "{given}"')
        assert config.load({}).settings.studio == wanted


def test_the_file_to_begin_with_says_the_defaults_and_every_option(file: Path) -> None:
    file.parent.rmdir()
    starting_file.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = config.load({})
    assert loaded.settings == config.Settings() and not loaded.problems
    written = tomllib.loads(file.read_text())
    for option in config.options():
        at = written
        for key in [option.name] if option.free else option.name.split("."):
            at = at[key]
        assert option.sentence in " ".join(file.read_text().replace("# ", "").split())
        assert option.free or option.variable in file.read_text()
        assert option.free or loaded.sources[option.name].startswith("the file, line ")
        assert option.sentence in " ".join(starting_file.help_text().split())


def test_a_file_that_is_there_is_never_written_over(file: Path) -> None:
    file.write_text("mouse = false")
    with pytest.raises(StudioError):
        starting_file.write(file)
    assert file.read_text() == "mouse = false"


class Lora(Struct, frozen=True):
    rank: int = 8


class Local(Struct, frozen=True):
    lora: Lora = Lora()


class More(Struct, frozen=True):
    local: Local = Local()


def test_a_table_of_its_own_is_one_more_struct() -> None:
    (option,) = options(More)
    assert (option.name, option.variable, option.default) == (
        "local.lora.rank",
        "UNDERSTUDY_LOCAL_LORA_RANK",
        8,
    )
    assert value(option, "16") == 16
    with pytest.raises(ValueError, match="many"):
        value(option, "many")


def test_the_theme_of_the_screen_holds_until_the_file_names_another(file: Path) -> None:
    config.remember_theme("light", config.load({}))
    loaded = config.load({})
    assert (loaded.settings.theme, loaded.sources["theme"]) == ("light", "chosen on the screen")
    config.remember_theme("ansi", loaded)
    assert config.load({}).settings.theme == "ansi"
    assert config.load({"UNDERSTUDY_THEME": "dark"}).settings.theme == "dark"
    file.write_text('theme = "light"')
    assert config.load({}).settings.theme == "light", "the newer word"
    config.remember_theme("dark", config.load({}))
    assert config.load({}).settings.theme == "dark"
    config.remember_theme("light", config.load({}))
    assert config.load({}).sources["theme"] == "the file, line 1", "as the file says, so nothing to remember"


def test_a_spoiled_memory_of_the_theme_costs_nothing(file: Path, tmp_path: Path) -> None:
    memory = tmp_path / "state" / "understudy" / "theme.json"
    memory.parent.mkdir(parents=True)
    for content in (b"", b"{", b"[]", b'{"theme":"puce","instead_of":"dark"}', b'{"theme":1}'):
        memory.write_bytes(content)
        assert config.load({}).settings == config.Settings()


# The command


def run(*args: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *args],
        env={**os.environ, "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home / "data"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_writes_shows_and_documents(tmp_path: Path) -> None:
    assert "none yet" in run("config", home=tmp_path).stderr
    assert run("config", "init", home=tmp_path).returncode == 0
    again = run("config", "init", home=tmp_path)
    assert again.returncode == 2 and "already" in again.stderr
    done = run("config", "--json", home=tmp_path, UNDERSTUDY_THEME="light")
    rows = {row["option"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["theme"] == {"option": "theme", "value": "light", "source": "UNDERSTUDY_THEME"}
    assert rows["mouse"]["source"].startswith("the file, line ")
    shown = run("config", "--help", home=tmp_path).stdout
    for option in config.options():
        assert {option.name, f"[{option.name}]"} & set(shown.split()), "a word of its own"
        assert option.sentence in " ".join(shown.split())
        assert option.name in rows


def test_every_command_tells_on_standard_error_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "understudy" / "config.toml"
    path.parent.mkdir()
    path.write_text('theme = "\x1b[31m"\n[keys]\n"chat.nwe" = "N"\n"chat.new" = "ctrl+s"\n')
    done = run("providers", home=tmp_path)
    assert done.returncode == 0 and "local" in done.stdout
    assert f"{path}, line 1: " in done.stderr and "\x1b" not in done.stderr and "Traceback" not in done.stderr
    done = run("config", home=tmp_path)
    assert done.returncode == 1
    assert f"{path}, line 3: There is no action chat.nwe. The nearest is chat.new." in done.stderr
    assert f"{path}, line 4: ctrl+s belongs to the terminal" in done.stderr
    keys = next(row.split() for row in done.stdout.splitlines() if row.startswith("keys"))
    assert keys[1:] == ["none", "default"], "what is refused is not in force"
    path.write_text('[keys]\n"chat.nwe" = "N"\n"chat.new" = "N"\n')
    keys = next(row.split() for row in run("config", home=tmp_path).stdout.splitlines() if row[:4] == "keys")
    assert keys[1] == "chat.new" and keys[2] != "default"


def test_a_provider_in_the_settings_is_the_one_that_is_asked(tmp_path: Path) -> None:
    done = run("models", home=tmp_path, UNDERSTUDY_PROVIDER="nobody")
    assert done.returncode == 2 and "nobody" in done.stderr
    assert (
        "nobody"
        not in run("models", "--provider", "openai", home=tmp_path, UNDERSTUDY_PROVIDER="nobody").stderr
    )
