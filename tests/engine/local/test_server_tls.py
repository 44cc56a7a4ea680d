"""The server for another machine: TLS with a certificate of one's own, its names, and what is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx2
import openai
import pytest
from certificates import self_made
from local_server import TOKEN, Server, finished, training_file

from engine.errors import StudioError
from engine.local.certificate import load
from engine.providers import connect, local_process, models, provider

NAMES = ("DNS:Box.example", "DNS:*.lan.example", "IP:127.0.0.1")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_made(tmp_path / "certificate", *NAMES)


@pytest.fixture
def served(certificate: tuple[Path, Path], start_server: Callable[..., Server]) -> Server:
    chain, key = map(str, certificate)
    return start_server("--host", "127.0.0.1", "--port", "0", "--certificate", chain, "--key", key)


def sdk(served: Server, trusted: Path, token: str = TOKEN) -> openai.OpenAI:
    http = httpx2.Client(verify=ssl.create_default_context(cafile=str(trusted)), trust_env=False)
    url = f"https://127.0.0.1:{served.endpoint()['port']}/v1"
    return openai.OpenAI(api_key=token, base_url=url, http_client=http, max_retries=0)


def test_the_sdk_trains_over_tls(served: Server, certificate: tuple[Path, Path]) -> None:
    client = sdk(served, certificate[0])
    upload = client.files.create(file=("wren.jsonl", training_file(20)), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model="nearest", training_file=upload.id)
    ended = finished(client, job.id)
    assert ended.status == "succeeded"
    talk = [{"role": "user", "content": "Shall we race?"}]
    stream = client.chat.completions.create(model=ended.fine_tuned_model, messages=talk, stream=True)  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_without_the_token_or_the_certificate_nobody_comes_in(
    served: Server, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(openai.AuthenticationError):
        sdk(served, certificate[0], token="wrong").models.list()
    other, _ = self_made(tmp_path / "other", *NAMES)
    with pytest.raises(openai.APIConnectionError) as refused:
        sdk(served, other).models.list()
    assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)
    with pytest.raises(httpx2.TransportError):  # and it speaks nothing else
        httpx2.get(f"http://127.0.0.1:{served.endpoint()['port']}/healthz", trust_env=False)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("box.example", 200),
        ("BOX.example:8040", 200),
        ("a.lan.example", 200),
        ("localhost", 200),
        ("evil.example", 403),
        ("a.b.lan.example", 403),
        ("lan.example", 403),
        ("xbox.example", 403),
    ],
)
def test_only_names_of_the_certificate_are_served(
    host: str, status: int, served: Server, certificate: tuple[Path, Path]
) -> None:
    with httpx2.Client(
        verify=ssl.create_default_context(cafile=str(certificate[0])), trust_env=False
    ) as http:
        url = f"https://127.0.0.1:{served.endpoint()['port']}/v1/models"
        answer = http.get(url, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == status, answer.text


async def test_the_studio_reaches_it_with_ssl_cert_file(
    served: Server, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", TOKEN)
    there = provider("custom", base_url=f"https://127.0.0.1:{served.endpoint()['port']}/v1")
    with pytest.raises(StudioError, match=r"identity of 127\.0\.0\.1") as refused:
        await connect(there, tmp_path)
    assert "SSL_CERT_FILE" in refused.value.hint
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with await connect(there, tmp_path) as connection:
        assert "imitation" in [model.id for model in await models(connection)]


async def test_beside_it_the_same_studio_still_finds_its_local_provider(served: Server) -> None:
    endpoint = await local_process.find(served.folder)
    assert endpoint is not None and endpoint.base_url.startswith("https://")
    async with await connect(provider("local"), served.folder) as connection:
        assert "imitation" in [model.id for model in await models(connection)]
    assert await local_process.stop(served.folder)
    assert await asyncio.to_thread(served.process.wait) == 0


def test_what_is_no_pair_is_refused_before_anything_listens(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    chain, key = certificate
    other, other_key = self_made(tmp_path / "other", "DNS:a.example")
    old = self_made(tmp_path / "old", "DNS:a.example", days=-1)
    for pair, said in (
        ((tmp_path / "none.pem", key), "cannot be read"),
        ((chain, other_key), "do not belong together"),
        ((key, key), "are no pair in PEM format"),
        ((other, chain), "are no pair in PEM format"),
        (old, "certificate has expired"),
    ):
        with pytest.raises(StudioError, match=said):
            load(*pair)
    assert load(chain, key).names == {"box.example", "*.lan.example", "127.0.0.1"}
