"""Programs that serve models for chat alone, with nothing but a list of models and chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_only_server import MANNERS, MODEL, REPLY, ChatOnlyServer, chat_only_server
from real_command import understudy

from engine.chat import ChatSettings, stream
from engine.errors import StudioError
from engine.providers import connect, delete_model, models, provider, providers
from engine.providers.presets import key_of, services


@pytest.fixture
def server() -> Iterator[ChatOnlyServer]:
    with chat_only_server() as running:
        yield running


def test_each_service_has_its_usual_address_and_chats_alone() -> None:
    assert {name: one.base_url for name, one in services().items() if not one.trains} == {
        "vllm": "http://localhost:8000/v1",
        "ollama": "http://localhost:11434/v1",
        "llama.cpp": "http://localhost:8080/v1",
        "lmstudio": "http://localhost:1234/v1",
    }
    for name in (name for name, one in services().items() if not one.trains):
        chosen = provider(name)
        assert (chosen.name, chosen.calls) == (name, {"models", "chat"})
        assert not chosen.stays_here and chosen.base_url and "trains nothing" in chosen.note
    assert provider("ollama", base_url="http://far.example:9/v1/").base_url == "http://far.example:9/v1"
    with pytest.raises(StudioError, match="no web address"):
        provider("vllm", base_url="far.example")


def test_services_that_train_take_the_key_that_is_named_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    nebius = provider("nebius")
    assert (nebius.base_url, nebius.key_env) == (
        "https://api.tokenfactory.nebius.com/v1",
        "NEBIUS_API_KEY",
    )
    assert nebius.key_needed and not nebius.stays_here
    assert nebius.calls == provider("openai").calls and "deployed" in nebius.note
    monkeypatch.delenv("NEBIUS_API_KEY", raising=False)
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "the-key-of-another-service")
    with pytest.raises(StudioError, match="NEBIUS_API_KEY is empty"):
        key_of(nebius)


def test_azure_is_everybodys_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_BASE_URL", raising=False)
    monkeypatch.setenv("UNDERSTUDY_PROVIDER", "azure")
    with pytest.raises(StudioError, match="needs the address of your own resource"):
        provider("azure")
    assert "azure" not in [one.name for one in providers()]
    monkeypatch.setenv("UNDERSTUDY_BASE_URL", "https://mine.openai.azure.com/openai/v1/")
    azure = next(one for one in providers() if one.name == "azure")
    assert azure.base_url == "https://mine.openai.azure.com/openai/v1" and "jobs" in azure.calls
    assert azure.key_env == "AZURE_OPENAI_API_KEY"


def test_a_service_is_offered_where_the_settings_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {one.name for one in providers()} & services().keys()
    monkeypatch.setenv("UNDERSTUDY_PROVIDER", "ollama")
    assert "ollama" in [one.name for one in providers()]


@pytest.mark.parametrize("name", ["custom", "vllm", "ollama", "llama.cpp", "lmstudio"])
async def test_a_server_with_models_and_chat_alone_is_chatted_with(
    name: str, server: ChatOnlyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "the-key-of-another-service")
    server.manner = MANNERS.get(name, server.manner)
    async with await connect(provider(name, base_url=server.url), tmp_path) as connection:
        assert connection.calls == {"models", "chat"}
        assert [(model.id, model.base) for model in await models(connection)] == [(MODEL, False)]
        pieces = [
            piece
            async for piece in stream(
                connection, ChatSettings(model=MODEL, system="Be a tortoise."), [("user", "hi")]
            )
        ]
        assert "".join(piece.text for piece in pieces) == "".join(REPLY)
        assert pieces[-1].done and pieces[-1].finish == "stop"
        assert pieces[-1].tokens == (len(REPLY) if server.manner.usage else None)
    asked = {path for _, path in server.requests}
    assert asked == {"/v1/models", "/v1/chat/completions"} | (
        {"/v1/fine_tuning/jobs?limit=1"} if name == "custom" else set()
    )
    # A key goes to the service that it was named for, and to no other.
    sent = "the-key-of-another-service" in str(server.keys)
    assert sent == (name == "custom")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("vllm", "has no model hare.", "understudy models --provider vllm"),
        ("ollama", "has no model hare.", "understudy models --provider ollama"),
        ("llama.cpp", "is still loading the model.", "in a moment"),
        ("lmstudio", "No models loaded. Please load a model in the developer page.", "try again"),
    ],
)
async def test_a_model_that_is_not_there_is_told_in_its_own_manner(
    name: str, message: str, hint: str, server: ChatOnlyServer, tmp_path: Path
) -> None:
    server.manner = MANNERS[name]
    async with await connect(provider(name, base_url=server.url), tmp_path) as connection:
        with pytest.raises(StudioError) as refused:
            async for _ in stream(connection, ChatSettings(model="hare"), [("user", "hi")]):
                pass
    assert message in refused.value.message and hint in refused.value.hint


@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "lmstudio"])
async def test_a_chat_that_is_too_long_is_told_as_that(
    name: str, server: ChatOnlyServer, tmp_path: Path
) -> None:
    server.manner = MANNERS[name]
    async with await connect(provider(name, base_url=server.url), tmp_path) as connection:
        with pytest.raises(StudioError, match="longer than this model can read"):
            async for _ in stream(connection, ChatSettings(model=MODEL), [("user", "hi " * 2000)]):
                pass


async def test_an_answer_that_is_no_reply_is_told_and_no_fault_of_ours(
    server: ChatOnlyServer, tmp_path: Path
) -> None:
    async with await connect(provider("lmstudio", base_url=server.url), tmp_path) as connection:
        with pytest.raises(StudioError, match="sent no reply that can be read"):
            async for _ in stream(connection, ChatSettings(model="nothing"), [("user", "hi")]):
                pass


@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "ollama", "lmstudio"])
async def test_a_program_without_models_is_still_one(
    name: str, server: ChatOnlyServer, tmp_path: Path
) -> None:
    server.manner, server.has_models = MANNERS[name], False
    async with await connect(provider(name, base_url=server.url), tmp_path) as connection:
        assert await models(connection) == []
    listed = understudy("models", "--provider", name, "--base-url", server.url, studio=tmp_path / "studio.db")
    assert listed.returncode == 0 and "There is no model at 127.0.0.1" in listed.stderr


@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "ollama", "lmstudio"])
async def test_behind_custom_it_is_found_to_chat_alone(
    name: str, server: ChatOnlyServer, tmp_path: Path
) -> None:
    server.manner = MANNERS[name]
    async with await connect(provider("custom", base_url=server.url), tmp_path) as connection:
        assert connection.calls == {"models", "chat"}
        with pytest.raises(StudioError, match="only chats: its models cannot be deleted"):
            await delete_model(connection, MODEL)
    assert not [path for method, path in server.requests if method == "DELETE"]


def test_training_there_is_refused_before_anything_is_asked(server: ChatOnlyServer, tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    there = ("--provider", "ollama", "--base-url", server.url)
    done = understudy("train", *there, "--ai", "Tortoise", studio=studio)
    assert done.returncode == 2 and "cannot fine-tune; it can only be chatted with" in done.stderr
    assert "models export" in done.stderr and not server.requests


@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "ollama", "lmstudio"])
async def test_one_that_does_not_run_is_told_with_the_line_that_starts_it(name: str, tmp_path: Path) -> None:
    with chat_only_server() as ended:
        address = ended.url
    with pytest.raises(StudioError, match="Nothing answers") as silent:
        await connect(provider(name, base_url=address), tmp_path)
    assert f"`{services()[name].start}`" in silent.value.hint


def test_from_the_command_line(server: ChatOnlyServer, tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    there = ("--provider", "llama.cpp", "--base-url", server.url)
    said = understudy("chat", MODEL, *there, "-p", "hello", studio=studio)
    assert (said.returncode, said.stdout) == (0, "".join(REPLY) + "\n"), said.stderr
    listed = understudy("models", *there, "--json", studio=studio)
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [MODEL]


def test_all_are_listed_with_what_they_can_do(tmp_path: Path) -> None:
    done = understudy("providers", "--json", studio=tmp_path / "studio.db")
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() == {"local", "openai", *services()}
    assert rows["ollama"]["calls"] == ["chat", "models"] and "jobs" in rows["local"]["calls"]
    assert rows["vllm"]["base_url"] == "http://localhost:8000/v1"
