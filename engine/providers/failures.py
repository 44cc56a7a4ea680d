"""Every way in which a provider can fail, as one plain sentence and one remedy."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from typing import Any

from engine.errors import DataError, StudioError
from engine.providers.presets import Provider, services

_TOO_LONG = (
    "context_length_exceeded",
    "context window",
    "maximum context length",
    "prompt is too long",
    "exceeds the available context size",  # llama-server
    "context length of only",  # LM Studio
)


def explain(exc: BaseException, provider: Provider, known_models: Sequence[str] = ()) -> StudioError:
    """`exc`, raised by the SDK, LangChain or the network, as something a person can act on.

    known_models: ids to offer when the model was not found. Never contains a key or a message's text.
    Unknown exceptions are bugs and are raised again as they are.
    """
    import openai

    if isinstance(exc, StudioError):
        return exc
    where = _where(provider)
    # A stall in a stream; LangChain's StreamChunkTimeoutError is a TimeoutError too, and no openai error.
    if isinstance(exc, TimeoutError):
        return StudioError(
            f"{where} stopped sending in the middle of the reply.",
            "Ask again; if it happens often, the service is overloaded.",
        )
    if isinstance(exc, openai.APITimeoutError):
        return StudioError(f"{where} took too long to answer.", "Try again in a moment.")
    if isinstance(exc, openai.APIConnectionError) or _is_transport_error(exc):
        return _connection(exc, provider)
    if isinstance(exc, openai.APIStatusError):
        return _status(exc, provider, known_models)
    if isinstance(exc, openai.APIError):  # an error event inside a stream has no status
        if _too_long(exc):
            return _context()
        if _says_all(exc, provider):
            return StudioError(_reason(exc))
        return StudioError(f"{where} broke the reply off: {_sentence(exc)}", "Ask again.")
    if isinstance(exc, openai.OpenAIError):
        return StudioError(
            f"{where} could not be used: {_safe(str(exc))}", "Check the provider's key and address."
        )
    raise exc


def is_ambiguous(exc: BaseException) -> bool:
    """Whether a request that failed so may have been carried out all the same."""
    import openai

    if isinstance(exc, openai.APIStatusError):
        return exc.status_code >= 500 or exc.status_code in (408, 409)
    return isinstance(exc, openai.APIConnectionError) or _is_transport_error(exc)


def is_passing(exc: BaseException) -> bool:
    """Whether asking again later may help: no connection, overload, a rate limit."""
    import openai

    return is_ambiguous(exc) or isinstance(exc, openai.RateLimitError)


def _status(exc: Any, provider: Provider, known_models: Sequence[str]) -> StudioError:
    where, status, code = _where(provider), exc.status_code, exc.code or ""
    if code == "training_not_available":
        return StudioError(
            f"{where} refuses this organisation new fine-tuning jobs: it is closing self-serve fine-tuning.",
            "Train on this machine with --provider local, or use another service with --provider custom.",
        )
    if status == 401:
        if provider.stays_here:
            return StudioError(
                "The local provider was restarted and has a new token.", "Try again; it will be found anew."
            )
        if provider.key_env and not os.environ.get(provider.key_env, "").strip():
            return StudioError(f"{where} asks for a key.", f"Put it into {provider.key_env}.")
        return StudioError(
            f"{where} does not accept the key in {provider.key_env}.",
            f"Check {provider.key_env}: it may be mistyped, withdrawn, or belong to another service.",
        )
    if status == 403:
        return StudioError(
            f"{where} does not allow this: {_sentence(exc)}",
            "Ask whoever runs the account for the right, or use another provider.",
        )
    if status == 404:
        return _not_found(exc, provider, known_models)
    if status == 429:
        if code == "insufficient_quota":
            return StudioError(
                f"The account at {where} has no credit left.", "Add credit there, or use the local provider."
            )
        wait = exc.response.headers.get("retry-after", "")
        after = f"in {wait} seconds" if wait.isdigit() else "in a minute"
        return StudioError(
            f"{where} limits how often it may be asked, and the limit is reached.", f"Try again {after}."
        )
    if _too_long(exc):
        return _context()
    if code == "invalid_n_examples":
        return DataError(
            f"{where} wants more examples: {_reason(exc)}",
            "Choose a person with more messages, or smaller chunks.",
        )
    if status == 413:
        return DataError(f"The file is too large for {where}.", "Train on fewer chunks.")
    if 300 <= status < 400:
        target = exc.response.headers.get("location", "another address")
        return StudioError(
            f"{where} points to {_safe(target)}; nothing was sent there.",
            "Give that address itself if you trust it.",
        )
    if status >= 500 and _says_all(exc, provider):
        return StudioError(_reason(exc))
    if status == 503 and "loading model" in _reason(exc).lower():
        return StudioError(f"{where} is still loading the model.", "Ask again in a moment.")
    if status >= 500:
        return StudioError(f"{where} has a fault of its own (HTTP {status}).", "Try again in a few minutes.")
    if exc.request.url.path.endswith(("/cancel", "/pause", "/resume")):
        return StudioError(_reason(exc), "`understudy jobs show JOB` says how it stands.")
    return StudioError(
        f"{where} refused the request: {_sentence(exc)}", "Change what it names and try again."
    )


def only_chats(provider: Provider) -> StudioError:
    """The error for a training at a provider that has none."""
    return StudioError(
        f"{_where(provider)} cannot fine-tune; it can only be chatted with.",
        "Train with --provider local; `understudy models export JOB --to DIR` takes the model there.",
    )


def no_such_model(provider: Provider, name: str, known_models: Sequence[str]) -> StudioError:
    """The error for a model that the provider does not have; the nearest known names are offered."""
    near = difflib.get_close_matches(name, known_models, n=3, cutoff=0.5)
    there = "" if provider.stays_here else f" --provider {provider.name}"
    known = f"See what there is with `understudy models{there}`."
    offer = f"Did you mean {' or '.join(near)}?" if near else known
    return StudioError(f"{_where(provider)} has no model {name}.", offer)


def _not_found(exc: Any, provider: Provider, known_models: Sequence[str]) -> StudioError:
    where, text = _where(provider), str(exc)
    named = re.search(r"[Mm]odel:?\s+[`'\"]?([\w.:/-]+)", text)
    if exc.code == "model_not_found" or (named and "model" in text.lower()):
        name = named.group(1).rstrip(".:") if named else "of that name"
        return no_such_model(provider, name, known_models)
    if "/files" in str(exc.request.url.path) or "/fine_tuning" in str(exc.request.url.path):
        if exc.request.method == "POST":
            return only_chats(provider)
        return StudioError(
            f"{where} does not know that job or file any more.", "It may have been deleted there."
        )
    return StudioError(
        f"{where} has nothing at that address.", "Check --base-url: most services want a /v1 at its end."
    )


def _connection(exc: BaseException, provider: Provider) -> StudioError:
    if provider.stays_here:
        return StudioError("The local provider does not answer.", "Try again; it is started anew by itself.")
    cause = _causes(exc).lower()
    if "certificate" in cause or "ssl" in cause:
        return StudioError(
            f"The identity of {provider.host} could not be checked (its certificate).",
            "Check the address; behind a company's proxy, point SSL_CERT_FILE at its certificates.",
        )
    if any(
        word in cause for word in ("incomplete", "peer closed", "disconnected", "reset by peer", "readerror")
    ):
        return StudioError(f"The connection to {provider.host} was lost.", "Check the network and try again.")
    if any(word in cause for word in ("name or service", "nodename", "resolution", "no address")):
        return StudioError(
            f"There is no machine called {provider.host}, or the network is down.",
            "Check the address and the network; the local provider works without one.",
        )
    if (service := services().get(provider.name)) is not None and service.start:
        return StudioError(
            f"Nothing answers at {provider.base_url}.",
            f"Start {service.title} with `{service.start}`, or say with --base-url where it runs.",
        )
    return StudioError(
        f"Nothing answers at {provider.base_url}.",
        "Check the address, and that the service there is running.",
    )


def _causes(exc: BaseException) -> str:
    """The texts of `exc` and all it came from: LangChain wraps the SDK's error, which wraps the network's."""
    texts = []
    link: BaseException | None = exc
    while link is not None:
        texts.append(f"{type(link).__name__} {link}")
        link = link.__cause__
    return "\n".join(texts)


def _is_transport_error(exc: BaseException) -> bool:
    """A read that breaks in mid-stream can surface as the transport's own error, unwrapped."""
    import httpx2

    return isinstance(exc, (httpx2.TransportError, ConnectionError))


