"""understudy forget and models delete, in real processes."""

import json
import shutil
from pathlib import Path

import pexpect
import pytest
from real_command import COMMAND, environment, understudy

from engine import samples


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imported") / "home" / "studio.db"
    done = understudy("import", str(samples.messenger()), str(samples.imessage()), studio=path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def studio(imported: Path, tmp_path: Path) -> Path:
    """A studio of both samples, of its own."""
    return shutil.copytree(imported.parent, tmp_path / "home") / imported.name


def sources(studio: Path) -> set[str]:
    lines = understudy("conversations", "--json", studio=studio).stdout.splitlines()
    return {json.loads(line)["source"] for line in lines}


def test_forget_says_what_went(studio: Path) -> None:
    assert b"sourdough" in studio.read_bytes()
    done = understudy("forget", "mesenger", "--yes", studio=studio)
    assert done.returncode == 2
    assert 'Did you mean "messenger"' in done.stderr
    done = understudy("forget", "messenger", studio=studio)
    assert done.returncode == 2
    assert "Add --yes" in done.stderr
    assert sources(studio) == {"messenger", "imessage"}
    done = understudy("forget", "messenger", "--yes", "--json", studio=studio)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["source"], said["conversations"], said["erased"]) == ("messenger", 16, True)
    assert sources(studio) == {"imessage"}
    assert b"sourdough" not in studio.read_bytes()
    assert "Forgotten: the source imessage" in understudy("forget", "imessage", "--yes", studio=studio).stderr


@pytest.mark.parametrize(("answer", "left"), [("n", {"messenger", "imessage"}), ("y", {"imessage"})])
def test_forget_asks_on_a_terminal(studio: Path, answer: str, left: set[str]) -> None:
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], "forget", "messenger"],
        env=environment(studio),
        timeout=60,
    )
    child.expect_exact("for good? [y/N]")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == (0 if answer == "y" else 2)
    assert sources(studio) == left


def test_ctrl_c_at_the_question_keeps_everything(studio: Path) -> None:
    child = pexpect.spawn(
        COMMAND[0], [*COMMAND[1:], "forget", "messenger"], env=environment(studio), timeout=60
    )
    child.expect_exact("for good? [y/N]")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert sources(studio) == {"messenger", "imessage"}


def test_a_model_that_remembers_can_be_deleted(studio: Path) -> None:
    try:
        trained = ("train", "--ai", samples.OWNER, "--suffix", "wren", "--epochs", "1", "--follow")
        done = understudy(*trained, studio=studio)
        assert done.returncode == 0, done.stderr
        said = json.loads(understudy("forget", "messenger", "--yes", "--json", studio=studio).stdout)
        [model] = said["models"]
        assert len(said["jobs"]) == 1
        [job] = understudy("jobs", "--json", studio=studio).stdout.splitlines()
        assert json.loads(job)["dataset"] is None
        assert understudy("models", "delete", model["model"], studio=studio).returncode == 2
        for _ in range(10):  # its checkpoints too
            listed = understudy("models", "--json", studio=studio).stdout.splitlines()
            fine_tuned = [json.loads(line)["id"] for line in listed if json.loads(line)["fine_tuned"]]
            if not fine_tuned:
                break
            done = understudy("models", "delete", fine_tuned[0], "--yes", studio=studio)
            assert done.returncode == 0, done.stderr
        assert not fine_tuned
        done = understudy("models", "delete", model["model"], "--yes", studio=studio)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    finally:
        understudy("local", "stop", studio=studio)
