"""The door: who may speak to the server, how much they may send, and how errors look.

Pure ASGI. Every answer that is not a success has OpenAI's error body.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from ipaddress import ip_address
from time import monotonic
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.local.disk import traces

log = logging.getLogger("understudy.local")

MAX_FILE = 512 * 1024 * 1024
MAX_BODY = 16 * 1024 * 1024
_MULTIPART_ROOM = 64 * 1024


class ApiError(Exception):
    """An answer of 400 and above. message: one sentence for the person at the other end."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def json_response(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return json_response(error.body, error.status)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: unknown route, wrong method, broken multipart."""
    assert isinstance(error, HTTPException)
    messages = {
        404: f"Unknown request URL: {request.method} {request.url.path}.",
        405: f"Not allowed: {request.method} {request.url.path}.",
    }
    codes = {404: "unknown_url", 405: "method_not_allowed"}
    status = error.status_code
    refusal = ApiError(status, messages.get(status, str(error.detail)), code=codes.get(status))
    return json_response(refusal.body, status)


async def on_studio_error(_: Request, error: Exception) -> Response:
    return json_response(ApiError(500, str(error), kind="server_error").body, 500)


async def on_bug(_: Request, error: Exception) -> Response:
    message = "The local provider failed; its server.log says where."
    if isinstance(error, OSError) and error.strerror:
        message = f"The local provider's folder cannot be used: {error.strerror}."
    return json_response(ApiError(500, message, kind="server_error").body, 500)


class Guard:
    """Refuses foreign Hosts, browsers (any Origin), wrong tokens and bodies that are too large.

    host_allowed: whether a Host header without its port is ours. `active` and `last_request` (monotonic
    seconds) tell the idle clock what goes on.
    """

    def __init__(self, app: ASGIApp, token: str, host_allowed: Callable[[str], bool]) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._host_allowed = host_allowed
        self.active = 0
        self.last_request = monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.active += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.active -= 1
            self.last_request = monotonic()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = b"req_" + secrets.token_hex(8).encode()
        limit = MAX_FILE + _MULTIPART_ROOM if scope["path"] == "/v1/files" else MAX_BODY
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise ApiError(413, f"The request is larger than {limit // 2**20} MB.", code="too_large")
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        if refusal := self._refusal(dict(scope["headers"]), limit):
            await json_response(refusal.body, refusal.status)(scope, receive, marked)
            return
        try:
            await self._app(scope, counted, marked)
        except Exception as error:  # noqa: BLE001
            # Starlette has answered already (`on_bug`); here it is only written down.
            log.error("%s %s failed:\n%s", scope["method"], scope["path"], traces(error))

    def _refusal(self, headers: dict[bytes, bytes], limit: int) -> ApiError | None:
        if not self._host_allowed(_without_port(headers.get(b"host", b"").decode("latin-1"))):
            return ApiError(403, "This host name is not served here.", code="foreign_host")
        if b"origin" in headers:
            return ApiError(403, "Web pages may not use the local provider.", code="foreign_origin")
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            return ApiError(401, "The token is missing or wrong.", code="invalid_api_key")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            return ApiError(413, f"The request is larger than {limit // 2**20} MB.", code="too_large")
        return None


def _without_port(host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_address(host: str) -> bool:
    """Whether `host` is an IP address: no foreign name can be made to point here under an address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether what listens on `host` can be reached from this machine alone."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
