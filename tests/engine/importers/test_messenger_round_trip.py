"""What was said comes out of every shape of download as it went in: nothing lost, nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messenger_downloads import GONE, Download, Told, conversations, downloads

from engine.conversation import Conversation
from engine.importers import ImportReport, spoken, thread_files
from engine.importers.finding import recognise_all


def load(paths: list[Path]) -> tuple[list[Conversation], ImportReport]:
    report = ImportReport()
    (export,) = recognise_all(paths).exports
    return list(export.conversations(report)), report


def as_told(conversation: Conversation) -> tuple[Any, ...]:
    names = {sender.key: sender.name for sender in conversation.senders}
    return (
        conversation.title,
        conversation.section,
        conversation.is_group,
        [
            (
                m.time,
                names[m.sender],
                m.text,
                m.kind,
                m.attachments,
                tuple((r.actor, r.emoji) for r in m.reactions),
            )
            for m in conversation.messages
        ],
    )


@settings(max_examples=60, deadline=None)
@given(download=downloads(), piece=st.none() | st.integers(20, 3000), packed=st.integers(1, 60))
def test_every_download(
    tmp_path_factory: pytest.TempPathFactory, download: Download, piece: int | None, packed: int
) -> None:
    paths = download.write(tmp_path_factory.mktemp("download"))
    with pytest.MonkeyPatch.context() as patch:
        if piece is not None:  # as files are read that are too large for one go
            patch.setattr(thread_files, "WHOLE", 0)
            patch.setattr(thread_files, "PIECE", piece)
            patch.setattr(spoken, "PACKED_FROM", packed)
        if not download.read():
            return
        found, report = load(paths)
        came = sorted(map(as_told, found), key=repr)
    expected = download.expected()
    assert came == expected
    messages = [said for *_, told in expected for said in told]
    assert report.kept == len(messages)
    assert +report.kinds == Counter(str(said[3]) for said in messages)
    assert report.rows_read == download.rows() == report.kept + sum(report.skipped.values())
    assert report.bad_files == []
    for conversation in found:
        keys = [(message.time, message.text, message.key) for message in conversation.messages]
        assert len(set(keys)) == len(keys)
    assert len({c.key for c in found}) == len(found)
    gone = [sender.key for c in found for sender in c.senders if sender.name == GONE]
    assert len(set(gone)) == len(gone)


@settings(max_examples=40, deadline=None)
@given(first=conversations(17_000_000_000_000, False).filter(lambda one: not one.cut), data=st.data())
def test_a_newer_download_of_the_same_account(
    tmp_path_factory: pytest.TempPathFactory, first: Told, data: st.DataObject
) -> None:
    """It has more in the middle too, is cut anew, and the thread is called otherwise."""
    new = replace(first, title="A new name", per_file=data.draw(st.integers(1, 8)))
    kept = data.draw(st.lists(st.booleans(), min_size=len(first.bubbles), max_size=len(first.bubbles)))
    bubbles = tuple(bubble for bubble, keep in zip(first.bubbles, kept, strict=True) if keep)
    old = replace(first, bubbles=bubbles)
    read = []
    for one in (old, new):
        download = Download("messages", (one,), "folder", 0)
        found, _ = load(download.write(tmp_path_factory.mktemp("download")))
        assert sorted(map(as_told, found), key=repr) == download.expected()
        read.append({(c.key, m.time, m.text, m.key) for c in found for m in c.messages})
    assert read[0] <= read[1]
