"""Facebook Messenger exports, their encrypted twin ("secure storage"), and threads shaped like them.

A thread is recognised by its shape, an object with `participants` and `messages`, never by a file
name. The export is gone through twice: once for what the threads are (who takes part in them and which
files belong together: the heads of the files say it, where they lie as exports have them), once for
their messages, one conversation in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.conversation import Conversation
from engine.errors import DataError, StudioError
from engine.importers.export_files import (
    ExportFile,
    is_zip,
    natural,
    open_files,
    read_ahead,
    starts_as_object,
)
from engine.importers.messenger_parts import cut_over_in, grouped, index, owner_of, share, size_of
from engine.importers.messenger_thread import read_conversation
from engine.importers.report import ImportReport
from engine.importers.services import is_instagram, split
from engine.importers.thread_files import WHOLE, NotAThreadError, head, read_thread

_BYTES_A_ROW = 280  # a first guess, for progress


class MessengerImporter:
    """Folder at any level of the export, one thread file, or a zip."""

    name = "messenger"

    def recognises(self, path: Path) -> bool:
        path = path.expanduser()
        try:
            if path.is_file() and not is_zip(path) and not starts_as_object(path):
                return False
            with open_files(path) as export:
                return has_threads(self.own(export.files))
        except (StudioError, OSError):
            return False  # not readable is not recognised; `recognise` says why

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        if holds_instagram_too(path):
            report.warnings.append(
                "What is Instagram's in it was not read; import the folder of Instagram by its own path"
            )
        return self.together([path], report)

    def together(self, paths: Sequence[Path], report: ImportReport) -> Iterator[Conversation]:
        """The conversations of one download that came in several zips."""
        for _, conversation in self.shared(paths, report):
            yield conversation
        if report.rows_read == 0:
            _refuse_bad(report)

    def shared(
        self, paths: Sequence[Path], report: ImportReport, number: int = 0, of: int = 1
    ) -> Iterator[tuple[int, Conversation]]:
        """The same with their places; of all conversations the share of this number. What is not of one
        conversation is counted in the first share."""
        with open_files(*(path.expanduser() for path in paths)) as export:
            found = ImportReport()
            found.bad_files += export.bad
            parts = index(self.own(export.files), found)
            if number == 0:
                report.add(found)
            if not parts:
                _refuse_bad(found)
                raise StudioError(
                    f"There is no Messenger conversation in {paths[0]}.",
                    "Point at the folder or zip that you downloaded.",
                )
            report.owner = owner_of(parts)
            taken: set[str] = set()
            groups = grouped(parts)
            cut_over = cut_over_in(groups)
            mine = share(groups, number, of)
            total, done = sum(size_of(groups[place]) for place in mine), 0
            report.rows_total = total // _BYTES_A_ROW
            files = read_ahead((part.file for place in mine for part in groups[place]), WHOLE)
            for place in mine:
                group = groups[place]
                goes_on = cut_over[frozenset(group[0].participants)] == 1
                conversation = read_conversation(group, files, taken, report, goes_on)
                done += size_of(group)
                report.rows_total = report.rows_read * total // max(1, done)
                if conversation is not None:
                    report.conversations += 1
                    yield place, conversation
            report.bad_files.sort(key=lambda bad: natural(bad[0]))

    def own(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        """The files of this service, where the download holds another's too."""
        return split(files)[0] or list(files)


class InstagramImporter(MessengerImporter):
    """Instagram's own download: the same threads in other folders."""

    name = "instagram"

    def recognises(self, path: Path) -> bool:
        return super().recognises(path) and not holds_instagram_too(path)

    def own(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        return split(files)[1]


def has_threads(files: Sequence[ExportFile], check: Callable[[], None] = lambda: None) -> bool:
    """Whether one of the files is a thread. check: called at every file, may raise."""
    for file in _threads_first(files):
        check()
        try:
            if not file.is_page:
                if file.size <= WHOLE or head(file) is None:
                    read_thread(file)
                return True
        except (NotAThreadError, DataError):
            continue
    return False


def holds_instagram_too(path: Path) -> bool:
    """Whether both services' conversations lie at the path."""
    try:
        with open_files(path.expanduser()) as export:
            return all(split(export.files))
    except (StudioError, OSError):
        return False


def is_of_either(path: Path) -> bool:
    """Whether nothing in the download tells which service's it is."""
    try:
        with open_files(path) as export:
            return is_instagram(export.files) is None
    except (StudioError, OSError):
        return False


def is_beside_the_threads(path: Path) -> bool:
    """Whether a zip is sound and holds no conversation: the pictures or the posts of a large download."""
    try:
        with open_files(path) as export:
            return not export.bad and not any(_may_be_thread(file) for file in _threads_first(export.files))
    except (StudioError, OSError):
        return False


def _threads_first(files: Sequence[ExportFile]) -> list[ExportFile]:
    """A whole Facebook download has hundreds of other files."""
    return sorted(files, key=lambda file: "message" not in file.path)


def _may_be_thread(file: ExportFile) -> bool:
    """Also pages and what cannot be read: somebody is to be told of those."""
    if file.is_page:
        return True
    try:
        if file.size <= WHOLE or head(file) is None:
            read_thread(file)
    except NotAThreadError:
        return False
    except DataError:
        return True
    return True


def _refuse_bad(report: ImportReport) -> None:
    if report.bad_files:
        file, reason = report.bad_files[0]
        raise DataError(f"{file}: {reason.rstrip('.')}.", "Copy or download the export again.")
