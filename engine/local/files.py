"""The file store: uploads and results, each a content file and its record, private to the user."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from engine.errors import DataError
from engine.folders import private
from engine.local import disk, examples
from engine.local.records import StoredFile


class Files:
    """Everything below FOLDER/files. Records are in memory; contents stay on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = private(folder)
        records = (disk.read_record(path, StoredFile) for path in folder.glob("file-*.json"))
        self._records = {record.id: record for record in records if record}
        for path in folder.iterdir():  # what a crash left half done is nobody's
            if path.stem not in self._records:
                path.unlink()

    def all(self) -> list[StoredFile]:
        """Newest first."""
        return sorted(self._records.values(), key=lambda record: record.created_at, reverse=True)

    def get(self, file_id: str) -> StoredFile | None:
        return self._records.get(file_id)

    def content(self, record: StoredFile) -> Path:
        return self._folder / f"{record.id}.data"

    def add_upload(self, upload: BinaryIO, filename: str) -> StoredFile:
        """Store a training file and read it through. Blocking: call from a worker."""
        file_id = disk.new_id("file-")
        path = self._folder / f"{file_id}.data"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(upload, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        found, problem = 0, None
        try:
            found = examples.count(path)
        except DataError as error:
            problem = str(error)
        return self._keep(
            StoredFile(
                id=file_id,
                bytes=path.stat().st_size,
                created_at=time.time(),
                filename=filename,
                purpose="fine-tune",
                status="error" if problem else "processed",
                status_details=problem,
                examples=found,
            )
        )

    def add_results(self, content: bytes, filename: str) -> StoredFile:
        """Store what a job produced."""
        file_id = disk.new_id("file-")
        disk.write(self._folder / f"{file_id}.data", content)
        return self._keep(
            StoredFile(file_id, len(content), time.time(), filename, "fine-tune-results", "processed")
        )

    def delete(self, record: StoredFile) -> None:
        del self._records[record.id]
        (self._folder / f"{record.id}.json").unlink(missing_ok=True)
        self.content(record).unlink(missing_ok=True)

    def _keep(self, record: StoredFile) -> StoredFile:
        disk.write_record(self._folder / f"{record.id}.json", record)
        self._records[record.id] = record
        return record
