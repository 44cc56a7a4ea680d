"""Reaching providers: the real local server over its socket and over TCP, and services that are not well."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import local_server
import pytest
from faulty_provider import FaultyProvider, error, page
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from engine.errors import StudioError
from engine.providers import Connection, connect, models, provider

KEY = "sk-very-secret-0123456789"


async def test_local_lists_its_base_models(local: Connection) -> None:
    assert local.calls == {"files", "jobs", "models", "chat"}
    listed = {model.id: model for model in await models(local)}
    assert listed["imitation"].base and not listed["imitation"].fine_tuned
    assert listed["nearest"].owned_by


async def test_a_model_stands_before_its_checkpoints_and_no_other_job_between_them(
    faulty: FaultyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", KEY)
    made = {"ft:a:wren:1": 7, "ft:a:wren:1:ckpt-step-126": 7, "ft:a:wren:1:ckpt-step-63": 6, "ft:a:wren:2": 5}
    found = [{"id": id, "object": "model", "created": at, "owned_by": "me"} for id, at in made.items()]
    found += [{"id": "ft:a:wren:3:ckpt-step-9", "object": "model", "created": 8, "owned_by": "me"}]
    faulty.broken["GET", "/models"] = page(found)
    async with await connect(provider("custom", base_url=faulty.url), tmp_path) as connection:
        assert [model.id for model in await models(connection)] == [
            "ft:a:wren:3:ckpt-step-9",
            "ft:a:wren:1",
            "ft:a:wren:1:ckpt-step-63",
            "ft:a:wren:1:ckpt-step-126",
            "ft:a:wren:2",
        ]


async def test_local_over_tcp_is_a_custom_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = local_server.Server(tmp_path / "served", ("--host", "127.0.0.1", "--port", "0")).start()
    try:
        url = f"http://127.0.0.1:{server.endpoint()['port']}/v1"
        monkeypatch.setenv("UNDERSTUDY_API_KEY", local_server.TOKEN)
        async with await connect(provider("custom", base_url=url), tmp_path) as connection:
            assert connection.calls == {"files", "jobs", "models", "chat"}
            assert "imitation" in [model.id for model in await models(connection)]
        monkeypatch.setenv("UNDERSTUDY_API_KEY", KEY)
        with pytest.raises(StudioError, match="does not accept the key in UNDERSTUDY_API_KEY") as refused:
            await connect(provider("custom", base_url=url), tmp_path)
        assert KEY not in str(refused.value)
    finally:
        server.stop()


async def test_neither_socket_nor_loopback_ever_goes_through_a_proxy(
    local_folder: Path, faulty: FaultyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = []
    proxy = await asyncio.start_server(lambda reader, writer: callers.append(writer.close()), "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with await connect(provider("local"), local_folder) as connection:
        assert await models(connection)
    async with await connect(provider("custom", base_url=faulty.url), tmp_path) as connection:
        assert await models(connection)
    assert not callers
    with pytest.raises(StudioError):  # the same proxy is used where it should be
        await connect(provider("custom", base_url="http://far.example/v1"), tmp_path)
    assert callers
    proxy.close()


async def test_a_service_without_jobs_is_for_chat_alone(faulty: FaultyProvider, tmp_path: Path) -> None:
    for answer in (error(404), error(405), error(501), JSONResponse({"error": "unexpected endpoint"})):
        faulty.broken = {("GET", "/fine_tuning"): answer}
        async with await connect(provider("custom", base_url=faulty.url), tmp_path) as connection:
            assert connection.calls == {"chat", "models"}


async def test_what_does_not_speak_the_protocol_is_said(faulty: FaultyProvider, tmp_path: Path) -> None:
    for answer in (error(404), PlainTextResponse("<html>hello</html>"), JSONResponse({})):
        faulty.broken = {("GET", "/"): answer}
        with pytest.raises(StudioError, match="does not speak OpenAI's protocol"):
            await connect(provider("custom", base_url=faulty.url), tmp_path)


async def test_a_redirect_is_not_followed(faulty: FaultyProvider, tmp_path: Path) -> None:
    faulty.broken = {("GET", "/models"): RedirectResponse(f"{faulty.url}/files")}
    with pytest.raises(StudioError, match="nothing was sent there"):
        await connect(provider("custom", base_url=faulty.url), tmp_path)
    assert faulty.asked("GET", "/files") == 0


async def test_nothing_answering_is_said_with_the_address(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(StudioError, match=f"Nothing answers at {url}"):
            await connect(provider("custom", base_url=url), tmp_path)


async def test_the_key_goes_into_the_header_and_nowhere_else(
    faulty: FaultyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.example/v1")
    chosen = provider("custom", base_url=faulty.url)
    async with await connect(chosen, tmp_path) as connection:
        await models(connection)
        await connection.openai.with_options(max_retries=1).models.list()
        assert KEY not in repr(connection) + str(connection) + repr(chosen) + repr(vars(connection))
    assert {headers["authorization"] for headers in faulty.headers} == {f"Bearer {KEY}"}
    assert "private" not in str(faulty.headers)


async def test_the_sdks_debug_log_stays_shut(local: Connection, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    logging.getLogger("openai").setLevel(logging.DEBUG)
    await local.reopen()
    caplog.set_level(logging.DEBUG)
    await models(local)
    assert not [record for record in caplog.records if record.name.startswith("openai")]


async def test_fine_tuned_models_come_first(faulty: FaultyProvider, remote: Connection) -> None:
    rows = [("zebra", 9), ("ft:a:old", 1), ("ft:a:new", 2), ("apple", 3)]
    listed = [{"id": id, "object": "model", "created": at, "owned_by": "x"} for id, at in rows]
    listed[0]["shutdown_date"] = "2027-01-14"
    faulty.broken = {("GET", "/models"): JSONResponse({"object": "list", "data": listed})}
    found = await models(remote)
    assert [model.id for model in found] == ["ft:a:new", "ft:a:old", "apple", "zebra"]
    assert [model.fine_tuned for model in found] == [True, True, False, False]
    assert [model.shutdown_date for model in found] == [None, None, None, "2027-01-14"]
