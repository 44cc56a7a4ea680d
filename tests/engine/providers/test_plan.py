"""What a person is shown before anything is sent."""

from __future__ import annotations

import pytest
from tortoise_dataset import tortoise

from engine.providers import TrainSettings, plan, provider
from engine.providers.plan import auto_epochs


def test_a_local_plan_stays_here_and_costs_nothing() -> None:
    dataset = tortoise()
    found = plan(dataset, provider("local"), TrainSettings("imitation"))
    assert (found.stays_here, found.host, found.warnings) == (True, "this machine", ())
    assert (found.examples, found.validation, found.people) == (32, 4, 2)
    assert found.tokens == sum(chunk.tokens for chunk in dataset.chunks if chunk.split != "test")
    assert found.price == "It costs nothing."
    assert "deleted" in found.notes[0]


def test_openai_is_shown_with_its_end_and_a_dated_price() -> None:
    settings = TrainSettings("gpt-4o-mini-2024-07-18")
    found = plan(tortoise(), provider("openai"), settings)
    assert (found.host, found.stays_here, found.epochs) == ("api.openai.com", False, 3)
    assert any("2027-01-06" in warning for warning in found.warnings)
    assert any("2027-01-14" in warning for warning in found.warnings)
    tokens = sum(chunk.tokens for chunk in tortoise().split("train"))
    dollars = f"$ {tokens * 3 * 3 / 1e6:.2f}"
    assert found.price == f"About {dollars} for 3 epochs at the price of April 2026."
    one = plan(tortoise(), provider("openai"), TrainSettings("gpt-4o-mini-2024-07-18", epochs=1))
    assert one.price == "Less than $ 0.01 for 1 epoch at the price of April 2026."


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    assert plan(tortoise(), provider("openai"), TrainSettings("gpt-9")).price == "Price not known here."
    custom = provider("custom", base_url="https://example.com/v1")
    found = plan(tortoise(), custom, TrainSettings("m", epochs=2))
    assert (found.price, found.epochs, found.warnings) == ("Price not known here.", 2, ())


def test_what_a_person_should_know_is_said() -> None:
    def warnings(url: str, days: int = 40) -> str:
        return " ".join(plan(tortoise(days), provider("custom", base_url=url), TrainSettings("m")).warnings)

    assert "not encrypted" in warnings("http://example.com/v1")
    assert "its own affair" in warnings("http://localhost:4000/v1")
    assert "2 training examples are too few: at least 10" in warnings("https://example.com/v1", days=2)
    gpt9 = plan(tortoise(), provider("openai"), TrainSettings("gpt-9"))
    assert any("gpt-9 is not among" in warning for warning in gpt9.warnings)


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(0, 25), (1, 25), (10, 10), (33, 3), (34, 3), (8_333, 3), (8_334, 2), (30_000, 1)],
)
def test_openais_rule_for_epochs(examples: int, epochs: int) -> None:
    assert auto_epochs(examples) == epochs
