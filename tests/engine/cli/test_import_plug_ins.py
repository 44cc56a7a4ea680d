"""Importers of third parties, LangChain's chat loaders, and stopping an import with ctrl+c."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from plug_in import diary, install
from pseudo_terminal import PseudoTerminal
from real_command import COMMAND, environment, understudy

from engine import samples
from engine.archive import leaving_out, open_studio, people, reading
from engine.archive.studio import connect
from engine.chat.sessions import chat_sessions
from engine.importers.langchain_loader import LangChainImporter, milliseconds
from engine.importers.report import ImportReport, remaining

WHATSAPP = "langchain_community.chat_loaders.whatsapp:WhatsAppChatLoader"
LOADER = """
from datetime import datetime, timezone

from langchain_core.chat_loaders import BaseChatLoader
from langchain_core.messages import AIMessage, HumanMessage

AT = datetime(2024, 5, 1, 20, 0, tzinfo=timezone.utc)


class Two(BaseChatLoader):
    def __init__(self, path):
        self.path = path

    def lazy_load(self):
        def human(sender, text, **more):
            return HumanMessage(content=text, additional_kwargs={"sender": sender, **more})

        yield {"messages": [
            human("Ida", "are you up", message_time=AT.isoformat()),
            human("Nora", "barely", message_time=AT.timestamp() + 60),
            human("Nora", " "),
            human("Ida", "the same", message_time=int(AT.timestamp() * 1000) + 120_000),
            human("Ida", "the same", message_time=int(AT.timestamp() * 1000) + 120_000),
            human("+1555", "mine", is_from_me=True),
        ]}
        yield {"messages": [AIMessage(content=[{"type": "text", "text": "in parts"}])]}
        yield "no session"
        raise ZeroDivisionError("half way")


class Broken(BaseChatLoader):
    def __init__(self, path):
        raise KeyError("nothing here")

    def lazy_load(self):
        yield
"""


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH with an installed importer plug-in and a module of chat loaders."""
    folder = install(tmp_path_factory.mktemp("plug-in"))
    (folder / "two_loader.py").write_text(LOADER)
    return os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH", "")) if part)


def test_an_installed_plug_in_is_found_and_used(tmp_path: Path, plug_in: str) -> None:
    export = diary(tmp_path / "may.txt", 10)
    with export.open("a") as file:
        file.write("something else entirely\n")
    studio = tmp_path / "studio.db"
    assert understudy("import", str(export), studio=studio).returncode == 2, "not without the plug-in"
    done = understudy("import", str(export), "--json", studio=studio, PYTHONPATH=plug_in)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["importer"], said["kept"], said["skipped"]) == ("diary", 10, {"no line of a diary": 1})
    shown = understudy("imports", "1", "--line", "no line", studio=studio)
    assert shown.stdout.split() == ["line", "12", "something", "else", "entirely"]
    again = understudy("import", str(export), "--json", studio=studio, PYTHONPATH=plug_in)
    assert json.loads(again.stdout)["already_there"] == 10


def test_ctrl_c_leaves_the_studio_as_it_was(tmp_path: Path, plug_in: str) -> None:
    studio = tmp_path / "studio.db"
    first = diary(tmp_path / "first.txt", 10)
    assert understudy("import", str(first), studio=studio, PYTHONPATH=plug_in).returncode == 0
    before = dump(studio)
    slow = diary(tmp_path / "slow.txt", 100_000, text="wait")
    command = [*COMMAND, "import", str(slow), "--source", "slow"]
    with PseudoTerminal(
        command, columns=100, rows=8, environment=environment(studio, PYTHONPATH=plug_in)
    ) as seen:
        shown = seen.wait_for(" left")
        assert "of about 100,000 rows" in shown and "min left" in shown
        seen.child.sendintr()
        assert seen.wait_for_end() == 130
        assert "Interrupted." in seen.text() and "Traceback" not in seen.text()
        assert "rows" not in seen.text(), "the line of progress is gone"
    assert dump(studio) == before


def dump(studio: Path) -> list[str]:
    """Every row of every table, except of the search index."""
    with connect(studio) as connection:
        found = [line for line in connection.iterdump() if "speech_index" not in line]
    connection.close()
    return found


def test_the_time_that_is_left() -> None:
    assert remaining(0, 100, 9) == remaining(5, None, 9) == remaining(5, 100, 0.1) == ""
    assert remaining(50, 100, 10) == "about 10 s left"
    assert remaining(10, 1000, 10) == "about 16 min left"
    assert remaining(999, 1000, 10) == "less than a second left"
    assert remaining(120, 100, 10) == "finishing", "what was read is put in order"


