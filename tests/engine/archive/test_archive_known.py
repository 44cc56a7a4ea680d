"""The main export and the encrypted one, imported one after the other: one conversation, nothing twice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messenger_export import said, secure_bytes, write_thread, wrote

from engine.archive import open_studio, reading, searching
from engine.archive.ingest import ingest
from engine.archive.leaving_out import leave_out_conversation
from engine.archive.studio import Studio
from engine.importers import ImportReport
from engine.importers.messenger import MessengerImporter

T = 1_700_000_000_000


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


async def take(studio: Studio, path: Path, source: str = "messenger") -> ImportReport:
    report = ImportReport()
    await ingest(
        studio,
        source=source,
        importer="messenger",
        path=str(path),
        conversations=MessengerImporter().conversations(path, report),
        report=report,
    )
    return report


async def held(studio: Studio) -> list[tuple[str, list[str]]]:
    """Title and texts of every conversation."""
    return sorted(
        [
            (row.title, [message.text for message in await reading.messages(studio, row.id)])
            for row in await reading.conversations(studio)
        ]
    )


@pytest.fixture
def main(tmp_path: Path) -> Path:
    photo = [{"uri": "messages/e2ee_cutover/zoe_1/photos/1_n.jpg"}]
    rows = [said("Zoë", T, "before"), said("Me", T + 1, photos=photo), said("Me", T + 2, "at the cut")]
    export = tmp_path / "main"
    write_thread(export, "zoe_1", rows, ["Zoë", "Me"], section="e2ee_cutover", title="Zoë")
    write_thread(export, "bob_2", [said("Bob", T, "hello")], ["Bob", "Me"], title="Bob")
    return export


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    rows = [
        wrote("Me", T + 1, "", type="media", media=[{"uri": "./media/7.jpg"}]),
        wrote("Me", T + 2, "at the cut"),
        wrote("Zoë", T + 3, "after"),
    ]
    export = tmp_path / "encrypted"
    export.mkdir()
    (export / "Zoë_7.json").write_bytes(secure_bytes("Zoë_7", rows, ["Zoë", "Me"]))
    return export


WHOLE = [("Bob", ["hello"]), ("Zoë", ["before", "", "at the cut", "after"])]


@pytest.mark.parametrize(
    "order", ["main encrypted", "encrypted main", "main encrypted main", "encrypted main encrypted"]
)
async def test_in_any_order(
    studio: Studio, order: str, request: pytest.FixtureRequest, main: Path, encrypted: Path
) -> None:
    for name in order.split():
        await take(studio, request.getfixturevalue(name))
    assert await held(studio) == WHOLE


async def test_together_and_then_each(studio: Studio, tmp_path: Path, main: Path, encrypted: Path) -> None:
    await take(studio, encrypted)
    (main / "Zoë_9.json").write_bytes((encrypted / "Zoë_7.json").read_bytes())
    await take(studio, main)
    assert (await take(studio, encrypted)).already_there == 3
    assert await held(studio) == WHOLE


async def test_a_newer_encrypted_export_counts_its_threads_anew(studio: Studio, encrypted: Path) -> None:
    await take(studio, encrypted)
    rows = [wrote("Me", T + 2, "at the cut"), wrote("Zoë", T + 3, "after"), wrote("Me", T + 4, "later")]
    (encrypted / "Zoë_7.json").unlink()
    (encrypted / "Zoë_12.json").write_bytes(secure_bytes("Zoë_12", rows, ["Zoë", "Me"]))
    await take(studio, encrypted)
    assert await held(studio) == [("Zoë", ["", "at the cut", "after", "later"])]


async def test_another_source_is_kept_apart(studio: Studio, main: Path, encrypted: Path) -> None:
    await take(studio, main)
    await take(studio, encrypted, source="secure storage")
    assert len(await held(studio)) == 3


async def test_two_threads_of_one_name_are_not_guessed_between(
    studio: Studio, tmp_path: Path, main: Path, encrypted: Path
) -> None:
    rows = [said("Zoë", T, "I am another Zoë")]
    write_thread(main, "zoe_3", rows, ["Zoë", "Me"], section="e2ee_cutover", title="Zoë")
    await take(studio, main)
    await take(studio, encrypted)
    assert len(await held(studio)) == 4


async def test_a_deleted_account_is_never_found_again(studio: Studio, tmp_path: Path) -> None:
    gone = ["Facebook user", "Me"]
    write_thread(
        tmp_path / "a", "x_1", [said(None, T, "hi")], gone, section="e2ee_cutover", title="Facebook user"
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x_1.json").write_bytes(secure_bytes("Facebook user_1", [wrote("", T + 1, "ho")], gone))
    await take(studio, tmp_path / "a")
    await take(studio, tmp_path / "b")
    assert [texts for _, texts in await held(studio)] == [["hi"], ["ho"]]


@pytest.mark.parametrize("older_first", [True, False])
async def test_what_was_taken_back_is_one_message_in_either_order(
    studio: Studio, tmp_path: Path, older_first: bool
) -> None:
    older = [said("Ann", T, "hello"), said("Ann", T + 1, "a secret"), said("Me", T + 2, "what?")]
    taken = {"sender_name": "Ann", "timestamp_ms": T + 1, "is_unsent": True}
    newer = [older[0], taken, older[2], said("Me", T + 9, "oh")]
    downloads = [(tmp_path / "older", older), (tmp_path / "newer", newer)]
    for folder, rows in downloads if older_first else downloads[::-1]:
        write_thread(folder, "ann_1234567890123", rows, ["Ann", "Me"], title="Ann")
        await take(studio, folder)
    (conversation,) = await reading.conversations(studio)
    spoken = await reading.messages(studio, conversation.id)
    assert [(row.kind, row.text) for row in spoken] == [
        ("speech", "hello"), ("unsent", ""), ("speech", "what?"), ("speech", "oh"),
    ]  # fmt: skip
    assert not await searching.search(studio, "secret")


async def test_an_account_that_changed_its_language_brings_no_call_twice(
    studio: Studio, tmp_path: Path
) -> None:
    for folder, called, left in (
        ("english", "Ann called you.", "Ann left the group."),
        ("german", "Ann hat dich angerufen.", "Ann hat die Gruppe verlassen."),
    ):
        rows = [said("Ann", T, called, call_duration=9), said("Ann", T + 1, left), said("Ann", T + 2, "bye")]
        write_thread(tmp_path / folder, "ann_1234567890123", rows, ["Ann", "Me"], title="Ann")
        await take(studio, tmp_path / folder)
    (conversation,) = await reading.conversations(studio)
    spoken = await reading.messages(studio, conversation.id)
    assert [(row.kind, row.text) for row in spoken] == [
        ("call", "Ann hat dich angerufen."), ("event", "Ann hat die Gruppe verlassen."), ("speech", "bye"),
    ]  # fmt: skip


async def test_a_renamed_thread_goes_on(studio: Studio, tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"{n}") for n in range(6)]
    write_thread(tmp_path / "old", "ann_1234567890123", rows[:4], ["Ann", "Me"], title="Ann", per_file=3)
    renamed = [row | {"sender_name": "Ann Lee"} for row in rows]
    write_thread(
        tmp_path / "new", "annlee_1234567890123", renamed, ["Ann Lee", "Me"], title="Ann Lee", per_file=2
    )
    await take(studio, tmp_path / "old")
    assert (await take(studio, tmp_path / "new")).already_there == 4
    assert await held(studio) == [("Ann Lee", [f"{n}" for n in range(6)])]


THREE = ("old", "encrypted", "newer")


@st.composite
def lines_of_three(draw: st.DrawFn) -> dict[str, list[tuple[int, str, str]]]:
    """What each of three downloads holds of one conversation: (time, sender, text), in spoken order."""
    steps = draw(st.lists(st.integers(0, 2), min_size=3, max_size=12))
    texts = st.sampled_from(["ha", "ha", "é", "", "Reacted badly", "again"])
    time, spoken = T, list[tuple[int, str, str]]()
    for step in steps:
        time += step
        spoken.append((time, draw(st.sampled_from(["Zoë", "Me"])), draw(texts)))
    # What is the same in each row is told apart by its time and text alone: so it is in the exports.
    spoken = list({(time, text): (time, sender, text) for time, sender, text in spoken}.values())
    cut, end = sorted(draw(st.tuples(st.integers(0, len(spoken)), st.integers(0, len(spoken)))))
    return {"old": spoken[:cut] or spoken[:1], "newer": spoken[: max(end, 1)], "encrypted": spoken[cut:]}


def photo_or(text: str, row: dict[str, object]) -> dict[str, object]:
    return row if text else row | {"content": None, "photos": [{"uri": "photos/1_n.jpg"}]}


def write_three(folder: Path, lines: dict[str, list[tuple[int, str, str]]]) -> None:
    for name, section in (("old", "inbox"), ("newer", "e2ee_cutover")):
        rows = [photo_or(text, said(sender, time, text)) for time, sender, text in lines[name]]
        write_thread(folder / name, "zoe_1234567890123", rows, ["Zoë", "Me"], section=section, title="Zoë")
    media: dict[str, object] = {"type": "media", "media": [{"uri": "./media/7.jpg"}]}
    rows = [wrote(sender, time, text, **({} if text else media)) for time, sender, text in lines["encrypted"]]
    (folder / "encrypted").mkdir()
    (folder / "encrypted" / "Zoë_7.json").write_bytes(secure_bytes("Zoë_7", rows, ["Zoë", "Me"]))


@pytest.mark.parametrize("order", list(permutations(THREE)), ids=" ".join)
@given(lines=lines_of_three())
@settings(max_examples=8, deadline=None)
def test_three_downloads_are_one_conversation_in_every_order(
    order: tuple[str, ...], lines: dict[str, list[tuple[int, str, str]]]
) -> None:
    """Nothing is lost and nothing is there twice; and so it stays when each of them is read once more."""

    async def check(folder: Path) -> None:
        write_three(folder, lines)
        wanted = sorted({(time, sender, text) for told in lines.values() for time, sender, text in told})
        async with await open_studio(folder / "studio.db") as studio:
            for name in (*order, *order[::-1]):
                await take(studio, folder / name)
            (row,) = await reading.conversations(studio)
            there = await reading.messages(studio, row.id)
            assert sorted((one.time, one.sender, one.text) for one in there) == wanted
            assert (row.title, row.messages) == ("Zoë", len(wanted))
            assert [one.time for one in there] == sorted(one.time for one in there)
            await sound(studio)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder)))


async def sound(studio: Studio) -> None:
    """The index and the figures are those of the messages."""
    async with studio.writing() as connection:
        await connection.execute(
            "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
        )
        for sql in (
            "SELECT messages <> (SELECT count(*) FROM messages WHERE conversation = c.id)"
            " FROM conversations c",
            "SELECT messages <> (SELECT count(*) FROM messages m WHERE m.sender = s.id) FROM senders s",
            "SELECT count(*) FROM pragma_foreign_key_check",
        ):
            assert not any(row[0] for row in await connection.execute_fetchall(sql))


async def test_what_was_left_out_stays_so_when_two_become_one(
    studio: Studio, main: Path, encrypted: Path, tmp_path: Path
) -> None:
    write_thread(tmp_path / "old", "zoe_1", [said("Zoë", T, "before")], ["Zoë", "Me"], title="Zoë")
    await take(studio, tmp_path / "old")
    await take(studio, encrypted)
    rows = await reading.conversations(studio)
    assert len(rows) == 2
    (after,) = [row for row in rows if row.last == T + 3]
    await leave_out_conversation(studio, after.id, True)
    await take(studio, main)
    assert await held(studio) == WHOLE
    (zoë,) = [row for row in await reading.conversations(studio) if row.title == "Zoë"]
    assert zoë.left_out
