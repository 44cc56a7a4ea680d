"""Providers as data, and where keys come from."""

from __future__ import annotations

import pytest

from engine.errors import StudioError
from engine.providers import provider, providers
from engine.providers.presets import key_of

KEY = "sk-very-secret-0123456789"


def test_local_is_the_first_and_needs_neither_key_nor_address() -> None:
    local = providers()[0]
    assert (local.name, local.base_url, local.key_env, local.stays_here) == ("local", None, None, True)
    assert local.base_models == ("imitation", "nearest")
    assert key_of(local) == ""


def test_openai_says_that_it_closes_and_when_its_models_retire() -> None:
    openai = provider("openai")
    assert "2027-01-06" in openai.note
    assert all(offer.retires for offer in openai.offers)
    assert not openai.stays_here


def test_openai_is_never_moved_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.example/v1")
    assert provider("openai").base_url == "https://api.openai.com/v1"
    assert provider("openai").host == "api.openai.com"


def test_custom_takes_its_address_from_the_option_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNDERSTUDY_BASE_URL", "https://one.example/v1/")
    assert provider("custom").base_url == "https://one.example/v1"
    assert provider("custom", base_url="https://two.example:8000/v1").host == "two.example:8000"
    assert [p.name for p in providers()] == ["local", "openai", "custom"]


@pytest.mark.parametrize(
    ("name", "base_url", "said"),
    [
        ("opnai", None, "no provider called opnai"),
        ("custom", None, "needs an address"),
        ("custom", "example.com/v1", "no web address"),
        ("custom", "ftp://example.com", "no web address"),
        ("custom", "http://example.com:port/v1", "no web address"),
        ("custom", "http://[::1/v1", "no web address"),
        ("custom", f"https://user:{KEY}@example.com/v1", "holds a key or a password"),
        ("custom", f"https://example.com/v1?key={KEY}", "holds a key or a password"),
        ("local", "https://example.com/v1", "its own address"),
    ],
)
def test_what_cannot_be_a_provider_is_refused(
    name: str, base_url: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNDERSTUDY_BASE_URL", raising=False)
    with pytest.raises(StudioError, match=said) as refused:
        provider(name, base_url=base_url)
    assert refused.value.hint
    assert KEY not in str(refused.value)


def test_the_stored_address_of_a_job_leads_back_to_its_preset() -> None:
    openai = provider("openai")
    assert provider("openai", base_url=openai.base_url) == openai
    assert provider("local", base_url=None) == provider("local")


def test_a_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    assert key_of(provider("openai", key_env="MY_KEY")) == KEY


def test_a_missing_key_is_said_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(StudioError, match="OPENAI_API_KEY is empty"):
        key_of(provider("openai"))
    monkeypatch.delenv("UNDERSTUDY_API_KEY", raising=False)
    assert key_of(provider("custom", base_url="http://localhost:1/v1")) == ""


def test_a_key_given_in_place_of_its_variables_name_is_not_repeated() -> None:
    with pytest.raises(StudioError, match="name of an environment variable") as refused:
        key_of(provider("openai", key_env=KEY))
    assert KEY not in str(refused.value)
