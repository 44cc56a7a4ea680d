"""Every failure is one plain sentence and one remedy."""

from __future__ import annotations

import pytest
from faulty_provider import FaultyProvider, error
from starlette.responses import Response

from engine.errors import DataError, StudioError
from engine.providers import Connection, explain, provider

KEY = "sk-very-secret-0123456789"


async def failed(
    remote: Connection, faulty: FaultyProvider, answer: Response, method: str = "GET"
) -> StudioError:
    """What is said when the service gives `answer` to a look at (or the creation of) a job."""
    faulty.broken = {(method, "/fine_tuning/jobs"): answer}
    import openai

    try:
        if method == "GET":
            await remote.openai.fine_tuning.jobs.retrieve("ftjob-0")
        else:
            await remote.openai.fine_tuning.jobs.create(model="m", training_file="f")
    except openai.OpenAIError as raised:
        return explain(raised, remote.provider, ("gpt-4.1-mini", "gpt-4o", "imitation"))
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (error(401), "does not accept the key in UNDERSTUDY_API_KEY", "mistyped"),
        (error(403, "not yours"), "does not allow this: not yours", "another provider"),
        (error(403, "x", "training_not_available"), "closing self-serve fine-tuning", "--provider local"),
        (
            error(404, "The model 'gpt-4.1-mni' does not exist", "model_not_found"),
            "no model gpt-4.1-mni",
            "mean gpt",
        ),
        (
            error(404, "The model 'zzz' does not exist", "model_not_found"),
            "no model zzz",
            "understudy models",
        ),
        (error(404, "no such job"), "does not know that job or file", "deleted"),
        (error(429, "slow", retry_after="7"), "the limit is reached", "in 7 seconds"),
        (error(429, "slow"), "the limit is reached", "in a minute"),
        (error(429, "pay", "insufficient_quota"), "no credit left", "local"),
        (error(400, "x", "context_length_exceeded"), "longer than this model can read", "new chat"),
        (
            error(400, "This model's maximum context length is 5"),
            "longer than this model can read",
            "new chat",
        ),
        (error(400, "suffix is bad"), "refused the request: suffix is bad", "try again"),
        (error(413), "too large", "fewer chunks"),
        (error(500), "fault of its own (HTTP 500)", "few minutes"),
        (error(503), "fault of its own (HTTP 503)", "few minutes"),
        (Response("<html>bad gateway</html>", 502), "fault of its own (HTTP 502)", "few minutes"),
        (
            error(307, location="https://evil.example/"),
            "points to https://evil.example/; nothing was sent",
            "trust",
        ),
    ],
)
async def test_each_status(
    remote: Connection,
    faulty: FaultyProvider,
    answer: Response,
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", KEY)
    said = await failed(remote, faulty, answer)
    assert message in said.message
    assert hint in said.hint
    for text in (said.message, said.hint):
        assert "Error code" not in text and "{" not in text and "\n" not in text


async def test_a_key_that_is_not_set_is_not_called_wrong(
    remote: Connection, faulty: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNDERSTUDY_API_KEY", raising=False)
    said = await failed(remote, faulty, error(401))
    assert said.message.endswith("asks for a key.") and said.hint == "Put it into UNDERSTUDY_API_KEY."


async def test_creating_says_what_the_service_cannot_do(remote: Connection, faulty: FaultyProvider) -> None:
    assert "can only be chatted with" in (await failed(remote, faulty, error(404), "POST")).message
    few = await failed(remote, faulty, error(400, "too few", "invalid_n_examples"), "POST")
    assert isinstance(few, DataError)
    assert "too few" in few.message


async def test_a_key_in_a_services_answer_is_not_repeated(remote: Connection, faulty: FaultyProvider) -> None:
    for text in (f"Incorrect key {KEY} given", f"Authorization: Bearer {KEY}", f"\x1b[31m{KEY}\n"):
        said = str(await failed(remote, faulty, error(400, text)))
        assert KEY not in said and "\x1b" not in said and "(key)" in said


async def test_the_ways_a_connection_fails() -> None:
    import httpx2
    import openai

    request = httpx2.Request("GET", "http://host.example/v1")
    chosen = provider("custom", base_url="http://host.example/v1")

    def said(cause: Exception) -> str:
        raised = openai.APIConnectionError(request=request)
        raised.__cause__ = cause
        return explain(raised, chosen).message

    assert said(httpx2.ConnectError("[Errno 111] Connection refused")) == (
        "Nothing answers at http://host.example/v1."
    )
    assert "no machine called host.example" in said(httpx2.ConnectError("Name or service not known"))
    assert "certificate" in said(httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"))
    assert "was lost" in said(httpx2.RemoteProtocolError("peer closed connection, incomplete chunked read"))
    assert "too long" in explain(openai.APITimeoutError(request=request), chosen).message
    lost = explain(httpx2.ReadError("reset"), chosen)
    assert "was lost" in lost.message
    here = explain(openai.APIConnectionError(request=request), provider("local"))
    assert here.message == "The local provider does not answer."


async def test_a_bug_of_ours_is_not_explained_away() -> None:
    with pytest.raises(KeyError):
        explain(KeyError("x"), provider("local"))
    already = StudioError("said", "done")
    assert explain(already, provider("local")) is already


def test_the_local_providers_own_words_are_kept() -> None:
    """Where it gives a code it says what to do as well; a fault without one is only called a fault."""
    import httpx2
    import openai

    request = httpx2.Request("POST", "http://local.invalid/v1/chat/completions")
    said = {"error": {"message": "This model needs 9 GB. Choose another.", "code": "not_enough_memory"}}
    full = openai.InternalServerError("x", response=httpx2.Response(503, request=request), body=said["error"])
    assert str(explain(full, provider("local"))) == "This model needs 9 GB. Choose another."
    bug = openai.InternalServerError("x", response=httpx2.Response(500, request=request), body={})
    assert "fault of its own" in str(explain(bug, provider("local")))
