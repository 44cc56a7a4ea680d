"""The parts that imitation is made of: each gives proper probabilities, and the gradient is the gradient."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import toy_person

from engine.local.trainers import ChatMessage, kneser_ney, mixture, neural, retrieval, vocabulary
from engine.local.trainers.moments import learned, moment, origin, terms, weighted_terms
from engine.local.trainers.speech import choose, cut, stream


@pytest.fixture(scope="module")
def toy():
    """The moments of the toy person; their vocabulary, lines and n-grams."""
    moments = [each for group in learned(toy_person.examples(40)) for each in group]
    encoded = vocabulary.encode([each.reply for each in moments])
    words = vocabulary.build(encoded)
    lines = words.lines(encoded)
    return moments, words, lines, kneser_ney.build(lines, words)


def histories(lines: vocabulary.Lines, count: int) -> list[list[int]]:
    return [lines[r].tolist()[:k] for r, k in itertools.product(range(count), range(4))]


def test_moments_are_what_stood_before_a_reply():
    messages = [
        ChatMessage("system", "be wren"),
        ChatMessage("user", "one"),
        ChatMessage("assistant", "first"),
        ChatMessage("user", "two"),
        ChatMessage("user", "three"),
    ]
    found = moment(messages, "the reply ")
    assert (found.said, found.before, found.system, found.reply) == (
        "two\nthree",
        ("one", "first"),
        "be wren",
        "the reply",
    )
    assert origin(found) == "two / three → the reply"


def test_terms_are_words_without_endings_and_pairs_where_words_have_no_spaces():
    assert terms("The Boats' clock, Zoë’s boss!") == ["the", "boat", "clock", "zoë", "boss"]
    assert terms("日本語 ok") == ["日本", "本語", "ok"]
    assert terms("?!") == []


def test_kneser_ney_gives_probabilities_that_sum_to_1(toy):
    _, words, lines, counted = toy
    for history in [*histories(lines, 30), [words.size - 1] * 3, [vocabulary.UNKNOWN] * 2]:
        p = counted.distribution(history)
        assert p.shape == (words.size,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-4)


def test_kneser_ney_scores_lines_as_its_distributions_say(toy):
    _, words, lines, counted = toy
    new = words.lines(vocabulary.encode(["the boat can wait, quoth the raven", "by whose clock"]))
    assert vocabulary.UNKNOWN in new.tokens
    for some in (lines, new):
        p = counted.of(some)
        for r in range(min(len(some), 20)):
            line = some[r].tolist()
            for i, token in enumerate(line):
                expected = counted.distribution(line[:i])[token]
                assert p[some.starts[r] + i] == pytest.approx(expected, rel=1e-4)


def test_followers_are_what_followed(toy):
    _, _, lines, counted = toy
    for history in histories(lines, 20):
        for length in (1, 2, 3):
            padded = [vocabulary.END] * 3 + history
            context = padded[-length:]
            expected = set()
            for r in range(len(lines)):
                line = [vocabulary.END] * 3 + lines[r].tolist()
                for i in range(3, len(line)):
                    if line[i - length : i] == context:
                        expected.add(line[i])
            assert set(counted.followers(history, length).tolist()) == expected


def test_spellings_of_all_tokens_have_probability_1():
    spelling = vocabulary.spelling([b"ab", b"abba", b"c"])
    assert np.exp(spelling.log_p).sum(axis=1) == pytest.approx(np.ones(257))
    assert spelling.cost(b"ab") < spelling.cost(b"zz")


def test_an_extended_vocabulary_keeps_its_ids_and_counts_all():
    first, more = vocabulary.encode(["a boat", "a clock"]), vocabulary.encode(["a cat", "a boat boat"])
    words = vocabulary.build(first)
    both = vocabulary.extended(words, more)
    assert both.token_ids[: len(words.token_ids)] == words.token_ids
    whole = vocabulary.build([*first, *more])
    assert dict(zip(both.token_ids, both.counts[2:].tolist(), strict=True)) == dict(
        zip(whole.token_ids, whole.counts[2:].tolist(), strict=True)
    )
    assert both.counts[vocabulary.END] == 4


def network(toy, dtype=np.float32):
    moments, words, lines, _ = toy
    prompts = [weighted_terms(each) for each in moments]
    numbers = neural.prompt_words(prompts)
    classes, shares = neural.class_shares(words)
    data = neural.data_of(lines, neural.prompts_of(prompts, numbers), classes)
    shape = neural.Shape(classes, len(numbers) + 1)
    size = len(neural.Parameters(shape).flat)
    parameters, gradient = (neural.Parameters(shape, np.zeros(size, dtype)) for _ in range(2))
    parameters.start(np.bincount(data.target, minlength=classes), np.random.default_rng(1))
    return parameters, gradient, data, shares


def test_the_gradient_is_that_of_finite_differences(toy):
    """In double precision, along random directions and for single weights of every kind."""
    parameters, gradient, data, _ = network(toy, np.float64)
    tokens = np.concatenate([np.arange(0, 25), np.arange(60, 75)])
    neural.loss_and_gradient(parameters, gradient, data, tokens, 1.0, None)

    def loss(direction: np.ndarray, size: float) -> float:
        shape = neural.Shape(len(parameters.of["bias"]), len(parameters.of["terms"]))
        moved = neural.Parameters(shape, parameters.flat + size * direction)
        idle = neural.Parameters(shape, np.zeros_like(parameters.flat))
        return neural.loss_and_gradient(moved, idle, data, tokens, 1.0, None)[0]

    rng = np.random.default_rng(0)
    directions = [rng.standard_normal(len(parameters.flat)) for _ in range(3)]
    for name, view in gradient.of.items():
        place = np.unravel_index(np.abs(view).argmax(), view.shape)
        marked = neural.Parameters(
            neural.Shape(len(parameters.of["bias"]), len(parameters.of["terms"])),
            np.zeros_like(parameters.flat),
        )
        marked.of[name][place] = 1.0
        directions.append(marked.flat)
    for direction in directions:
        step = 1e-6
        numeric = (loss(direction, step) - loss(direction, -step)) / (2 * step)
        assert numeric == pytest.approx(float(gradient.flat @ direction), rel=1e-4, abs=1e-5)


def test_the_gradient_of_parts_sums_to_that_of_the_whole(toy):
    parameters, gradient, data, _ = network(toy)
    whole = neural.loss_and_gradient(parameters, gradient, data, np.arange(80), 1 / 80, None)
    together = gradient.flat.copy()
    gradient.flat[:] = 0
    parts = [
        neural.loss_and_gradient(parameters, gradient, data, np.arange(start, start + 40), 1 / 80, None)
        for start in (0, 40)
    ]
    assert sum(part[0] for part in parts) == pytest.approx(whole[0], rel=1e-5)
    assert gradient.flat == pytest.approx(together, abs=1e-5)


def test_neural_probabilities_sum_to_1_over_all_tokens(toy):
    parameters, _, data, shares = network(toy)
    lines = np.arange(3)
    means = neural.prompt_means(parameters, data.prompts, lines)[0]
    log_p = neural.log_probabilities(parameters, data.context[:3], means)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    class_of = neural.classes_of(np.arange(len(shares), dtype=np.int32), len(parameters.of["bias"]))
    assert (np.exp(log_p[:, class_of]) * shares).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_class_shares_sum_to_1_where_rare_tokens_abound():
    words = vocabulary.build(vocabulary.encode(["one two three", "one four five six", "one two"]))
    classes, shares = neural.class_shares(words)
    assert shares[vocabulary.UNKNOWN] + shares[classes:].sum() == pytest.approx(1)
    assert words.counts[classes:].max() == 1


def test_copying_follows_the_longest_agreement():
    encoded = vocabulary.encode(["the tide is late", "the tide is at ten", "is it late"])
    words = vocabulary.build(encoded)
    lines = words.lines(encoded)
    copies = mixture.Copies(lines, [0, 1, 2], [0.5, 0.3, 0.2])
    tokens, weights, situation = copies.next([])
    assert situation == 1
    assert dict(zip(tokens.tolist(), weights.tolist(), strict=False))[lines[2][0]] == pytest.approx(0.2)
    history = lines[0].tolist()[:3]
    tokens, weights, situation = copies.next(history)
    assert (sorted(tokens.tolist()), situation) == (sorted([lines[0][3], lines[1][3]]), 4)
    assert weights.sum() == pytest.approx(1)
    assert copies.next([vocabulary.UNKNOWN])[2] == 0
    assert copies.next([*history, lines[2][1]])[2] == 2


def test_em_finds_which_part_explains_the_text():
    rng = np.random.default_rng(0)
    n = 3000
    components = rng.random((n, 3)) * 0.1
    situations = rng.integers(0, mixture.SITUATIONS, n)
    components[:, mixture.COUNTED] = np.where(situations == 2, 0.9, 0.01)
    components[:, mixture.NEURAL] = np.where(situations == 3, 0.9, 0.01)
    components[situations == 0, mixture.COPY] = 0.0
    weights = mixture.weights_by_em(components, situations)
    assert weights.sum(axis=1) == pytest.approx(np.ones(mixture.SITUATIONS))
    assert weights[2].argmax() == mixture.COUNTED
    assert weights[3].argmax() == mixture.NEURAL
    assert weights[0, mixture.COPY] < 1e-12


def test_the_most_similar_moment_comes_first_and_hidden_ones_never(toy):
    moments = toy[0]
    index = retrieval.build(moments)
    now = moment([ChatMessage("user", "how is the cat today")])
    found = retrieval.similar(index, weighted_terms(now))
    assert "cat" in moments[found.moments[0]].said
    assert found.similarities == sorted(found.similarities, reverse=True)
    assert sum(found.weights) == pytest.approx(1)
    hidden = slice(0, len(moments) // 2)
    assert min(retrieval.similar(index, weighted_terms(now), hidden=hidden).moments) >= hidden.stop
    assert retrieval.similar(index, weighted_terms(now), hidden=slice(0, len(moments))).moments == []


def test_an_index_of_nothing_finds_nothing():
    assert retrieval.similar(retrieval.build([]), {"boat": 1.0}).moments == []


def test_a_stream_holds_back_broken_characters_and_counts_every_token():
    parts = ["a 🐈".encode()[:3], "a 🐈".encode()[3:5], "a 🐈".encode()[5:], b"!"]
    pieces = list(stream(parts, "a 🐈!", "from here", 0.5))
    assert [piece.text for piece in pieces] == ["a ", "🐈", "!"]
    assert [piece.tokens for piece in pieces] == [1, 2, 1]
    assert [piece.origin for piece in pieces] == [None, None, "from here"]
    assert [piece.text for piece in stream(parts, "a", None, None)] == ["a"]


def test_a_cut_leaves_no_half_character_and_nothing_after_a_stop():
    parts = [b"", b"", b"hm", b",\n", "é".encode()[:1], "é".encode()[1:]]
    tokens = [2, 3, 4, 5]
    assert cut(parts, tokens, 9, []) == "hm,\né"
    assert cut(parts, tokens, 3, []) == "hm,"
    assert cut(parts, tokens, 9, ["", "m"]) == "h"
    assert cut(parts, tokens, 0, []) == ""


def test_choosing_is_greedy_at_0_and_never_takes_what_is_far_behind():
    scores = [1.0, 1.5, -20.0]
    assert choose(scores, np.random.default_rng(1), 0.0, 1.0) == 1
    drawn = {choose(scores, np.random.default_rng(seed), 1.0, 1.0) for seed in range(50)}
    assert drawn == {0, 1}
    assert {choose(scores, np.random.default_rng(seed), 1.0, 0.3) for seed in range(50)} == {1}
