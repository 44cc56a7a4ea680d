"""One client for every provider: the openai SDK, pointed at a socket or an address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from engine.errors import StudioError
from engine.providers import local_process
from engine.providers.failures import explain
from engine.providers.presets import LOOPBACK, Provider, key_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_CONNECT_SECONDS = 10.0


class Connection:
    """An open way to one provider. Close it with `aclose` or use it with `async with`.

    provider: the preset. openai: the SDK's client, its address and key set.
    calls: what this provider really has, found out when connecting.
    nearby: it runs on this machine, so asking often costs nothing. folder: of the local provider.
    """

    def __init__(self, provider: Provider, folder: Path, patience: float) -> None:
        self.provider = provider
        self.calls = provider.calls
        self.openai: AsyncOpenAI
        self.folder = folder
        self._patience = patience

    def __repr__(self) -> str:
        return f"Connection({self.provider.name!r}, {self.provider.host!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def nearby(self) -> bool:
        return self.provider.stays_here or urlsplit(self.provider.base_url or "").hostname in LOOPBACK

    async def aclose(self) -> None:
        await self.openai.close()

    async def open(self) -> None:
        """Make the client; for the local provider find or start its server first.

        Also the way back after that server has ended: it may answer at another socket with another
        token. Raises StudioError.
        """
        if self.provider.stays_here:
            # The SDK takes longer to load than the server to start: do both at once.
            endpoint, _ = await asyncio.gather(local_process.start(self.folder), asyncio.to_thread(_load_sdk))
            self.openai = _client(
                self.provider, endpoint.base_url, endpoint.token, self._patience, endpoint=endpoint
            )
            return
        key = key_of(self.provider)
        await asyncio.to_thread(_load_sdk)
        assert self.provider.base_url is not None
        self.openai = await asyncio.to_thread(
            _client, self.provider, self.provider.base_url, key, self._patience, direct=self.nearby
        )

    async def reopen(self) -> None:
        """Replace the client, the old one closed. Raises StudioError."""
        await self.openai.close()
        await self.open()


async def connect(provider: Provider, folder: Path, *, patience: float = 120.0) -> Connection:
    """Reach `provider`. folder: where the local provider lives. patience: seconds without a byte.

    Raises StudioError where the key is missing or refused, or nothing answers.
    """
    connection = Connection(provider, folder, patience)
    await connection.open()
    if provider.stays_here:
        return connection
    try:
        connection.calls = await _calls(connection)
    except BaseException:
        await connection.aclose()
        raise
    return connection


async def _calls(connection: Connection) -> frozenset[str]:
    """Ask a remote provider who it is: this shows a wrong key or address before any work is done."""
    import openai

    client = connection.openai.with_options(timeout=_CONNECT_SECONDS)
    try:
        models = await _has(client.models.with_raw_response.list())
        if connection.provider.name == "openai":
            return connection.provider.calls
        trains = "jobs" in connection.provider.calls
        jobs = trains and await _has(client.fine_tuning.jobs.with_raw_response.list(limit=1))
    except (openai.OpenAIError, OSError) as error:
        raise explain(error, connection.provider) from error
    if not models and not jobs:
        raise StudioError(
            f"{connection.provider.host} does not speak OpenAI's protocol at this address.",
            "Check --base-url: most services want a /v1 at its end.",
        )
    found = {"chat"} | ({"models"} if models else set()) | ({"files", "jobs"} if jobs else set())
    return frozenset(found)


async def _has(call: Awaitable[Any]) -> bool:
    """Whether `call` gives a list: some servers answer 200 to everything, others 404, 405 or 501."""
    import openai

    try:
        answer = await call
        # Not parsed by the SDK, which fails on a page of HTML.
        page = answer.http_response.json()
    except openai.APIStatusError as error:
        if error.status_code in (404, 405, 501):
            return False
        raise
    except ValueError:
        return False
    if not isinstance(page, dict):
        return False
    # Ollama's list is null while it has no model.
    empty = page.get("object") == "list" and page.get("data") is None
    return empty or isinstance(page.get("data"), list)


def _load_sdk() -> None:
    """Half a second, so in a worker thread. Its debug log would hold whole messages: off."""
    import httpx2  # noqa: F401
    import openai.resources.chat.completions
    import openai.resources.files
    import openai.resources.fine_tuning.jobs
    import openai.resources.models  # noqa: F401

    logging.getLogger("openai").setLevel(logging.WARNING)


def _client(
    provider: Provider,
    base_url: str,
    key: str,
    patience: float,
    *,
    endpoint: local_process.Endpoint | None = None,
    direct: bool = True,
) -> AsyncOpenAI:
    """direct: past any proxy. The address is always given, so that no OPENAI_BASE_URL can move it, and
    redirects are not followed: private text goes where a person agreed and nowhere else."""
    import httpx2
    import openai

    limits = httpx2.Timeout(patience, connect=min(patience, _CONNECT_SECONDS))
    if endpoint is not None:
        transport = httpx2.AsyncHTTPTransport(uds=endpoint.socket, verify=endpoint.trusted())
        http = httpx2.AsyncClient(transport=transport, timeout=limits, trust_env=False)
    else:
        # SSL_CERT_FILE counts on the way past the proxies too: a server of one's own has its own certificate.
        known = httpx2.create_ssl_context(trust_env=True)
        http = httpx2.AsyncClient(timeout=limits, trust_env=not direct, verify=known)
    # What OPENAI_ORG_ID and OPENAI_PROJECT_ID say is no other service's business.
    absent: Any = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    return openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=base_url,
        http_client=http,
        timeout=limits,
        # The SDK would repeat a request whose answer was lost, and with it make a second job.
        max_retries=0,
        default_headers=None if provider.name == "openai" else absent,
    )
