"""Import reports are kept in the studio and printed again."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from messenger_export import said, write_thread
from real_command import understudy

from engine import cli
from engine.archive import forgetting, imports, open_studio
from engine.archive.schema import APPLICATION_ID, FIRST
from engine.archive.studio import connect
from engine.cli.output import minute
from engine.importers.report import EXAMPLES, Example, ImportReport, from_json, how_many, to_json


def test_a_report_is_the_same_again() -> None:
    report = ImportReport(owner="Zoë", rows_total=9, conversations=2, already_there=1)
    report.keep("speech")
    report.skip("empty", 3, Example("inbox/a.json, row 4", 1_700_000_000_000, "half \ud83d an emoji " * 20))
    report.skip("empty")
    report.skip("no time")
    report.bad_files.append(("na\udce4me.json", "is empty"))
    report.warnings.append("a note")
    again = from_json(to_json(report))
    assert again == report
    assert again.skipped["something else"] == 0
    [row] = again.behind("skipped: empty")
    assert len(row.text) == 80
    assert again.lines() == report.lines()
    assert from_json('{"rows_read": 3, "of a later version": 1}').rows_read == 3


def test_no_more_rows_are_noted_than_can_be_kept() -> None:
    report = ImportReport()
    for number in range(EXAMPLES + 50):
        report.skip("empty", example=Example(f"row {number}"))
    assert report.skipped["empty"] == EXAMPLES + 50
    assert report.room("skipped: empty") == 0
    assert report.behind("skipped: empty")[-1].place == f"row {EXAMPLES - 1}"
    both = ImportReport()
    both.skip("empty", example=Example("an earlier file"))
    both.add(report)
    both.add(report)
    assert both.skipped["empty"] == both.rows_read == 2 * EXAMPLES + 101
    assert [row.place for row in both.behind("skipped")[:2]] == ["an earlier file", "row 0"]
    assert len(both.behind("read")) == EXAMPLES
    [line] = [line for line in both.lines() if line.name == "skipped: empty"]
    assert how_many(line, len(both.behind(line.name))) == "the first 1,000 of 2,101"


def test_the_lines_of_a_report_and_what_is_behind_them() -> None:
    report = ImportReport()
    assert [(line.name, line.rows) for line in report.lines()] == [("read", 0), ("kept", 0), ("skipped", 0)]
    report.keep("speech", 5)
    report.skip("no time", 2, Example("row 6"))
    report.skip("empty", 1, Example("row 7"))
    report.repaired, report.joined = 3, 1
    report.note("kept", Example("row 1"))
    report.bad_files += [("a.json", "is empty"), ("b.json", "is cut short")]
    report.warnings.append("the newest may be missing")
    lines = {line.name: line for line in report.lines()}
    assert {name: line.rows for name, line in lines.items()} == {
        "read": 8, "kept": 5, "repaired": 3, "skipped": 3, "skipped: no time": 2, "skipped: empty": 1,
        "joined": 1, "bad files": 2, "notes": 1,
    }  # fmt: skip
    assert [row.place for row in report.behind("read")] == ["row 1", "row 6", "row 7"]
    assert report.reasons("skipped") == ["no time", "empty"], "each says why"
    assert report.reasons("read") == ["", "no time", "empty"]
    assert report.reasons("skipped: empty") == [], "the line says it"
    assert report.behind("bad files")[1] == ("b.json", None, "is cut short")
    assert report.behind("notes") == [("the newest may be missing", None, "")]
    assert how_many(lines["repaired"], 0) == "3, and not noted which"
    assert how_many(lines["skipped"], 2) == "2 of 3"


def test_imports_lists_and_prints_again(tmp_path: Path) -> None:
    export = tmp_path / "export"
    rows = [said("Nora", 1_700_000_000_000 + number * 1000, f"line {number}") for number in range(20)]
    write_thread(export, "ida_1", [*rows, said("Ida", 1_700_000_100_000)], ["Ida", "Nora"])
    studio = tmp_path / "studio.db"
    first = json.loads(understudy("import", str(export), "--json", studio=studio).stdout)
    understudy("import", str(export), "--source", "again", studio=studio)

    listed = [json.loads(line) for line in understudy("imports", "--json", studio=studio).stdout.splitlines()]
    assert [one["source"] for one in listed] == ["again", "messenger"]
    assert {name: listed[1][name] for name in first} == first | {"path": str(export)}
    assert listed[1]["time"].endswith("Z")
    plain = understudy("imports", studio=studio)
    assert "20 kept" in plain.stdout and "1 skipped" in plain.stdout

    number = str(listed[1]["id"])
    printed = understudy("imports", number, studio=studio)
    assert printed.returncode == 0
    assert "messenger, " in printed.stdout and "empty" in printed.stdout
    assert json.loads(understudy("imports", number, "--json", studio=studio).stdout) == listed[1]
    unknown = understudy("imports", number, "--line", "zzz", studio=studio)
    assert unknown.returncode == 2 and "empty" in unknown.stderr
    assert understudy("imports", "99", studio=studio).returncode == 2
    assert understudy("imports", "--line", "empty", studio=studio).returncode == 2


async def one(path: Path, report: ImportReport) -> int:
    import studio_builder

    await studio_builder.build(path, source="shown")
    with closing(connect(path)) as connection:
        imports.keep_import(connection, 1, "test", "/x", to_json(report), 1.5)
    async with await open_studio(path) as studio:
        (row,) = await imports.imports(studio)
        return row.id


async def test_the_rows_behind_a_line(tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    report = ImportReport()
    report.skip("no time", 2, Example("chat.db, message 7", None, "\x1b[2Jgone"))
    report.skip("empty", 1, Example("chat.db, message 8", 1_700_000_000_000))
    report.bad_files.append(("fox/message_1.json", "is empty"))
    number = str(await one(studio, report))
    for name in ("no ti", "No time", "skipped: no time"):
        shown = understudy("imports", number, "--line", name, studio=studio)
        assert "chat.db, message 7" in shown.stdout and "gone" in shown.stdout
        assert "\x1b" not in shown.stdout
        assert shown.stderr == "skipped: no time: 1 of 2.\n"
    shown = understudy("imports", number, "--line", "skip", studio=studio)
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["chat.db,", "message", "7", "no", "time", "␛[2Jgone"],
        ["chat.db,", "message", "8", *minute(1_700_000_000_000).split(), "empty"],
    ]
    assert "skipped: 2 of 3." in shown.stderr
    shown = understudy("imports", number, "--line", "skip", "--json", studio=studio)
    assert [json.loads(line)["reason"] for line in shown.stdout.splitlines()] == ["no time", "empty"]
    assert "is empty" in understudy("imports", number, "--line", "bad", studio=studio).stdout
    shown = understudy("imports", number, "--line", "no time", "--json", studio=studio)
    assert json.loads(shown.stdout) == {
        "line": "skipped: no time", "place": "chat.db, message 7", "time": None, "text": "\x1b[2Jgone",
        "reason": "no time",
    }  # fmt: skip


def test_every_line_of_a_real_import_opens_its_rows(tmp_path: Path) -> None:
    export = tmp_path / "export"
    rows = [said("Nora", 1_700_000_000_000 + number * 1000, f"líne {number}") for number in range(20)]
    long = "a-thread-with-a-name-that-is-longer-than-any-column-of-a-table_1"
    write_thread(export, long, [*rows, said("Ida", 1_700_000_100_000)], ["Ida", "Nora"])
    write_thread(export, long, rows[:7], ["Ida", "Nora"], section="archived_threads")
    studio = tmp_path / "studio.db"
    understudy("import", str(export), studio=studio)
    said_again = understudy("import", str(export), studio=studio).stderr
    wanted = {
        "read": 28, "kept": 20, "repaired": 20, "already there": 20, "skipped": 8, "repeated": 7, "empty": 1,
        "joined": 1,
    }  # fmt: skip
    for name, many in wanted.items():
        assert name in said_again
        shown = understudy("imports", "2", "--line", name, "--json", studio=studio)
        found = [json.loads(line) for line in shown.stdout.splitlines()]
        assert len(found) == many, name
        if name not in ("joined", "already there"):
            assert all(f"{long}/message_1.json, row " in row["place"] for row in found)
    plain = understudy("imports", "2", "--line", "empty", studio=studio)
    assert f"inbox/{long}/message_1.json, row 1 " in plain.stdout, "a place is never cut"


async def test_a_report_goes_with_its_source(tmp_path: Path) -> None:
    report = ImportReport()
    report.skip("no time", 1, Example("row 1", None, "quixotically"))
    await one(tmp_path / "studio.db", report)
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert len(await imports.imports(studio)) == 1
        await forgetting.forget(studio, await forgetting.find_source(studio, "shown"))
        assert await imports.imports(studio) == []
    assert b"quixotically" not in (tmp_path / "studio.db").read_bytes()


def test_a_studio_of_the_first_version_is_brought_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "studio.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST)
        connection.execute(
            "INSERT INTO sources (name, importer, path, imported_at) VALUES ('old', 'm', '/', 1)"
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert cli.main(["--studio", str(path), "imports"]) == 0
    assert "0 imports" in capsys.readouterr().err
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sources").fetchall() == [("old",)]
    connection.close()
