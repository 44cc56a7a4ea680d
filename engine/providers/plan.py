"""What a training would send, to whom, and what it costs: shown to a person before anything is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from engine.dataset.chunks import Dataset
from engine.providers.presets import LOOPBACK, Offer, Provider


class TrainSettings(msgspec.Struct, frozen=True):
    """What a person may choose. None: the provider chooses. learning_rate: a multiplier, 1.0 is usual.
    suffix: becomes part of the model's name; "" for the AI sender's."""

    base_model: str
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    suffix: str | None = None
    seed: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """What would go where.

    host: where to, for people. examples, validation: chunks in each file; the test split never goes.
    people: whose words are in them, the AI sender included. tokens: of both files, once.
    epochs: None where only the provider knows. price: one sentence. notes: what happens to the files.
    warnings: what a person should know before agreeing.
    """

    provider: str
    host: str
    stays_here: bool
    base_model: str
    examples: int
    validation: int
    people: int
    tokens: int
    epochs: int | None
    price: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def plan(dataset: Dataset, provider: Provider, settings: TrainSettings) -> Plan:
    """Sends nothing and asks nobody; fast enough to be called at every change of the settings."""
    train, valid = dataset.examples("train"), dataset.examples("valid")
    people = {turn.sender for chunk in train + valid for turn in chunk.turns if turn.role != "system"}
    tokens = sum(chunk.tokens for chunk in train)
    epochs = settings.epochs or (auto_epochs(len(train)) if provider.name == "openai" else None)
    offer = next((offer for offer in provider.offers if offer.model == settings.base_model), None)
    return Plan(
        provider=provider.name,
        host=provider.host,
        stays_here=provider.stays_here,
        base_model=settings.base_model,
        examples=len(train),
        validation=len(valid),
        people=len(people),
        tokens=tokens + sum(chunk.tokens for chunk in valid),
        epochs=epochs,
        price=_price(provider, offer, tokens, epochs),
        notes=_notes(provider),
        warnings=_warnings(provider, offer, settings, len(train)),
    )


def auto_epochs(examples: int) -> int:
    """How often OpenAI goes through `examples` when it may choose (its published rule)."""
    if 3 * examples < 100:
        return min(25, 100 // max(1, examples))
    if 3 * examples > 25_000:
        return max(1, 25_000 // examples)
    return 3


def _price(provider: Provider, offer: Offer | None, tokens: int, epochs: int | None) -> str:
    if provider.stays_here:
        return "It costs nothing."
    if offer is None or offer.training_price is None or offer.price_date is None or epochs is None:
        return "Price not known here."
    dollars = tokens * epochs / 1_000_000 * offer.training_price
    amount = f"About $ {dollars:,.2f}" if dollars >= 0.01 else "Less than $ 0.01"
    times = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    return f"{amount} for {times} at the price of {offer.price_date:%B %Y}."


def _notes(provider: Provider) -> tuple[str, ...]:
    if provider.stays_here:
        return ("Nothing leaves this machine. The copy made for training is deleted when the job has ended.",)
    return (
        f"The files are deleted at {provider.host} when Understudy sees that the job has ended. "
        "What the trained model remembers stays there with the model.",
    )


def _warnings(
    provider: Provider, offer: Offer | None, settings: TrainSettings, examples: int
) -> tuple[str, ...]:
    found = []
    if provider.name == "openai":
        found.append(provider.note)
        if offer is None:
            found.append(f"{settings.base_model} is not among the models that OpenAI is known to fine-tune.")
        elif offer.retires:
            found.append(f"{offer.model} and every model trained from it retire on {offer.retires}.")
    address = urlsplit(provider.base_url or "")
    if address.hostname in LOOPBACK:
        found.append(f"What the program at {provider.host} does with the messages is its own affair.")
    elif address.scheme == "http":
        found.append(f"The way to {provider.host} is not encrypted: others on the network can read along.")
    if examples < provider.min_examples:
        found.append(
            f"{examples} training examples are too few: at least {provider.min_examples} are needed."
        )
    return tuple(found)
