"""Counting tokens without a network."""

import gzip
import hashlib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiktoken_ext.openai_public

from engine import tokens
from engine.errors import StudioError


@pytest.fixture
def unloaded(monkeypatch):
    """As in a fresh process."""
    monkeypatch.setattr(tokens, "_encoding", None)
    monkeypatch.setattr(tokens, "_failure", None)


def test_the_shipped_table_is_openai_s() -> None:
    table = gzip.decompress(tokens.TABLE.read_bytes())
    assert hashlib.sha256(table).hexdigest().startswith("446a9538")


def test_the_definition_is_tiktoken_s(monkeypatch) -> None:
    asked = {}

    def table(url: str, expected_hash: str) -> dict[bytes, int]:
        asked["hash"] = expected_hash
        return {}

    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", table)
    definition = tiktoken_ext.openai_public.o200k_base()
    assert definition["pat_str"] == tokens.PATTERN
    assert definition["special_tokens"] == tokens.SPECIAL_TOKENS
    assert asked["hash"] == tokens.TABLE_SHA256


def test_loading_and_counting_touch_no_network(unloaded, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert tokens.count("Hello, world!") == 4
    assert tokens.is_exact()


def test_importing_loads_neither_tiktoken_nor_the_table() -> None:
    code = "import sys, engine.tokens as t; print('tiktoken' in sys.modules, t._encoding)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "None"]


def test_known_tokens() -> None:
    assert tokens.encoding().encode_ordinary("hello world") == [24912, 2375]
    assert tokens.count("") == 0
    assert tokens.encoding().n_vocab == 200019


@pytest.mark.parametrize("text", ["<|endoftext|>", "a<|endofprompt|>b", "<|fim_suffix|>", "<|im_start|>"])
def test_special_token_texts_count_as_text(text: str) -> None:
    assert tokens.count(text) > 1


@pytest.mark.parametrize("text", ["\ud83d half an emoji", "\x00", "🙂" * 300, "Zoë"])
def test_odd_text_counts(text: str) -> None:
    assert tokens.count(text) >= 1


@pytest.mark.parametrize("character", ["a", "^", " ", "\n", "我"])
def test_a_million_equal_characters_do_not_panic(character: str) -> None:
    assert tokens.count(character * 1_000_000) > 1_000


def test_many_at_a_time() -> None:
    assert tokens.count_all(["hello world", "", "hello"]) == [2, 0, 1]
    assert tokens.count_all([]) == []


def test_threads_share_one_encoding(unloaded) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: tokens.encoding(), range(16)))
    assert all(one is loaded[0] for one in loaded)


def test_without_a_table_counts_are_estimates(unloaded, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tokens, "TABLE", tmp_path / "missing.gz")
    assert not tokens.is_exact()
    assert tokens.count("") == 0
    assert tokens.count("abcdefgh") == 2
    assert tokens.count("abcdefghi") == 3
    assert tokens.count("\ud83d") >= 1
    with pytest.raises(StudioError, match="token table"):
        tokens.encoding()


def test_a_damaged_table_is_not_used(unloaded, monkeypatch, tmp_path) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(tokens.TABLE.name.encode()))
    monkeypatch.setattr(tokens, "TABLE", damaged)
    assert not tokens.is_exact()
    damaged.write_bytes(b"not gzip")
    monkeypatch.setattr(tokens, "_failure", None)
    assert not tokens.is_exact()


@pytest.mark.parametrize("at", [5, 5_000, 1_000_000, -4])
def test_a_table_with_one_wrong_byte_is_not_used(at: int, unloaded, monkeypatch, tmp_path) -> None:
    content = bytearray(tokens.TABLE.read_bytes())
    content[at] ^= 0xFF
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(content)
    monkeypatch.setattr(tokens, "TABLE", damaged)
    # The gzip header's time, at byte 5, is no part of the table.
    assert tokens.is_exact() == (at == 5)


def test_an_estimate_leaves_the_table_where_it_is(unloaded) -> None:
    with tokens.estimated():
        assert tokens.count("four") == 1
        assert tokens.count("Hello, world!") == 4  # 13 bytes
        assert tokens._encoding is None
    assert tokens.count("a" * 4) == len(tokens.encoding().encode_ordinary("aaaa"))
    assert tokens._encoding is not None
