"""Files, models, chat and refusals through the real openai SDK, over a Unix socket and over TCP."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from local_server import TOKEN, Server, finished, training_file
from openai.types import FileObject, Model
from openai.types.chat import ChatCompletion

UNTAUGHT = "I have not learned anyone's lines yet. Fine-tune me on a person first."
HELLO = [{"role": "user", "content": "Are you at the start line by the old oak at 7 o'clock?"}]


@pytest.fixture(scope="module")
def client(local_server: Server) -> Iterator[Any]:
    with local_server.client() as client:
        yield client


@pytest.fixture(scope="module")
def tuned(client: Any) -> str:
    """The id of a small fine-tuned model."""
    uploaded = client.files.create(file=("lines.jsonl", training_file(40)), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model="imitation", training_file=uploaded.id, suffix="tortoise", seed=7
    )
    model = finished(client, job.id).fine_tuned_model
    assert isinstance(model, str)
    return model


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_kept_private_and_given_back(local_server: Server, client: Any) -> None:
    content = training_file(12)
    file = client.files.create(file=("lines.jsonl", content), purpose="fine-tune")
    assert (file.status, file.bytes, file.filename, file.purpose) == (
        "processed",
        len(content),
        "lines.jsonl",
        "fine-tune",
    )
    FileObject.model_validate(file.model_dump(), strict=True)
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content
    assert file.id in [each.id for each in client.files.list(purpose="fine-tune")]
    for path in local_server.folder.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert client.files.delete(file.id).deleted
    assert not list((local_server.folder / "files").glob(f"{file.id}*"))
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_path_can_be_uploaded(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "from-disk.jsonl"
    path.write_bytes(training_file(10))
    file = client.files.create(file=path, purpose="fine-tune")
    assert (file.filename, file.status) == ("from-disk.jsonl", "processed")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"messages": [', "line 1: it is not a chat example"),
        (b"\xff\xfe", "line 1: it is not a chat example"),
        pytest.param(b'{"x": ' + b"[" * 100_000, "nested too deeply", id="bottomless"),
        (
            training_file(1) + b'{"messages": [{"role": "user"}]}\n',
            "1 line of 2 cannot be trained on: line 2: it is not",
        ),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', "no assistant message"),
        (b'{"messages": [{"role": "tool", "content": "hi"}]}', "role is none of"),
        (b'{"messages": [{"role": "assistant", "content": "hi", "weight": 2}]}', "neither 0 nor 1"),
        (b'{"messages": [{"role": "assistant", "content": "hi", "weight": 0}]}', "nothing to learn"),
    ],
)
def test_a_broken_file_says_what_is_wrong(client: Any, content: bytes, reason: str) -> None:
    file = client.files.create(file=("broken.jsonl", content), purpose="fine-tune")
    assert file.status == "error"
    assert reason in file.status_details


def test_one_bad_line_refuses_a_file_that_names_all_of_them(client: Any) -> None:
    mute = b'{"messages": [{"role": "user", "content": "hi"}]}\n'
    content = training_file(2) + mute + b"\n" + b"no\n" + training_file(1)
    file = client.files.create(file=("two.jsonl", content), purpose="fine-tune")
    assert file.status_details.startswith(
        "2 lines of 5 cannot be trained on: line 3: there is no assistant message to learn from; line 5: it"
    )
    job = client.fine_tuning.jobs.create(model="imitation", training_file=file.id)
    ended = finished(client, job.id)
    assert (ended.status, ended.error.code) == ("failed", "invalid_file_format")
    assert file.status_details in ended.error.message
    file = client.files.create(file=("many.jsonl", mute * 1200), purpose="fine-tune")
    assert file.status_details.startswith("1,200 lines of 1,200 cannot be trained on: line 1: ")
    assert file.status_details.endswith("no assistant message to learn from; and 1,195 more.")


def test_files_are_paged(client: Any) -> None:
    for _ in range(3):
        client.files.create(file=("page.jsonl", training_file(10)), purpose="fine-tune")
    first = client.files.list(limit=2)
    assert first.has_more
    assert len(first.data) == 2
    everything = [file.id for file in client.files.list(limit=2)]
    assert everything[:2] == [file.id for file in first.data]
    assert len(everything) == len(set(everything)) == len(client.files.list(limit=10_000).data)
    times = [file.created_at for file in client.files.list()]
    assert times == sorted(times, reverse=True)


def test_uploads_that_cannot_be_kept_are_refused(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as purpose:
        client.files.create(file=("a.jsonl", b""), purpose="assistants")
    assert purpose.value.param == "purpose"
    with pytest.raises(openai.BadRequestError) as expiry:
        client.files.create(
            file=("a.jsonl", b""),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
    assert expiry.value.code == "unsupported_parameter"


def test_a_file_over_the_limit_is_refused_before_it_is_sent(local_server: Server) -> None:
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: local.invalid\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {600 * 2**20}\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(local_server.endpoint()["socket"])
        connection.sendall(head.encode())
        answer = ""
        while not answer.endswith("}}"):
            answer += connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"too_large"' in answer


def test_a_body_without_a_length_is_counted(local_server: Server) -> None:
    with local_server.raw() as http:
        answer = http.post("/v1/fine_tuning/jobs", content=(b" " * 2**20 for _ in range(18)))
    assert answer.status_code == 413


# --- models --------------------------------------------------------------------------------------


def test_models_are_listed(client: Any, tuned: str) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"imitation", "nearest", tuned} <= models.keys()
    assert models["imitation"].owned_by == "understudy"
    assert client.models.retrieve(tuned) == models[tuned]
    for model in models.values():
        Model.model_validate(model.model_dump(), strict=True)


def test_a_model_that_is_not_there(client: Any) -> None:
    for call in (client.models.retrieve, client.models.delete):
        with pytest.raises(openai.NotFoundError) as missing:
            call("ft:imitation:nobody:00000000")
        assert missing.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete("imitation")


def test_deleting_a_model_leaves_nothing_of_it(local_server: Server, client: Any) -> None:
    uploaded = client.files.create(file=("lines.jsonl", training_file(20)), purpose="fine-tune")
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
    job = finished(
        client,
        client.fine_tuning.jobs.create(
            model="imitation", training_file=uploaded.id, method=method, seed=1
        ).id,
    )
    one, *others = [
        row.fine_tuned_model_checkpoint for row in client.fine_tuning.jobs.checkpoints.list(job.id)
    ]
    assert client.chat.completions.create(model=one, messages=HELLO, seed=1).choices[0].message.content
    assert client.models.delete(one).deleted
    left = [model.id for model in client.models.list()]
    assert one not in left
    assert {*others, job.fine_tuned_model} <= set(left)
    assert client.chat.completions.create(model=job.fine_tuned_model, messages=HELLO, seed=1)
    client.models.delete(job.fine_tuned_model)
    assert not [model.id for model in client.models.list() if model.id.startswith(job.fine_tuned_model)]
    assert not (local_server.folder / "models" / job.fine_tuned_model.split(":")[-1]).exists()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=job.fine_tuned_model, messages=HELLO)


# --- chat ----------------------------------------------------------------------------------------


def test_a_base_model_says_that_it_knows_nobody(client: Any) -> None:
    for base in ("imitation", "nearest"):
        reply = client.chat.completions.create(model=base, messages=HELLO)
        assert reply.choices[0].message.content == UNTAUGHT


def test_a_completion(client: Any, tuned: str) -> None:
    reply = client.chat.completions.create(model=tuned, messages=HELLO, seed=3, temperature=0.8, top_p=0.9)
    ChatCompletion.model_validate(reply.model_dump(), strict=True)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == tuned
    assert reply.system_fingerprint
    assert reply.usage.prompt_tokens > 10
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    again = client.chat.completions.create(model=tuned, messages=HELLO, seed=3, temperature=0.8, top_p=0.9)
    assert again.choices[0].message.content == reply.choices[0].message.content
    assert client.chat.completions.retrieve(reply.id).choices == reply.choices


def test_a_stream_gives_the_same_text(client: Any, tuned: str) -> None:
    whole = client.chat.completions.create(model=tuned, messages=HELLO, seed=3)
    stream = client.chat.completions.create(
        model=tuned, messages=HELLO, seed=3, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == (
        whole.choices[0].message.content
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert client.chat.completions.retrieve(chunks[0].id).choices[0].message.content


def test_limits_end_a_reply(client: Any, tuned: str) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        reply = client.chat.completions.create(model=tuned, messages=HELLO, seed=3, **{name: 2})
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage.completion_tokens == 2
    word = "e"
    whole = client.chat.completions.create(model=tuned, messages=HELLO, seed=3).choices[0].message.content
    assert word in whole
    for stop in (word, [word, "never"]):
        reply = client.chat.completions.create(model=tuned, messages=HELLO, seed=3, stop=stop)
        assert whole.startswith(reply.choices[0].message.content)
        assert word not in reply.choices[0].message.content


def test_a_retrieved_reply_says_where_it_came_from(client: Any) -> None:
    uploaded = client.files.create(file=("lines.jsonl", training_file(20)), purpose="fine-tune")
    job = finished(client, client.fine_tuning.jobs.create(model="nearest", training_file=uploaded.id).id)
    learned = [json.loads(line)["messages"][-1]["content"] for line in training_file(20).splitlines()]
    reply = client.chat.completions.create(model=job.fine_tuned_model, messages=HELLO)
    assert reply.choices[0].message.content in learned
    kept = client.chat.completions.retrieve(reply.id)
    assert reply.choices[0].message.content in kept.metadata["origin"]
    assert 0 <= float(kept.metadata["similarity"]) <= 1


def test_parts_and_other_roles_are_read(client: Any, tuned: str) -> None:
    plain = client.chat.completions.create(model=tuned, messages=HELLO, seed=3)
    parts = [{"role": "user", "content": [{"type": "text", "text": HELLO[0]["content"]}]}]
    assert client.chat.completions.create(model=tuned, messages=parts, seed=3).choices == plain.choices
    system = [{"role": "developer", "content": "You are Tortoise."}, *HELLO]
    assert client.chat.completions.create(model=tuned, messages=system, seed=3).choices[0].message.content


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"stop": 5}, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ],
)
def test_a_wrong_request_names_the_parameter(client: Any, change: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "imitation", "messages": HELLO, **change})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


async def test_chat_openai_streams(local_server: Server, tuned: str) -> None:
    import httpx2
    from langchain_openai import ChatOpenAI

    http = httpx2.AsyncClient(transport=local_server.async_transport(), trust_env=False)
    chat = ChatOpenAI(
        model=tuned,
        api_key="token-of-the-tests",
        base_url=local_server.base_url,
        http_async_client=http,
        stream_usage=True,
        use_responses_api=False,
        max_retries=0,
        seed=3,
        max_tokens=50,
    )
    chunks = [
        chunk async for chunk in chat.astream([("system", "You are Tortoise."), ("human", "Shall we race?")])
    ]
    assert "".join(str(chunk.content) for chunk in chunks)
    assert [
        c.response_metadata["finish_reason"] for c in chunks if "finish_reason" in c.response_metadata
    ] == ["stop"]
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert usage[0]["output_tokens"] > 0
    assert chunks[-1].chunk_position == "last"
    await http.aclose()


async def test_chats_at_the_same_time(local_server: Server, tuned: str) -> None:
    async with local_server.async_client() as client:
        ask = client.chat.completions.create
        alone = await ask(model=tuned, messages=HELLO, seed=3)
        replies = await asyncio.gather(*(ask(model=tuned, messages=HELLO, seed=3) for _ in range(8)))
        assert {reply.choices[0].message.content for reply in replies} == {alone.choices[0].message.content}


# --- the door ------------------------------------------------------------------------------------


def test_a_wrong_token(local_server: Server) -> None:
    with local_server.client("wrong") as client, pytest.raises(openai.AuthenticationError) as refused:
        client.models.list()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id
    with local_server.raw("wrong") as http:
        assert http.get("/healthz").status_code == 401
        assert http.post("/shutdown").status_code == 401
    with local_server.raw() as http:
        assert http.get("/healthz").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_foreign_hosts_and_browsers_are_refused(
    local_server: Server, headers: dict[str, str], status: int
) -> None:
    with local_server.raw() as http:
        assert http.get("/healthz", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/models/", 404, "model_not_found"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/fine_tuning/jobs/ftjob-nothing", 404, "fine_tune_not_found"),
        ("GET", "/v1/chat/completions/nothing", 404, "not_found"),
        ("POST", "/v1/chat/completions", 400, "invalid_json"),
        ("GET", "/v1/files?limit=none", 400, None),
        ("GET", "/v1/files?after=nothing", 400, None),
        pytest.param("GET", f"/v1/files?limit={'1' * 5000}", 400, None, id="huge limit"),
        pytest.param("GET", "/v1/models/%2F" + "x" * 5000, 404, "model_not_found", id="long folder"),
    ],
)
def test_errors_have_openais_body(
    local_server: Server, method: str, path: str, status: int, code: str | None
) -> None:
    with local_server.raw() as http:
        answer = http.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"]


@pytest.mark.parametrize("path", ["/v1/fine_tuning/jobs", "/v1/chat/completions", "/prune"])
def test_a_body_without_a_bottom_is_no_json(local_server: Server, path: str) -> None:
    with local_server.raw() as http:
        answer = http.post(path, content=b'{"x":' + b"[" * 100_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_over_tcp(start_server: Callable[..., Server]) -> None:
    server = start_server("--port", "0")
    at = server.endpoint()
    assert at["host"] == "127.0.0.1"
    assert at["port"] > 0
    with server.client() as client:
        assert client.chat.completions.create(model="nearest", messages=HELLO).choices
        assert (
            client.files.create(file=("a.jsonl", training_file(10)), purpose="fine-tune").status
            == "processed"
        )
    with server.client("wrong") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    with server.raw() as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/healthz", headers={"Host": "rebound.example"}).status_code == 403


def test_for_another_machine_any_address_but_no_foreign_name_is_ours(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("--host", "0.0.0.0", "--port", "0")
    with server.raw() as http:
        assert http.get("/healthz", headers={"Host": "192.168.1.20:8000"}).status_code == 200
        assert http.get("/healthz", headers={"Host": "[fe80::1]:8000"}).status_code == 200
        assert http.get("/healthz", headers={"Host": "rebound.example"}).status_code == 403
