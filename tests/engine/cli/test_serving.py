"""`understudy serve`: what it says before somebody trusts it, and what it refuses to begin with."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from certificates import self_made
from real_command import COMMAND, environment, understudy

from engine import samples
from engine.cli.arguments import parser


@contextmanager
def served(*args: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`understudy ARGS` in a process that does not outlive the test."""
    with subprocess.Popen([*COMMAND, *args], stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def said(studio: Path, *args: str) -> str:
    """What it says until it serves (its last line names the token's place)."""
    with served("serve", "--port", "0", *args, env=environment(studio)) as process:
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "token:" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, "".join(lines) + process.stderr.read()
    return "".join(lines)


def test_an_open_way_is_named_and_a_closed_one_says_its_names(tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    assert "others on the network can read" not in said(studio)
    open_way = said(studio, "--host", "0.0.0.0")
    assert "http://0.0.0.0:" in open_way and "others on the network can read" in open_way
    chain, key = map(str, self_made(tmp_path, "DNS:box.example", "DNS:alpha.example"))
    closed = said(studio, "--host", "0.0.0.0", "--certificate", chain, "--key", key)
    assert "https://0.0.0.0:" in closed and "good for alpha.example, box.example" in closed
    assert "others on the network" not in closed


@pytest.mark.parametrize(
    "given", [("--certificate", "a.pem"), ("--key", "a.key"), ("--certificate", "a", "--key", "b")]
)
def test_half_a_pair_or_none_is_refused_in_a_sentence(given: tuple[str, ...], tmp_path: Path) -> None:
    done = understudy("serve", *given, studio=tmp_path / "studio.db")
    assert done.returncode == 2 and "--certificate" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "studio-local").exists()


def test_the_whole_way_from_a_studio_to_a_server_of_ones_own(tmp_path: Path) -> None:
    """Train and chat through the real commands over TLS, as on two machines."""
    chain, key = map(str, self_made(tmp_path, "IP:127.0.0.1"))
    there, here = tmp_path / "there" / "studio.db", tmp_path / "here.db"
    serve = ["serve", "--port", "0", "--certificate", chain, "--key", key]
    token = "the-token-of-the-test"
    with served(*serve, env=environment(there, UNDERSTUDY_LOCAL_TOKEN=token)) as process:
        assert process.stderr
        url = process.stderr.readline().split()[2].rstrip(".")
        trusted = {"SSL_CERT_FILE": chain, "UNDERSTUDY_API_KEY": token, "UNDERSTUDY_BASE_URL": url}
        assert not understudy(
            "import", str(samples.messenger()), "--owner", samples.OWNER, studio=here
        ).returncode
        train = (
            "train",
            "--ai",
            samples.OWNER,
            "--provider",
            "custom",
            "--base-model",
            "nearest",
            "--follow",
        )
        unasked = understudy(*train, studio=here, **trusted)
        assert unasked.returncode == 2 and "nobody is here to agree" in unasked.stderr
        for wrong, said in (
            ({"UNDERSTUDY_API_KEY": "another"}, "does not accept the key"),
            ({"SSL_CERT_FILE": ""}, "identity of 127.0.0.1"),
        ):
            refused = understudy(*train, "--yes", studio=here, **(trusted | wrong))
            assert refused.returncode == 2 and said in refused.stderr, refused.stderr
        done = understudy(*train, "--yes", studio=here, **trusted)
        assert done.returncode == 0, done.stderr
        reply = understudy("chat", "-p", "are you there?", studio=here, **trusted)
        assert reply.returncode == 0 and reply.stdout.strip(), reply.stderr
        elsewhere = understudy("models", "export", "nearest", "--to", str(tmp_path / "out"), studio=here)
        assert elsewhere.returncode == 2
        log = understudy("jobs", "log", studio=here)
        assert log.returncode == 2 and "not on this machine, but at 127.0.0.1:" in log.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert token not in "".join(path.read_text("latin-1") for path in there.parent.rglob("*.log"))


def test_the_systemd_unit_starts_a_command_that_exists() -> None:
    unit = Path(__file__).parents[3] / "docs" / "understudy.service"
    (line,) = [row for row in unit.read_text().splitlines() if row.startswith("ExecStart=")]
    program, *words = line.removeprefix("ExecStart=").split()
    assert Path(program).name == "understudy"
    asked = parser().parse_args(words)
    assert asked.port == 8040 and asked.certificate.endswith(".pem") and asked.key.endswith(".key")
