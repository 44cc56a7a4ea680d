"""A small neural language model in numpy: forward, hand-written backward, Adam.

It sees the last four tokens of the reply and the terms of the moment, and predicts the next token among
the person's frequent tokens; all rarer ones are one class (RARE), shared out by how often each was used.

Shapes: B tokens of a batch, C classes, D embedding, H hidden, T prompt terms.
    x (B, 5 D) = embeddings of 4 tokens and the mean embedding of the prompt's terms
    h (B, H) = relu(x W1 + b1), with dropout;   z (B, D) = h W2;   logits (B, C) = z E' + c
The output shares its matrix E (C, D) with the token embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers.vocabulary import FIRST, UNKNOWN, Lines, Vocabulary

RARE = UNKNOWN
CONTEXT = 4
EMBEDDING = 64
HIDDEN = 128
MAX_CLASSES = 1536
MAX_TERMS = 2048
TERMS_PER_PROMPT = 24
# Dropout of inputs and of hidden units: the fewer tokens, the sooner they are overlearned.
DROPOUT_FEW, DROPOUT_MANY = (0.3, 0.5), (0.1, 0.25)
MANY_TOKENS = 20_000
CLIP = 1.0

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Shape(msgspec.Struct, frozen=True):
    classes: int
    terms: int


class Prompts(msgspec.Struct, frozen=True):
    """Terms of every line's prompt: those of line r are terms[starts[r]:starts[r + 1]], never none."""

    terms: Ints
    weights: Floats
    starts: Ints


class Data(msgspec.Struct, frozen=True):
    """context (N, 4) and target (N,) as classes, and the line (N,) whose prompt each token answers."""

    context: Ints
    target: Ints
    line: Ints
    prompts: Prompts