def test_a_langchain_loader_from_the_command_line(tmp_path: Path, plug_in: str) -> None:
    studio = tmp_path / "studio.db"
    command = ("import", str(tmp_path), "--loader", "two_loader:Two", "--owner", "Nora", "--json")
    done = understudy(*command, studio=studio, PYTHONPATH=plug_in)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["importer"], said["kept"], said["skipped"]) == ("Two", 6, {"empty": 1})
    assert [one["reason"] for one in said["bad_files"]] == [
        "is no ChatSession", "Two stopped: ZeroDivisionError half way",
    ]  # fmt: skip
    assert any("3 messages have no time" in one for one in said["warnings"])
    shown = understudy("show", "1", "--json", studio=studio).stdout.splitlines()
    rows = [json.loads(line) for line in shown]
    assert [(row["sender"], row["text"], row["time"][11:19]) for row in rows] == [
        ("Ida", "are you up", "20:00:00"),
        ("Nora", "barely", "20:01:00"),
        ("Ida", "the same", "20:02:00"),
        ("Ida", "the same", "20:02:00"),
        ("Nora", "mine", "20:02:00"),
    ]
    again = understudy(*command, studio=studio, PYTHONPATH=plug_in)
    assert json.loads(again.stdout)["already_there"] == 6


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        ("nonsense", "module:Class"),
        ("no_such_module:X", "There is no module no_such_module."),
        ("two_loader:Tow", "It has Two, Broken"),
        ("two_loader:AT", "no chat loader AT"),
        ("two_loader:Broken", "Broken cannot read"),
    ],
)
def test_a_loader_that_is_not_there_or_raises(tmp_path: Path, plug_in: str, loader: str, said: str) -> None:
    studio = tmp_path / "studio.db"
    done = understudy("import", str(tmp_path), "--loader", loader, studio=studio, PYTHONPATH=plug_in)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not studio.exists()


def test_a_loader_of_langchain_community(tmp_path: Path) -> None:
    chat = tmp_path / "chat.txt"
    chat.write_text("[8/15/23, 9:12:33 AM] Ida: Hi, Nora!\n[8/15/23, 9:13:20 AM] Nora: Hi\n")
    report = ImportReport()
    [conversation] = LangChainImporter(WHATSAPP).conversations(chat, report)
    assert [message.text for message in conversation.messages] == ["Hi, Nora!", "Hi"]
    assert "2 messages have no time" in report.warnings[0]


def test_times_of_every_unit() -> None:
    at = datetime(2024, 5, 1, 20, 0, tzinfo=UTC)
    time = round(at.timestamp() * 1000)
    cocoa = (time - 978_307_200_000) * 10**6
    values = (at, at.isoformat(), time, time / 1000, time * 1000, time * 10**6, cocoa, str(time))
    assert {milliseconds(value) for value in values} == {time}
    assert [milliseconds(value) for value in (None, "", "noon", -1, True, 1e30, float("nan"))] == [None] * 7


async def test_conversations_come_out_as_chat_sessions_and_in_again(tmp_path: Path) -> None:
    import studio_builder
    from langchain_core.messages import AIMessage

    path = await studio_builder.build(tmp_path / "studio.db")
    async with await open_studio(path) as studio:
        ai = await people.find_person(studio, "Tortoise")
        sessions = [session async for session in chat_sessions(studio, ai.id)]
        owl = await people.find_person(studio, "Owl")
        await people.leave_out(studio, owl.id, True)
        fewer = [session async for session in chat_sessions(studio)]
        [race] = [row for row in await reading.conversations(studio) if row.kind == "group"]
        fox = await people.find_person(studio, "Fox")
        await leaving_out.leave_out_there(studio, fox.id, race.id, True)
        without = {
            message.additional_kwargs["sender"]
            async for session in chat_sessions(studio)
            for message in session["messages"]
        }
        await leaving_out.leave_out_conversation(studio, race.id, True)
        left = [session async for session in chat_sessions(studio)]
    assert len(sessions) == 2 and without == {"Hare", "Tortoise", "Mole"} and len(left) == 1
    rows = [message for session in sessions for message in session["messages"]]
    assert {message.additional_kwargs["sender"] for message in rows if isinstance(message, AIMessage)} == {
        "Tortoise"
    }
    assert all(message.additional_kwargs["message_time_as_datetime"].tzinfo for message in rows)
    assert {type(message).__name__ for session in fewer for message in session["messages"]} == {
        "HumanMessage"
    }
    assert not any(m.additional_kwargs["sender"] == "Owl" for session in fewer for m in session["messages"])
    for session in sessions:
        times = [message.additional_kwargs["message_time"] for message in session["messages"]]
        assert times == sorted(times)


def test_nothing_of_langchain_is_loaded_without_a_loader(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from engine import cli; "
        f"cli.main(['--studio', {str(tmp_path / 's.db')!r}, 'import', {str(samples.messenger())!r}]); "
        "sys.exit('langchain_core' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
