"""Chat completions, plain and streamed, and the last of them to look at again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal

import msgspec
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine import __version__
from engine.errors import StudioError
from engine.local.disk import new_id, traces
from engine.local.generation.hosts import HostedModel, Part
from engine.local.generation.pipe import ChosenToken
from engine.local.guard import ApiError, json_response, log
from engine.local.models import Models
from engine.local.trainers import ChatMessage, Model, Piece
from engine.local.wire import read_body

_DEFAULT_TOKENS = 512
_RECENT = 256
_METADATA_VALUE = 512


class TextPart(msgspec.Struct, frozen=True):
    type: Literal["text"]
    text: str


class AskedMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None

    def plain(self) -> ChatMessage:
        content = self.content or ""
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return ChatMessage("system" if self.role == "developer" else self.role, text, self.name)


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class Asked(msgspec.Struct, frozen=True):
    """OpenAI's request, as far as a model here can honour it; fields that only hint are not looked at."""

    model: str
    messages: Annotated[list[AskedMessage], msgspec.Meta(min_length=1)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Annotated[list[Any], msgspec.Meta(max_length=0)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None

    @property
    def asked_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def limit(self) -> int:
        return self.asked_limit or _DEFAULT_TOKENS

    @property
    def stops(self) -> list[str]:
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in given if text]


class Reply:
    """One completion while it is made. Iterating yields the pieces; afterwards `wire` is the whole."""

    def __init__(self, asked: Asked) -> None:
        self.id = new_id("chatcmpl-")
        self.created = int(time.time())
        self._asked = asked
        self._messages = [message.plain() for message in asked.messages]
        self._text: list[str] = []
        self._tokens = 0
        self._prompt_tokens = 0
        self._finish: str | None = None
        self._logprobs: list[ChosenToken] = []
        self.metadata: dict[str, str] = {}

    async def pieces(self, model: Model | HostedModel) -> AsyncGenerator[Piece, None]:
        """Generate, one piece at a time. A client that is gone ends it there: close the generator."""
        asked = self._asked
        temperature = 1.0 if asked.temperature is None else asked.temperature
        top_p = 1.0 if asked.top_p is None else asked.top_p
        if isinstance(model, HostedModel):
            parts = model.reply(
                self._messages,
                temperature=temperature,
                top_p=top_p,
                max_tokens=asked.asked_limit,
                stop=asked.stops,
                seed=asked.seed,
                top_logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
            )
            async with aclosing(parts):
                async for part in parts:
                    self._prompt_tokens += part.prompt_tokens or 0
                    self._finish = part.finish
                    self._logprobs += part.logprobs
                    yield self._keep(part)
            return
        generation = model.reply(
            self._messages,
            temperature=temperature,
            top_p=top_p,
            max_tokens=asked.limit,
            stop=asked.stops,
            seed=asked.seed,
        )
        try:
            # In worker threads, since these models compute here.
            async for piece in iterate_in_threadpool(generation):
                yield self._keep(piece)
        finally:
            _close(generation)
        self._prompt_tokens = await run_in_threadpool(_prompt_tokens, self._messages)

    def _keep(self, piece: Piece) -> Piece:
        self._text.append(piece.text)
        self._tokens += piece.tokens
        if piece.origin is not None:
            self.metadata["origin"] = piece.origin[:_METADATA_VALUE]
        if piece.similarity is not None:
            self.metadata["similarity"] = f"{piece.similarity:.2f}"
        return piece

    @property
    def finish(self) -> str:
        return self._finish or ("length" if self._tokens >= self._asked.limit else "stop")

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._tokens,
            "total_tokens": self._prompt_tokens + self._tokens,
        }

    def wire(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self._text), "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self.finish,
            "logprobs": _logprobs(self._logprobs),
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": self.usage,
            "metadata": self.metadata,
        }

    def chunk(
        self, delta: dict[str, str], finish: str | None = None, logprobs: Sequence[ChosenToken] = ()
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": _logprobs(logprobs)}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self._asked.model,
            "system_fingerprint": f"understudy-{__version__}",
        }


class Chat:
    """The routes below /v1/chat/completions. Recent completions stay in memory only."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._recent: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def create(self, request: Request) -> Response:
        asked = await read_body(request, Asked)
        if asked.top_logprobs is not None and not asked.logprobs:
            raise ApiError(400, "top_logprobs needs logprobs to be true.", param="top_logprobs")
        model = await self._models.load(asked.model)
        reply = Reply(asked)
        pieces = reply.pieces(model)
        if asked.stream:
            # What is refused is refused with its status, before the answer begins.
            first = await anext(pieces, None)
            return StreamingResponse(
                self._stream(reply, asked, first, pieces), media_type="text/event-stream"
            )
        async with aclosing(pieces):
            async for _ in pieces:
                if await request.is_disconnected():
                    return Response(status_code=499)
        self._remember(reply)
        return json_response(reply.wire())

    async def retrieve(self, request: Request) -> Response:
        completion = self._recent.get(request.path_params["completion"])
        if completion is None:
            raise ApiError(404, "No recent chat completion has this id.", code="not_found")
        return json_response(completion)

    async def _stream(
        self, reply: Reply, asked: Asked, first: Piece | None, pieces: AsyncGenerator[Piece, None]
    ) -> AsyncIterator[bytes]:
        try:
            async with aclosing(pieces):
                yield _sse(reply.chunk({"role": "assistant", "content": ""}))
                piece = first
                while piece is not None:
                    logprobs = piece.logprobs if isinstance(piece, Part) else ()
                    # Empty where a model is still being loaded: nobody should think that it has died.
                    if piece.text or logprobs or (isinstance(piece, Part) and piece.waiting):
                        yield _sse(reply.chunk({"content": piece.text}, logprobs=logprobs))
                    piece = await anext(pieces, None)
        except ApiError as error:
            yield _sse(error.body)
            return
        except Exception as error:  # noqa: BLE001 - the answer has begun: the error goes where the text went
            log.error("A streamed reply failed:\n%s", traces(error))
            message = str(error) if isinstance(error, StudioError) else "The model failed to answer."
            yield _sse(ApiError(500, message, kind="server_error").body)
            return
        self._remember(reply)
        yield _sse(reply.chunk({}, reply.finish))
        if asked.stream_options and asked.stream_options.include_usage:
            yield _sse(reply.usage_chunk())
        yield b"data: [DONE]\n\n"

    def _remember(self, reply: Reply) -> None:
        self._recent[reply.id] = reply.wire()
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)


def _sse(content: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _logprobs(tokens: Sequence[ChosenToken]) -> dict[str, Any] | None:
    return {"content": list(tokens), "refusal": None} if tokens else None


def _close(generation: Iterator[Piece]) -> None:
    close = getattr(generation, "close", None)
    if close:
        # A shutdown may end this while a worker thread is inside the generator; it ends with its piece.
        with suppress(ValueError):
            close()


def _prompt_tokens(messages: list[ChatMessage]) -> int:
    """As OpenAI counts a prompt: three tokens a message, and three before the reply."""
    from engine import tokens

    return sum(tokens.count_all([message.content for message in messages])) + 3 * len(messages) + 3
