"""Times that no date can be made of."""

import json
import time

import pytest

from engine.cli.output import day
from engine.conversation import FIRST_TIME, LAST_TIME, Conversation, Message, Sender
from engine.importers import ImportReport, recognise
from engine.importers.dated import dated

ZONES = ("Pacific/Kiritimati", "Etc/GMT+12")


@pytest.fixture(params=ZONES)
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("at", [FIRST_TIME + 1, 0, LAST_TIME - 1])
def test_every_time_that_is_taken_has_a_day_wherever_it_is_shown(zone, at):
    assert day(at)


def test_what_a_plug_in_gives_no_time_is_skipped():
    report = ImportReport()
    times = (LAST_TIME, 10**20, FIRST_TIME, 1.5, True, None, -1, 5)

    def spoken():
        for at in times:
            report.keep("speech")
            yield Message("", "a", at, f"at {at}")

    (found,) = dated(iter([Conversation("c", "C", (Sender("a", "A"),), spoken())]), report)
    assert [message.time for message in found.messages] == [-1, 5]
    assert (report.rows_read, report.kept, dict(report.skipped)) == (8, 2, {"no time": 6})


def test_the_last_day_of_all_is_no_time_for_a_download(tmp_path):
    folder = tmp_path / "messages" / "inbox" / "race_1"
    folder.mkdir(parents=True)
    said = [
        {"sender_name": "Hare", "timestamp_ms": at, "content": "done"}
        for at in (LAST_TIME + 1, 1_700_000_000_000)
    ]
    thread = {"participants": [{"name": "Hare"}], "title": "Race", "messages": said}
    (folder / "message_1.json").write_text(json.dumps(thread), "utf-8")
    report = ImportReport()
    for one in recognise(tmp_path).conversations(tmp_path, report):
        assert [message.time for message in one.messages] == [1_700_000_000_000]
    assert (report.kept, dict(report.skipped)) == (1, {"no time": 1})
