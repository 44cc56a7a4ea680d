"""Counts o200k tokens without a network: the table ships in this package.

tiktoken would download the same table on first use. It is built here from our own copy instead, so
that nothing leaves the machine and no cache file is left behind. Loading takes a fifth of a second
and some 80 MB, hence late; call from a worker where that matters.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import StudioError

if TYPE_CHECKING:
    import tiktoken

TABLE = Path(__file__).with_name("o200k_base.tiktoken.gz")
TABLE_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# o200k_base as tiktoken_ext.openai_public defines it (a test compares the two).
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERN = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SUFFIX}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SUFFIX}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
SPECIAL_TOKENS = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}

# The pattern matcher overflows its stack (and panics) on runs of some hundred thousand equal characters.
_PIECE = 50_000

_estimating: ContextVar[bool] = ContextVar("estimating", default=False)
_lock = threading.Lock()
_encoding: tiktoken.Encoding | None = None
_failure: Exception | None = None


def encoding() -> tiktoken.Encoding:
    """The o200k_base encoding, loaded once. Raises StudioError where it cannot be loaded."""
    loaded = _loaded()
    if loaded is None:
        raise StudioError(
            f"The token table cannot be loaded ({_failure}).", "Install Understudy again to restore it."
        )
    return loaded


def is_exact() -> bool:
    """Whether counts are real; False means estimates, which screens mark with "≈". Loads the table."""
    return _loaded() is not None


@contextmanager
def estimated() -> Iterator[None]:
    """Counts are estimates inside, and the table stays where it is: for a look, never for a dataset."""
    token = _estimating.set(True)
    try:
        yield
    finally:
        _estimating.reset(token)


def count(text: str) -> int:
    """How many o200k tokens `text` has. Text of special tokens counts as the plain text it is.

    A text over 50,000 characters is counted in pieces, which may add one token a cut.
    """
    return count_all([text])[0]


def count_all(texts: Sequence[str]) -> list[int]:
    """The same for many texts at a time."""
    loaded = None if _estimating.get() else _loaded()
    if loaded is None:
        return [-(-len(text.encode("utf-8", "surrogatepass")) // 4) for text in texts]
    encode = loaded.encode_ordinary
    return [
        len(encode(text))
        if len(text) <= _PIECE
        else sum(len(encode(text[i : i + _PIECE])) for i in range(0, len(text), _PIECE))
        for text in texts
    ]


def _loaded() -> tiktoken.Encoding | None:
    global _encoding, _failure
    if _encoding is None and _failure is None:
        with _lock:
            if _encoding is None and _failure is None:
                try:
                    _encoding = _load()
                except (ImportError, OSError, EOFError, ValueError, zlib.error) as error:
                    _failure = error
    return _encoding


def _load() -> tiktoken.Encoding:
    import tiktoken

    table = gzip.decompress(TABLE.read_bytes())
    if hashlib.sha256(table).hexdigest() != TABLE_SHA256:
        raise ValueError(f"{TABLE.name} is damaged")
    # One line a token: base64, a space, the rank. Read as one flat list of alternating fields.
    fields = table.split()
    ranks = dict(zip(map(base64.b64decode, fields[::2]), map(int, fields[1::2]), strict=True))
    return tiktoken.Encoding(
        name="o200k_base", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS
    )
