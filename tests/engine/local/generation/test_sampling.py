"""Drawing tokens. No extra is needed for these."""

from __future__ import annotations

import numpy as np
import pytest

from engine.local.generation.sampling import Sampler, discouraged, likeliest, log_softmax


def logits(*chances: float) -> np.ndarray:
    return np.log(np.asarray(chances, dtype=np.float32))


def test_without_temperature_the_likeliest_is_drawn() -> None:
    assert Sampler(0, 1, None).draw(logits(0.2, 0.5, 0.3)) == 1


def test_a_tiny_temperature_overflows_nothing() -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert Sampler(1e-6, 1, 1).draw(np.asarray([300, -300, 299], dtype=np.float32)) == 0


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    sampler = Sampler(1, 1, 7)
    drawn = np.bincount([sampler.draw(logits(0.6, 0.3, 0.1)) for _ in range(5000)], minlength=3) / 5000
    assert drawn == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_temperature_flattens() -> None:
    sampler = Sampler(2, 1, 7)
    flat = np.sqrt([0.6, 0.3, 0.1])
    drawn = np.bincount([sampler.draw(logits(0.6, 0.3, 0.1)) for _ in range(5000)], minlength=3) / 5000
    assert drawn == pytest.approx(flat / flat.sum(), abs=0.03)


@pytest.mark.parametrize(
    ("top_p", "possible"), [(0, {0}), (0.5, {0}), (0.55, {0, 1}), (0.85, {0, 1, 2}), (1, {0, 1, 2, 3})]
)
def test_only_the_nucleus_can_be_drawn(top_p: float, possible: set[int]) -> None:
    sampler = Sampler(1, top_p, 3)
    assert {sampler.draw(logits(0.5, 0.3, 0.15, 0.05)) for _ in range(500)} == possible


def test_the_same_seed_draws_the_same() -> None:
    many = np.random.default_rng(0).standard_normal((50, 100)).astype(np.float32)
    once, again, other = (Sampler(1, 0.9, seed) for seed in (5, 5, 6))
    first = [once.draw(row) for row in many]
    assert first == [again.draw(row) for row in many]
    assert first != [other.draw(row) for row in many]


def test_negative_seeds_are_seeds() -> None:
    assert isinstance(Sampler(1, 1, -1).draw(logits(0.5, 0.5)), int)


def test_log_probabilities_and_the_likeliest() -> None:
    logs = log_softmax(logits(0.2, 0.5, 0.3) + 3)
    assert np.exp(logs) == pytest.approx([0.2, 0.5, 0.3])
    assert likeliest(logs, 2) == [1, 2]
    assert likeliest(logs, 9) == [1, 2, 0]
    assert likeliest(logs, 0) == []


def test_what_was_said_is_discouraged() -> None:
    given = np.asarray([2, -2, 1], dtype=np.float32)
    assert discouraged(given, [0, 1, 0], 2).tolist() == [1, -4, 1]
    assert given.tolist() == [2, -2, 1]