def _too_long(exc: Any) -> bool:
    text = f"{exc.code} {exc}".lower()
    return any(sign in text for sign in _TOO_LONG)


def _says_all(exc: Any, provider: Provider) -> bool:
    """Whether the local provider's own words are what happened and what to do; a bug has no code."""
    return provider.stays_here and bool(exc.code)


def _context() -> StudioError:
    return StudioError(
        "The chat has grown longer than this model can read.", "Start a new chat, or delete earlier turns."
    )


def _reason(exc: Any) -> str:
    """The service's own words, without the SDK's "Error code: 400 - {...}" around them.

    At OpenAI they are the `message` of an `error`; elsewhere the error itself, or a `detail`.
    """
    body = exc.body
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message") or inner.get("detail") if isinstance(inner, dict) else inner
    return _safe(message if isinstance(message, str) and message else str(exc.message))


def _sentence(exc: Any) -> str:
    reason = _reason(exc)
    return reason if reason.endswith((".", "!", "?", "…")) else f"{reason}."


def _safe(text: str) -> str:
    """One line of foreign text with anything that looks like a key removed."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", " ", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = re.sub(r"\b(?:sk|lsv2|hf|gsk|nvapi)[-_][\w*.-]{6,}", "(key)", line)
    line = re.sub(r"(?i)bearer\s+\S+", "(key)", line)
    return line if len(line) <= 300 else f"{line[:299]}…"


def _where(provider: Provider) -> str:
    return {"local": "The local provider", "openai": "OpenAI"}.get(provider.name, provider.host)
