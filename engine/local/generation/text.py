"""From tokens to text that can be shown: whole characters only, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_TORN = "\ufffd"


class Detokenizer:
    """Turns tokens into text as they come. A character torn between tokens waits for its other part.

    decode: the tokenizer's. bytewise: each of its tokens stands for bytes, so that at most the last
    character can be torn (otherwise one torn byte token makes a whole run of them unreadable).
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], bytewise: bool) -> None:
        self._decode = decode
        self._bytewise = bytewise
        self._tokens: list[int] = []
        # Decoded anew with each token: from the start of the last but one whole piece, since a decoder
        # may treat the first token of a text in its own way.
        self._start = self._border = 0
        self._given = 0

    def add(self, token: int) -> str:
        """The characters that became whole with `token`."""
        self._tokens.append(token)
        text = self._decode(self._tokens[self._start :])
        whole = text.removesuffix(_TORN) if self._bytewise else text.rstrip(_TORN)
        fresh = whole[self._given :]
        self._given = max(self._given, len(whole))
        if fresh and whole == text:
            self._start, self._border = self._border, len(self._tokens)
            self._given = len(self._decode(self._tokens[self._start :]))
        return fresh

    def rest(self) -> str:
        """What is still held back when no more tokens come."""
        return self._decode(self._tokens[self._start :])[self._given :]


class StopStrings:
    """Passes text on until one of `stops` appears; what may become one is held back meanwhile."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.found = False

    def add(self, text: str) -> str:
        """What of the text so far is safe to show now; once `found`, nothing more comes."""
        text = self._held + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return text[: min(places)]
        held = max((_beginning(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, where the reply ends without the rest of a stop string."""
        held, self._held = self._held, ""
        return held


def _beginning(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
