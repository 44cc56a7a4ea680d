"""A model's tokenizer: the prompt as its chat template writes it, its end tokens, what a token stands for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.bases import read_json
from engine.errors import DataError, StudioError
from engine.local.trainers import ChatMessage, chat_template

_USUAL_TOKENS = 512
# Where a model's folder does not say how much it can read, its tokenizer says a number beyond all measure.
_NO_LIMIT = 10**9
_ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
_RECURRENT = ("mamba", "ssm", "conv", "linear", "rwkv", "state", "lru")


class TooLongError(Exception):
    """The prompt, or what may follow, is more than the model can read. The text is a sentence."""


class Language:
    """What surrounds the weights in a model's folder.

    context: how many tokens the model can read and write together, None where its folder does not say.
    ends: the tokens that end a reply. penalty: the repetition penalty of the model's own generation config.
    in_parts: whether a prompt may be fed in several parts with the same result.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise StudioError(
                f"The model's tokenizer cannot be loaded ({type(error).__name__}).",
                "Download the model once more.",
            ) from error
        config, generation = read_json(folder / "config.json"), read_json(folder / "generation_config.json")
        config = {**config, **(config.get("text_config") or {})}
        limits = (config.get("max_position_embeddings"), self._tokenizer.model_max_length)
        sane = [limit for limit in limits if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
        self.context = sane[0] if sane else None
        named = (generation.get("eos_token_id"), config.get("eos_token_id"), self._tokenizer.eos_token_id)
        self.ends = {token for given in named for token in (given if isinstance(given, list) else [given])}
        self.penalty = float(generation.get("repetition_penalty") or 1.0)
        self.in_parts = _only_attention(config)
        self.bytewise = _decoder(self._tokenizer) == "ByteLevel"
        self.stands_for = lru_cache(65_536)(self._stands_for)

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The tokens up to where the reply begins. Raises StudioError where the template refuses."""
        try:
            text = chat_template.prompt(self._tokenizer, messages)
        except DataError as error:
            reason = str(error)
            raise StudioError(
                f"{reason[0].upper()}{reason[1:]}.", "Leave the system prompt out, or start the chat anew."
            ) from None
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def limit(self, prompt: int, asked: int | None) -> int:
        """How many tokens the reply may have after `prompt` tokens. Raises TooLongError."""
        room = _NO_LIMIT if self.context is None else self.context - prompt
        if room < (asked or 1):
            given = f"{prompt} in the messages, {asked} in the completion" if asked else "in the messages"
            raise TooLongError(
                f"This model's maximum context length is {self.context} tokens. However, you requested "
                f"{prompt + (asked or 0)} tokens ({given}). Please reduce the length of either."
            )
        return asked or min(_USUAL_TOKENS, room)

    def decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _stands_for(self, token: int) -> tuple[str, bytes]:
        """The token as text and as bytes; one that is no whole character is written as `\\xe2\\x82`."""
        name = self._tokenizer.convert_ids_to_tokens(token) or ""
        if self.bytewise and all(char in _BYTES for char in name):
            raw = bytes(_BYTES[char] for char in name)
        elif len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
            raw = bytes([int(name[3:5], 16)])
        else:
            # After another token, so that a decoder which strips a text's first space keeps this one.
            alone = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
            twice = self._tokenizer.decode([token, token], clean_up_tokenization_spaces=False)
            raw = twice.removeprefix(alone).encode()
        try:
            return raw.decode(), raw
        except UnicodeDecodeError:
            return "".join(f"\\x{byte:02x}" for byte in raw), raw


def _only_attention(config: dict[str, Any]) -> bool:
    """Whether all that the model remembers is its attention's keys and values.

    The recurrent layers of others go on from their state for one token only, and otherwise start afresh
    without a word.
    """
    if "num_attention_heads" not in config or any(key.startswith(_RECURRENT) for key in config):
        return False
    return all(kind in _ATTENTION for kind in config.get("layer_types") or ())


def _decoder(tokenizer: Any) -> str | None:
    """The type of the fast tokenizer's decoder; None for a tokenizer in Python."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.decoder is None:
        return None
    kind: str | None = json.loads(backend.decoder.__getstate__()).get("type")
    return kind


def _byte_letters() -> dict[str, int]:
    """How byte-level tokenizers write bytes: printable ones as they are, the others from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_letters()
