"""One reply, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from engine.local.generation.backend import Continuation
from engine.local.generation.language import Language
from engine.local.generation.pipe import Ask, ChosenToken, Ended, Said, TokenChance
from engine.local.generation.sampling import Logits, Sampler, discouraged, likeliest, log_softmax
from engine.local.generation.text import Detokenizer, StopStrings

# A long prompt is read in parts of this many tokens, so that others can speak, and be stopped, in between.
_PART = 512
# What OpenAI writes for a token that cannot be: JSON has no minus infinity.
_IMPOSSIBLE = -9999.0


def talk(
    ask: Ask, prompt: list[int], limit: int, language: Language, continuation: Continuation
) -> Iterator[Said | Ended | None]:
    """The events of one reply of at most `limit` tokens. None: nothing to say yet.

    A step computes at most once, so that several talks can take turns.
    """
    size = _PART if language.in_parts else len(prompt)
    *parts, fed = [prompt[start : start + size] for start in range(0, len(prompt), size)]
    for part in parts:
        continuation.logits(part)
        yield None
    sampler = Sampler(ask.temperature, ask.top_p, ask.seed)
    reply = _Reply(ask, language)
    seen = list(prompt)
    finish = "length"
    for _ in range(limit):
        logits = continuation.logits(fed)
        if not isfinite(logits.max()):
            raise FloatingPointError(
                "The model computes no numbers: its weights are damaged, or its training went astray."
            )
        token = sampler.draw(discouraged(logits, seen, language.penalty))
        if token in language.ends:
            finish = "stop"
            break
        yield reply.add(token, logits)
        if reply.stopped:
            finish = "stop"
            break
        seen.append(token)
        fed = [token]
    yield reply.rest(ended=finish == "stop" and not reply.stopped)
    yield Ended(ask.number, finish)


class _Reply:
    """What of the made tokens can be said already."""

    def __init__(self, ask: Ask, language: Language) -> None:
        self._ask = ask
        self._language = language
        self._detokenizer = Detokenizer(language.decode, language.bytewise)
        self._stops = StopStrings(ask.stop)
        # Each token with the place in the text where it begins: it is said once the text is, up to there.
        self._waiting: list[tuple[int, ChosenToken]] = []
        self._whole = self._said = self._tokens = 0

    @property
    def stopped(self) -> bool:
        return self._stops.found

    def add(self, token: int, logits: Logits) -> Said | None:
        if self._ask.top_logprobs is not None:
            self._waiting.append((self._whole, self._chosen(token, logits, self._ask.top_logprobs)))
        self._tokens += 1
        text = self._detokenizer.add(token)
        self._whole += len(text)
        return self._say(self._stops.add(text))

    def rest(self, ended: bool) -> Said | None:
        """What was held back. ended: an end token was made, which counts and says nothing."""
        self._tokens += ended
        if self.stopped:
            return self._say("")
        text = self._stops.add(self._detokenizer.rest())
        return self._say(text + self._stops.rest(), last=not self.stopped)

    def _say(self, text: str, last: bool = False) -> Said | None:
        self._said += len(text)
        ready = tuple(chosen for place, chosen in self._waiting if last or place < self._said)
        del self._waiting[: len(ready)]
        tokens, self._tokens = self._tokens, 0
        return Said(self._ask.number, text, tokens, ready) if text or tokens or ready else None

    def _chosen(self, token: int, logits: Logits, count: int) -> ChosenToken:
        logs = log_softmax(logits)
        others = [self._chance(other, float(logs[other])) for other in likeliest(logs, count)]
        own = self._chance(token, float(logs[token]))
        return ChosenToken(own.token, own.logprob, own.bytes, others)

    def _chance(self, token: int, logprob: float) -> TokenChance:
        text, raw = self._language.stands_for(token)
        return TokenChance(text, max(logprob, _IMPOSSIBLE), list(raw))
