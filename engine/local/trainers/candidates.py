"""Candidates for a reply, each with a score: how well it fits, how well it reads, whether it repeats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers.kneser_ney import KneserNey
from engine.local.trainers.mixture import COPY, COUNTED, NEURAL, Copies
from engine.local.trainers.moments import Moment, weighted_terms
from engine.local.trainers.neural import (
    CONTEXT,
    Parameters,
    classes_of,
    log_probabilities,
    prompt_means,
    prompts_of,
)
from engine.local.trainers.retrieval import Index, fitting, similar
from engine.local.trainers.vocabulary import END, UNKNOWN, Lines

SAMPLED = 8
SPLICED = 8
ANCHOR = 6.0  # how much more the moment that a sample is built around counts than the others
LEAST = 0.05  # tokens less than this likely beside the likeliest are not sampled
# What counts in a candidate's score, set by reading replies; at temperature 1 a score is in nats.
FIT = 5.0  # for fitting the moment altogether
WORST_STEP = 0.25  # for each nat of its least likely token
VERBATIM = -0.7  # for being a learned reply word for word
REPEATED = -6.0  # for each bubble said before
COMMON = 0.5  # for each nat of how often a stock reply was given, the more the stranger the moment
Distribution = npt.NDArray[np.float64]


class Speaker(msgspec.Struct, frozen=True):
    """The fitted parts. pieces: the bytes of each token id. shares: each id's share of its neural class.
    weights: the mixture's, (situations, 3). common: the replies given most often, and how often."""

    pieces: list[bytes]
    lines: Lines
    counted: KneserNey
    index: Index
    prompt_words: dict[str, int]
    parameters: Parameters
    shares: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64]
    common: dict[tuple[int, ...], int]

    def text(self, tokens: Sequence[int]) -> str:
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", "replace")


class Candidate(msgspec.Struct, frozen=True):
    """tokens: without END. score: the higher the better."""

    tokens: tuple[int, ...]
    score: float


def candidates(
    speaker: Speaker,
    now: Moment,
    said: Sequence[str],
    rng: np.random.Generator,
    temperature: float,
    top_p: float,
) -> list[Candidate]:
    """Replies to `now`, no two alike. said: what the person said in this chat already."""
    query = weighted_terms(now)
    found = similar(speaker.index, query)
    if not found.moments:
        return []
    replies = [speaker.lines[m].tolist()[:-1] for m in found.moments]
    predict = predictor(speaker, query)
    longest = int(np.quantile(np.diff(speaker.lines.starts), 0.98)) + 1
    weights = np.array(found.weights)

    options: dict[tuple[int, ...], None] = {tuple(reply): None for reply in replies[:6]}
    options |= dict.fromkeys(speaker.common)
    verbatim = set(options)
    for _ in range(SPLICED):
        options.setdefault(tuple(_splice(speaker, replies, weights, rng)))
    for i in range(SAMPLED):
        anchor = i % len(replies) if temperature <= 0 else int(rng.choice(len(replies), p=weights))
        lean = weights.copy()
        lean[anchor] *= ANCHOR
        copies = Copies(speaker.lines, found.moments, (lean / lean.sum()).tolist())
        options.setdefault(tuple(_sample(speaker, copies, predict, rng, temperature, top_p, longest)))

    texts = [speaker.text(reply) for reply in replies]
    fit = fitting(speaker.index, now, found.weights, texts)
    copies = Copies(speaker.lines, found.moments, found.weights)
    old = {bubble for text in said for bubble in text.split("\n")}
    scored = []
    for tokens in options:
        if not tokens:
            continue
        text = speaker.text(tokens)
        bubbles = [bubble.strip() for bubble in text.split("\n")]
        score = FIT * fit(text) + WORST_STEP * _worst_step(speaker, copies, predict, tokens)
        score += VERBATIM * (tokens in verbatim)
        # The stranger the moment, the better do the person's stock replies serve.
        score += COMMON * math.log(speaker.common.get(tokens, 1)) * (1 - found.similarities[0])
        score += REPEATED * (len([b for b in bubbles if b in old]) + len(bubbles) - len(set(bubbles)))
        scored.append(Candidate(tokens, score))
    return scored


Predict = Callable[[Sequence[int]], tuple[Distribution, Distribution]]


def predictor(speaker: Speaker, query: dict[str, float]) -> Predict:
    """Next-token probabilities (size,) by counts and by the neural model, for a reply so far."""
    parameters, counted, shares = speaker.parameters, speaker.counted, speaker.shares
    classes = len(parameters.of["bias"])
    class_of = classes_of(np.arange(len(shares), dtype=np.int32), classes)
    prompts = prompts_of([query], speaker.prompt_words)
    prompt = prompt_means(parameters, prompts, np.zeros(1, np.int64))[0]
    known: dict[tuple[int, ...], tuple[Distribution, Distribution]] = {}

    def predict(history: Sequence[int]) -> tuple[Distribution, Distribution]:
        last = tuple(history[-CONTEXT:])
        if last not in known:
            padded = [END] * (CONTEXT - len(last)) + list(last)
            context = class_of[np.array(padded[::-1])][None, :]
            neural = np.exp(log_probabilities(parameters, context, prompt)[0])[class_of] * shares
            known[last] = counted.distribution(padded).astype(np.float64), neural.astype(np.float64)
        return known[last]

    return predict


