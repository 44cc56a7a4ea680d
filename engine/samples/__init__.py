"""The bundled sample exports: invented people of an invented town, written for this project."""

from __future__ import annotations

from pathlib import Path

OWNER = "Wren Halloran"
"""Whose exports the samples are."""


def messenger() -> Path:
    """The folder of the Messenger sample, shaped as Facebook's download is."""
    return Path(__file__).parent / "messenger"


def imessage() -> Path:
    """The sample chat.db; an AddressBook-v22.abcddb with the names of its numbers lies beside it."""
    return Path(__file__).parent / "imessage" / "chat.db"