class Parameters:
    """All weights as one flat vector (for Adam, clipping and saving), and named views into it."""

    def __init__(self, shape: Shape, flat: Floats | None = None) -> None:
        inputs = (CONTEXT + 1) * EMBEDDING
        shapes = {
            "tokens": (shape.classes, EMBEDDING),
            "terms": (shape.terms, EMBEDDING),
            "w1": (inputs, HIDDEN),
            "b1": (HIDDEN,),
            "w2": (HIDDEN, EMBEDDING),
            "bias": (shape.classes,),
        }
        size = sum(int(np.prod(each)) for each in shapes.values())
        self.flat: Floats = np.zeros(size, np.float32) if flat is None else flat
        self.of: dict[str, Floats] = {}
        start = 0
        for name, each in shapes.items():
            end = start + int(np.prod(each))
            self.of[name] = self.flat[start:end].reshape(each)
            start = end

    def start(self, class_counts: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        """Random weights; the bias starts at how often each class is used."""
        for name, scale in (
            ("tokens", 0.1),
            ("terms", 0.1),
            ("w1", (2 / ((CONTEXT + 1) * EMBEDDING)) ** 0.5),
            ("w2", (1 / HIDDEN) ** 0.5),
        ):
            view = self.of[name]
            view[...] = rng.standard_normal(view.shape, dtype=np.float32) * scale
        self.of["bias"][...] = np.log((class_counts + 0.5) / (class_counts + 0.5).sum())


def class_shares(vocabulary: Vocabulary) -> tuple[int, Floats]:
    """How many classes there are, and each id's share of its class. Tokens used once are always RARE."""
    repeated = int((vocabulary.counts[FIRST:] > 1).sum())
    classes = FIRST + min(repeated, MAX_CLASSES - FIRST)
    return classes, shares_of(vocabulary, classes)


def shares_of(vocabulary: Vocabulary, classes: int) -> Floats:
    """Each id's share (size,) of its class: 1 for frequent tokens, by use within RARE.

    Of RARE, tokens never met get the share that tokens used once have in it.
    """
    shares = np.ones(vocabulary.size, np.float64)
    rare = vocabulary.counts[classes:].astype(np.float64)
    total = max(float(rare.sum()), 1.0)
    new = float(np.clip((rare == 1).sum() / total, 0.05, 0.5)) if len(rare) else 1.0
    shares[classes:] = rare / total * (1 - new)
    shares[UNKNOWN] = new
    return shares.astype(np.float32)


def classes_of(tokens: npt.NDArray[np.int32], classes: int) -> Ints:
    return np.where(tokens < classes, tokens, RARE).astype(np.int64)


def prompt_words(prompts: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """The terms that have an embedding: those in at least two prompts, the most frequent first. 0 is none."""
    count: dict[str, int] = {}
    for prompt in prompts:
        for term in prompt:
            count[term] = count.get(term, 0) + 1
    ranked = sorted((term for term, n in count.items() if n > 1), key=lambda term: (-count[term], term))
    return {term: i for i, term in enumerate(ranked[: MAX_TERMS - 1], start=1)}


def prompts_of(prompts: Sequence[Mapping[str, float]], words: Mapping[str, int]) -> Prompts:
    """Term numbers and weights. Term 0 stands in every prompt; rarer terms weigh more; weights sum to 1."""
    terms: list[int] = []
    weights: list[float] = []
    starts = [0]
    for prompt in prompts:
        # A term's number grows as it gets rarer, so its logarithm serves as an inverse frequency.
        known = [(words[t], weight * math.log(2 + words[t])) for t, weight in prompt.items() if t in words]
        known = [(0, 1.0), *sorted(known, key=lambda pair: (-pair[1], pair[0]))[:TERMS_PER_PROMPT]]
        total = sum(weight for _, weight in known)
        terms += [number for number, _ in known]
        weights += [weight / total for _, weight in known]
        starts.append(len(terms))
    return Prompts(np.array(terms, np.int64), np.array(weights, np.float32), np.array(starts, np.int64))


def data_of(lines: Lines, prompts: Prompts, classes: int) -> Data:
    context = np.stack([classes_of(lines.before(distance), classes) for distance in range(1, CONTEXT + 1)], 1)
    line = np.repeat(np.arange(len(lines)), np.diff(lines.starts))
    return Data(context, classes_of(lines.tokens, classes), line, prompts)


def log_probabilities(parameters: Parameters, context: Ints, prompt: Floats) -> Floats:
    """Logarithms of the classes' probabilities (B, C). prompt: (B, D) from `prompt_means`."""
    p = parameters.of
    x = np.concatenate([p["tokens"][context].reshape(len(context), -1), prompt], axis=1)
    logits = (np.maximum(x @ p["w1"] + p["b1"], 0) @ p["w2"]) @ p["tokens"].T + p["bias"]
    logits -= logits.max(axis=1, keepdims=True)
    log_p: Floats = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return log_p


def prompt_means(parameters: Parameters, prompts: Prompts, lines: Ints) -> tuple[Floats, Ints, Floats, Ints]:
    """Mean term embedding (L, D) of these lines' prompts; and their terms, weights and starts, flat."""
    low, high = prompts.starts[lines], prompts.starts[lines + 1]
    lengths = high - low
    starts = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) + np.repeat(low - starts, lengths)
    terms, weights = prompts.terms[place], prompts.weights[place]
    means = np.add.reduceat(parameters.of["terms"][terms] * weights[:, None], starts, axis=0)
    return means, terms, weights, starts


def loss_and_gradient(
    parameters: Parameters,
    gradient: Parameters,
    data: Data,
    tokens: Ints,
    scale: float,
    rng: np.random.Generator | None,
) -> tuple[float, int]:
    """The summed loss (nats) of these tokens (places in `data`, ascending) and how many were guessed right.

    Adds `scale` times the summed loss's gradient to `gradient`. rng draws the dropout; None: no dropout.
    """
    p, g = parameters.of, gradient.of
    context, target = data.context[tokens], data.target[tokens]
    n = len(tokens)
    change = np.flatnonzero(np.diff(data.line[tokens])) + 1
    first = np.concatenate([[0], change])  # the first token of each line in this batch
    counts = np.diff(np.concatenate([first, [n]]))
    means, terms, weights, starts = prompt_means(parameters, data.prompts, data.line[tokens[first]])

    x = np.concatenate([p["tokens"][context].reshape(n, -1), np.repeat(means, counts, axis=0)], axis=1)
    of_inputs, of_hidden = DROPOUT_FEW if len(data.target) < MANY_TOKENS else DROPOUT_MANY
    keep_x = _dropout(rng, x.shape, of_inputs)
    x *= keep_x
    h = np.maximum(x @ p["w1"] + p["b1"], 0)
    keep_h = _dropout(rng, h.shape, of_hidden)
    h *= keep_h
    z = h @ p["w2"]
    q = z @ p["tokens"].T
    q += p["bias"]
    guess = q.argmax(axis=1)
    q -= q.max(axis=1, keepdims=True)
    right_logit = q[np.arange(n), target]
    np.exp(q, out=q)
    total = q.sum(axis=1)
    loss = float((np.log(total) - right_logit).sum(dtype=np.float64))
    right = int(((guess == target) & (target != RARE)).sum())

    q *= (scale / total)[:, None]
    q[np.arange(n), target] -= np.float32(scale)
    g["bias"] += q.sum(axis=0)
    g["tokens"] += q.T @ z
    dz = q @ p["tokens"]
    g["w2"] += h.T @ dz
    dh = dz @ p["w2"].T
    dh *= keep_h
    dh *= h > 0
    g["b1"] += dh.sum(axis=0)
    g["w1"] += x.T @ dh
    dx = dh @ p["w1"].T
    dx *= keep_x
    split = CONTEXT * EMBEDDING
    _add_rows(g["tokens"], context.ravel(), dx[:, :split].reshape(-1, EMBEDDING))
    dmeans = np.add.reduceat(dx[:, split:], first, axis=0)
    lengths = np.diff(np.concatenate([starts, [len(terms)]]))
    _add_rows(g["terms"], terms, np.repeat(dmeans, lengths, axis=0) * weights[:, None])
    return loss, right


def probabilities(
    parameters: Parameters, data: Data, size: int = 2048
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """For every token of `data`: the probability of its class, and whether it was the likeliest."""
    found = np.zeros(len(data.target))
    right = np.zeros(len(data.target), bool)
    for start in range(0, len(data.target), size):
        part = slice(start, start + size)
        lines, inverse = np.unique(data.line[part], return_inverse=True)
        means = prompt_means(parameters, data.prompts, lines)[0]
        log_p = log_probabilities(parameters, data.context[part], means[inverse])
        target = data.target[part]
        found[part] = np.exp(log_p[np.arange(len(target)), target].astype(np.float64))
        right[part] = (log_p.argmax(axis=1) == target) & (target != RARE)
    return found, right


class Adam:
    """Adam (Kingma and Ba 2015) with the gradient's norm clipped."""

    def __init__(self, size: int) -> None:
        self.mean = np.zeros(size, np.float32)
        self.square = np.zeros(size, np.float32)

    def update(self, parameters: Floats, gradient: Floats, rate: float, step: int) -> None:
        """step counts from 1."""
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        if norm > CLIP:
            gradient *= CLIP / norm
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.001 * (gradient * gradient - self.square)
        correction = (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        parameters -= np.float32(rate * correction) * self.mean / (np.sqrt(self.square) + np.float32(1e-8))


def _dropout(rng: np.random.Generator | None, shape: tuple[int, ...], rate: float) -> Floats:
    if rng is None:
        return np.ones((1, 1), np.float32)
    return (rng.random(shape, dtype=np.float32) >= rate).astype(np.float32) / np.float32(1 - rate)


def _add_rows(table: Floats, rows: Ints, values: Floats) -> None:
    """table[rows] += values where rows repeat (np.add.at is several times slower)."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
    table[ordered[first]] += np.add.reduceat(values[order], first, axis=0)
