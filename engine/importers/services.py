"""Which files of a download are Facebook's and which are Instagram's: their threads have one shape."""

from __future__ import annotations

from collections.abc import Sequence

from engine.importers.export_files import ExportFile

_INSTAGRAM = "your_instagram_activity"
_FACEBOOK = {"your_activity_across_facebook", "your_facebook_activity"}
# Older downloads of both begin with `messages`. What lies beside it, or in it, in those of one only:
_BESIDE_INSTAGRAM = {
    "followers_and_following", "login_and_account_creation", "past_instagram_insights",
    "story_sticker_interactions",
}  # fmt: skip
_BESIDE_FACEBOOK = {
    "about_you", "comments_and_reactions", "friends", "friends_and_followers", "likes_and_reactions",
    "photos_and_videos", "profile_information", "security_and_login_information", "your_address_books",
    "archived_threads", "filtered_threads", "e2ee_cutover", "autofill_information.json",
}  # fmt: skip
# And in the threads themselves.
_IN_INSTAGRAM = (b'"original_content_owner"', b'"Instagram User"', b'"Liked a message"')
_IN_FACEBOOK = (b'"sticker"', b'"gifs"', b'"Facebook user"', b" on Messenger", b'"threadName"')
_LOOKED_AT = 20  # files
_BYTES = 2**20  # of each


def split(files: Sequence[ExportFile]) -> tuple[list[ExportFile], list[ExportFile]]:
    """Facebook's files, Instagram's files. Those that nothing tells of count as Facebook's."""
    rooted = {file.path: _root(file) for file in files}
    facebook = [file for file in files if rooted[file.path] == "facebook"]
    instagram = [file for file in files if rooted[file.path] == "instagram"]
    rest = [file for file in files if rooted[file.path] is None]
    if facebook or not (instagram or is_instagram(rest)):
        return facebook + rest, instagram
    return facebook, instagram + rest


def is_instagram(files: Sequence[ExportFile]) -> bool | None:
    """Whether a download is Instagram's; None where nothing in it tells."""
    roots = {_root(file) for file in files} - {None}
    if roots:
        return roots == {"instagram"}
    names = {name for file in files for name in file.path.split("/")}
    if bool(names & _BESIDE_FACEBOOK) != bool(names & _BESIDE_INSTAGRAM):
        return bool(names & _BESIDE_INSTAGRAM)
    beginnings = b"".join(_beginning(file) for file in _threads(files)[:_LOOKED_AT])
    if any(mark in beginnings for mark in _IN_FACEBOOK):
        return False
    return True if any(mark in beginnings for mark in _IN_INSTAGRAM) else None


def _root(file: ExportFile) -> str | None:
    parts = file.folder.parts
    if _INSTAGRAM in parts:
        return "instagram"
    return "facebook" if not _FACEBOOK.isdisjoint(parts) else None


def _threads(files: Sequence[ExportFile]) -> list[ExportFile]:
    return [file for file in files if not file.is_page and "message" in file.stem]


def _beginning(file: ExportFile) -> bytes:
    try:
        return next(file.pieces(_BYTES), b"")
    except OSError:
        return b""  # whoever reads the file says what is wrong