def mixed(speaker: Speaker, copies: Copies, predict: Predict, history: Sequence[int]) -> Distribution:
    """The mixture's probabilities (size,) for the token after `history`."""
    counted, neural = predict(history)
    tokens, copied, situation = copies.next(history)
    weights = speaker.weights[situation]
    copying = np.bincount(tokens, weights=weights[COPY] * copied, minlength=len(counted))
    return np.asarray(weights[COUNTED] * counted + weights[NEURAL] * neural + copying, np.float64)


def _sample(
    speaker: Speaker,
    copies: Copies,
    predict: Predict,
    rng: np.random.Generator,
    temperature: float,
    top_p: float,
    longest: int,
) -> list[int]:
    """One reply, token by token. Always valid UTF-8, never empty, no three tokens twice."""
    reply: list[int] = []
    seen: set[tuple[int, ...]] = set()
    pending = b""
    while len(reply) < longest:
        p = mixed(speaker, copies, predict, reply)
        p[UNKNOWN] = 0.0
        if not reply or pending:
            p[END] = 0.0
        p = _supported(speaker, reply, p)
        p[p < LEAST * p.max()] = 0.0
        while True:
            if not p.any():
                return _whole(speaker, reply)
            token = _draw(p, rng, temperature, top_p)
            rest = _incomplete(pending + speaker.pieces[token])
            if (
                rest is not None
                and (*reply[-2:], token) not in seen
                and (reply or speaker.pieces[token].strip())
            ):
                break
            p[token] = 0.0
        if token == END:
            return reply
        reply.append(token)
        if len(reply) > 2:
            seen.add(tuple(reply[-3:]))
        pending = rest or b""
    return _whole(speaker, reply)


def _supported(speaker: Speaker, reply: Sequence[int], p: Distribution) -> Distribution:
    """`p` on the tokens that the person did put after the last two, or after the last at a clause's end.

    Text of few lines reads well only where it changes from one line to another at a seam that both share.
    """
    last = speaker.pieces[reply[-1]][-1:] if reply else b""
    clause = not last or last in b",.;:!?\n"
    allowed = speaker.counted.followers(reply, 1 if clause else 2)
    kept = np.zeros(len(p))
    kept[allowed] = p[allowed]
    # A bubble ends only as one ended before: after the same three tokens, where there is another way on.
    ended = set(speaker.counted.followers(reply, min(3, len(reply) + 1)).tolist())
    unusual = [
        token
        for token in allowed.tolist()
        if token not in ended and (token == END or b"\n" in speaker.pieces[token])
    ]
    on = kept.copy()
    on[unusual] = 0.0
    if on.any():
        return on
    return kept if kept.any() else p


def _draw(p: Distribution, rng: np.random.Generator, temperature: float, top_p: float) -> int:
    if temperature <= 0:
        return int(p.argmax())
    places = np.flatnonzero(p)
    q = (p[places] / p.max()) ** (1 / max(temperature, 0.05))
    order = np.argsort(-q, kind="stable")
    q = q[order] / q.sum()
    kept = int(np.searchsorted(np.cumsum(q), top_p)) + 1
    return int(places[order[:kept]][int(rng.choice(len(q[:kept]), p=q[:kept] / q[:kept].sum()))])


def _incomplete(data: bytes) -> bytes | None:
    """The bytes of a character begun at the end of `data`; None where `data` is no UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return data[error.start :] if error.reason == "unexpected end of data" else None
    return b""


def _whole(speaker: Speaker, reply: list[int]) -> list[int]:
    """A reply that grew too long, cut after its last bubble or sentence, else before its last word."""
    pieces = [speaker.pieces[token] for token in reply]
    ends = [i + 1 for i, piece in enumerate(pieces) if piece[-1:] in (b"\n", b".", b"!", b"?")]
    words = [i for i, piece in enumerate(pieces) if i and piece[:1] == b" "]
    return reply[: (ends or words or [len(reply)])[-1]]


def _bubbles(speaker: Speaker, reply: Sequence[int]) -> list[list[int]]:
    """A reply's tokens by bubble; all but the last end with a line break."""
    found: list[list[int]] = [[]]
    for token in reply:
        found[-1].append(token)
        if speaker.pieces[token].endswith(b"\n"):
            found.append([])
    return [bubble for bubble in found if bubble]


def _splice(
    speaker: Speaker, replies: list[list[int]], weights: Distribution, rng: np.random.Generator
) -> list[int]:
    """Bubbles of several replies as one: opens with one's first, goes on with later ones of others."""
    split = [_bubbles(speaker, reply) for reply in replies]
    p = weights * [len(bubbles) > 1 for bubbles in split]
    if np.count_nonzero(p) < 2:
        return []
    p /= p.sum()
    opening, middle, ending = (split[i] for i in rng.choice(len(split), size=3, p=p))
    chosen = [opening[0], *(middle[1:-1] if rng.random() < 0.5 else opening[1:-1]), ending[-1]]
    return [token for bubble in chosen for token in bubble]


def _worst_step(speaker: Speaker, copies: Copies, predict: Predict, tokens: Sequence[int]) -> float:
    """The logarithm of the least likely token's probability: one odd step spoils a reply."""
    worst = 0.0
    for i in range(1, len(tokens) + 1):
        token = tokens[i] if i < len(tokens) else END
        worst = min(worst, float(np.log(mixed(speaker, copies, predict, tokens[:i])[token] + 1e-6)))
    return worst
