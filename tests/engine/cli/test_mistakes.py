"""A mistake of our own: one line for the person, a log without any of their text, exit code 1."""

from pathlib import Path

import pytest

from engine import cli, samples
from engine.archive import reading


def test_a_bug_leaves_a_redacted_log_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = str(tmp_path / "studio.db")
    assert cli.main(["--studio", studio, "import", str(samples.messenger())]) == 0
    capsys.readouterr()

    async def broken(*_: object, **__: object) -> None:
        secret = "the tide does the washing up"
        raise RuntimeError(secret)

    monkeypatch.setattr(reading, "conversations", broken)
    assert cli.main(["--studio", studio, "conversations"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "tide" not in said.err
    [log] = tmp_path.glob("crash-*.log")
    assert str(log) in said.err
    assert log.stat().st_mode & 0o777 == 0o600
    text = log.read_text()
    assert "builtins.RuntimeError" in text
    assert "broken" in text
    assert "tide" not in text


def test_a_sentence_about_foreign_text_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = str(tmp_path / "studio.db")
    cli.main(["--studio", studio, "import", str(samples.messenger())])
    assert cli.main(["--studio", studio, "show", "\x1b]52;c;aGk=\x07"]) == 2
    assert "\x1b" not in capsys.readouterr().err
