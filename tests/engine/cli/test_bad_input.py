"""Bad input gets one sentence and a remedy, the right exit code, and changes nothing on disk."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PNG = b"\x89PNG\r\n\x1a\n"


def understudy(*args: str, studio: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tui", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "UNDERSTUDY_STUDIO": str(studio), **environment},
        timeout=60,
        check=False,
    )


def assert_a_sentence(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    for text in said:
        assert text in done.stderr


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    return tmp_path / "home" / "studio.db"


def test_a_path_that_does_not_exist(tmp_path: Path, studio: Path) -> None:
    (tmp_path / "facebook-export").mkdir()
    done = understudy("import", str(tmp_path / "facebook-exprot"), studio=studio)
    assert_a_sentence(done, 2, "facebook-exprot", "facebook-export")
    assert not studio.parent.exists()


def test_an_empty_folder(tmp_path: Path, studio: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_a_sentence(understudy("import", str(tmp_path / "empty"), studio=studio), 2, "empty")
    assert not studio.parent.exists()


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("letter.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", 2),
        ("message_1.json", b'{"participants": [{"name": "A"}], "messages": [{"sender_name": "A", "timest', 1),
        ("chat.db", b"this is only a text file\n", 2),
        ("export.zip", b"PK not really a zip", 2),
        ("picture.png", PNG, 2),
        ("nothing.json", b"", 2),
    ],
)
def test_a_file_that_is_no_export(tmp_path: Path, studio: Path, name: str, body: bytes, code: int) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    done = understudy("import", str(path), studio=studio)
    if done.returncode != code and name == "nothing.json":
        code = 1  # an empty file may as well be called bad data
    assert_a_sentence(done, code, name)
    assert not studio.parent.exists()
    assert path.read_bytes() == body


def test_no_studio_yet(studio: Path) -> None:
    assert_a_sentence(understudy("conversations", studio=studio), 2, "understudy import")
    assert not studio.parent.exists()


def test_a_studio_that_is_none(studio: Path) -> None:
    studio.parent.mkdir()
    studio.write_text("not a database, only a letter to a friend")
    assert_a_sentence(understudy("senders", studio=studio), 2, "studio.db")
    assert studio.read_text() == "not a database, only a letter to a friend"


def test_an_unknown_command_and_option(studio: Path) -> None:
    assert_a_sentence(understudy("improt", "x", studio=studio), 2, "--help")
    assert_a_sentence(understudy("train", "--epochs", "none", studio=studio), 2, "--help")


def test_the_screen_without_a_terminal(studio: Path) -> None:
    assert_a_sentence(understudy(studio=studio), 2, "terminal")


class TestWithSamples:
    @pytest.fixture(scope="class")
    def samples(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A studio with the Messenger sample, whose local provider is stopped at the end."""
        from engine import samples

        path = tmp_path_factory.mktemp("s") / "studio.db"
        done = understudy("import", str(samples.messenger()), studio=path)
        assert done.returncode == 0, done.stderr
        yield path
        understudy("local", "stop", studio=path)

    def test_a_name_that_no_sender_has(self, samples: Path) -> None:
        for command in ("chunks", "train"):
            done = understudy(command, "--ai", "Wren Haloran", studio=samples)
            assert_a_sentence(done, 2, "Wren Haloran", "Wren Halloran")

    def test_no_name_at_all(self, samples: Path) -> None:
        assert_a_sentence(understudy("chunks", studio=samples), 2, "--ai")

    def test_a_recipe_that_is_wrong(self, samples: Path, tmp_path: Path) -> None:
        recipe = tmp_path / "mine.toml"
        recipe.write_text('preset = "studio"\ngap_minuets = 30\n')
        done = understudy("chunks", "--ai", "Wren Halloran", "--recipe", str(recipe), studio=samples)
        assert_a_sentence(done, 2, "gap_minuets")

    def test_fewer_than_ten_examples(self, samples: Path) -> None:
        before = samples.stat().st_size
        done = understudy("train", "--ai", "Delphine Marsh", studio=samples)
        assert done.returncode == 1, done.stderr
        assert "10" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert samples.stat().st_size == before

    def test_an_unknown_model(self, samples: Path) -> None:
        done = understudy("chat", "imitatoin", "-p", "hello", studio=samples)
        assert_a_sentence(done, 2, "imitatoin", "imitation")

    def test_an_unknown_base_model(self, samples: Path) -> None:
        before = understudy("jobs", "--json", studio=samples).stdout
        done = understudy("train", "--ai", "Wren Halloran", "--base-model", "imitatoin", studio=samples)
        assert done.returncode == 2, done.stderr
        assert "Did you mean imitation?" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert understudy("jobs", "--json", studio=samples).stdout == before

    def test_an_unknown_provider(self, samples: Path) -> None:
        assert_a_sentence(understudy("models", "--provider", "opnai", studio=samples), 2, "openai")

    def test_a_provider_that_is_down(self, samples: Path) -> None:
        with socket.socket() as taken:  # bound, never listening: nothing answers there
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            done = understudy(
                "chat", "some-model", "-p", "hello", "--provider", "custom", "--base-url", url,
                studio=samples, UNDERSTUDY_API_KEY="k",
            )  # fmt: skip
        assert_a_sentence(done, 2, url.removesuffix("/v1"))

    def test_a_key_that_is_missing(self, samples: Path) -> None:
        done = understudy("models", "--provider", "openai", studio=samples, OPENAI_API_KEY="")
        assert_a_sentence(done, 2, "OPENAI_API_KEY")

    def test_a_port_in_use(self, studio: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            assert_a_sentence(understudy("serve", "--port", port, studio=studio), 2, port)

    def test_an_unknown_conversation_and_job(self, samples: Path) -> None:
        assert_a_sentence(understudy("show", "9999", studio=samples), 2, "9999")
        assert_a_sentence(understudy("jobs", "follow", studio=samples), 2, "understudy train")
        assert_a_sentence(understudy("jobs", "show", "ftjob-nope", studio=samples), 2, "ftjob-nope")

    def test_a_folder_to_write_into_that_does_not_exist(self, samples: Path, tmp_path: Path) -> None:
        out = tmp_path / "no" / "f.jsonl"
        done = understudy("chunks", "--ai", "Wren Halloran", "--out", str(out), studio=samples)
        assert_a_sentence(done, 2, "no")


def test_check_reads_any_file(tmp_path: Path, studio: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}]}\nnot json\n')
    done = understudy("check", str(path), studio=studio)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert_a_sentence(understudy("check", str(tmp_path / "none.jsonl"), studio=studio), 2, "none.jsonl")
    assert_a_sentence(understudy("check", str(path), "--for", "opnai", studio=studio), 2, "openai")
