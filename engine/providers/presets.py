"""Which services there are, as data: where they are, what they can do, what they ask of a file."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec

from engine import config
from engine.errors import StudioError

OPENAI_URL = "https://api.openai.com/v1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ALL_CALLS = frozenset({"files", "jobs", "models", "chat"})
_CHAT_CALLS = frozenset({"models", "chat"})
_MEGABYTE = 1 << 20


class Offer(msgspec.Struct, frozen=True):
    """One base model. training_price: US dollars for a million tokens and epoch, as of price_date."""

    model: str
    retires: date | None = None
    training_price: float | None = None
    price_date: date | None = None


class Service(msgspec.Struct, frozen=True):
    """A service or a program: a `custom` provider of which more is known. The fields: see services.toml."""

    name: str
    title: str
    base_url: str = ""
    example: str = ""
    key_env: str | None = None
    trains: bool = False
    start: str = ""
    note: str = ""


class Provider(msgspec.Struct, frozen=True):
    """A service that speaks OpenAI's protocol.

    base_url: None for the local provider, whose address is a socket found at the moment of use.
    key_env: the environment variable that holds the key, or None where none is needed.
    key_needed: whether to refuse when that variable is empty.
    calls: what it has, of "files", "jobs", "models", "chat"; for `custom` what to try for.
    stays_here: nothing sent to it can leave this machine.
    min_examples, max_tokens (of one example), max_bytes (of one file): its rules for training files.
    """

    name: str
    base_url: str | None
    key_env: str | None
    key_needed: bool
    calls: frozenset[str]
    offers: tuple[Offer, ...]
    stays_here: bool
    note: str
    min_examples: int = 10
    max_tokens: int = 65_536
    max_bytes: int = 512 * _MEGABYTE

    @property
    def base_models(self) -> tuple[str, ...]:
        return tuple(offer.model for offer in self.offers)

    @property
    def host(self) -> str:
        """The host (and port) that data go to, for people."""
        return urlsplit(self.base_url).netloc if self.base_url else "this machine"


def provider(name: str, *, base_url: str | None = None, key_env: str | None = None) -> Provider:
    """The preset `name`: local, openai, custom or one of `services()`. Raises StudioError for anything else.

    base_url belongs to `custom` (else the settings' base_url) and to services that run elsewhere than
    usual; key_env names the environment variable to take the key from.
    """
    if name == "custom":
        return _custom(base_url or config.load().settings.base_url, key_env)
    if (service := services().get(name)) is not None:
        return _served(service, base_url, key_env)
    if name not in ("local", "openai"):
        known = ", ".join(["local", "openai", *services()])
        raise StudioError(f"There is no provider called {name}.", f"Choose {known} or custom.")
    chosen = _local() if name == "local" else _openai(key_env)
    if base_url and base_url != chosen.base_url:
        raise StudioError(
            f"The provider {name} has its own address.", "Use --provider custom together with --base-url."
        )
    return chosen


def providers() -> list[Provider]:
    """Every preset that can be used now; `custom` and services only where the settings say so."""
    settings = config.load().settings
    names = ["local", "openai"] + (["custom"] if settings.base_url else [])
    chosen = services().get(settings.provider)
    if chosen and (chosen.base_url or settings.base_url):
        names.append(chosen.name)
    return [provider(name) for name in names]


@cache
def services() -> dict[str, Service]:
    """What services.toml knows, by name."""
    table = tomllib.loads(files("engine.providers").joinpath("services.toml").read_text("utf-8"))
    return {one.name: one for one in msgspec.convert(table["service"], list[Service])}


def _local() -> Provider:
    return Provider(
        name="local",
        base_url=None,
        key_env=None,
        key_needed=False,
        calls=_ALL_CALLS,
        offers=_offers("local"),
        stays_here=True,
        note="Built in. Trains and chats on this machine; nothing leaves it, and no account is needed.",
    )


def _openai(key_env: str | None) -> Provider:
    return Provider(
        name="openai",
        base_url=OPENAI_URL,
        key_env=key_env or "OPENAI_API_KEY",
        key_needed=True,
        calls=_ALL_CALLS,
        offers=_offers("openai"),
        stays_here=False,
        note=(
            "OpenAI is closing self-serve fine-tuning: new jobs are refused for most organisations today "
            "and for all from 2027-01-06. Chatting with a model that is already trained goes on until "
            "its base model retires."
        ),
    )


def _custom(base_url: str | None, key_env: str | None) -> Provider:
    if not base_url:
        raise StudioError(
            "The provider custom needs an address.",
            "Give it with --base-url, or as base_url in the config, for example http://localhost:8000/v1.",
        )
    refusal = StudioError(
        "That address of the provider is no web address.", "Write it like https://example.com/v1."
    )
    try:
        address = urlsplit(base_url)
        whole = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        raise refusal from None
    if not whole:
        raise refusal
    if address.username or address.password or address.query:
        raise StudioError(
            "The address of the provider holds a key or a password.",
            "Put the key into an environment variable and name it with --key-env.",
        )
    return Provider(
        name="custom",
        base_url=base_url.rstrip("/"),
        key_env=key_env or "UNDERSTUDY_API_KEY",
        key_needed=key_env is not None,
        calls=_ALL_CALLS,
        offers=(),
        stays_here=False,
        note="Any service with OpenAI's protocol. Where it cannot fine-tune, it is used for chat alone.",
    )


def _served(service: Service, base_url: str | None, key_env: str | None) -> Provider:
    address = base_url or service.base_url or config.load().settings.base_url
    if not address:
        raise StudioError(
            f"The provider {service.name} needs the address of your own resource.",
            f"Give it with --base-url, or as base_url in the config, like {service.example}.",
        )
    # Only a key that is named for it: UNDERSTUDY_API_KEY may belong to another service.
    key = key_env or service.key_env
    note = service.note or "For chat alone: it trains nothing."
    return msgspec.structs.replace(
        _custom(address, key),
        name=service.name,
        key_env=key,
        calls=_ALL_CALLS if service.trains else _CHAT_CALLS,
        note=f"{service.title} at {address}, or at --base-url. {note}",
    )


def key_of(provider: Provider) -> str:
    """The key from the environment, "" where none is needed. Raises StudioError where one is missing."""
    name = provider.key_env
    if name is None:
        return ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # Somebody who pastes the key itself must not read it back in a message or a log.
        raise StudioError(
            "--key-env takes the name of an environment variable, not the key itself.",
            "Put the key into a variable, for example MY_KEY, and write --key-env MY_KEY.",
        )
    key = os.environ.get(name, "").strip()
    if not key and provider.key_needed:
        raise StudioError(
            f"There is no key for {provider.host}: the environment variable {name} is empty.",
            f"Set {name}, or use the local provider, which needs none.",
        )
    return key


@cache
def _offers(name: str) -> tuple[Offer, ...]:
    table = tomllib.loads(files("engine.providers").joinpath("offers.toml").read_text("utf-8"))
    return msgspec.convert(tuple(table[name]), tuple[Offer, ...])
