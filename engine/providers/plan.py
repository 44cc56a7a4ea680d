"""What a training would send, to whom, and what it costs: shown to a person before anything is sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from engine.dataset.chunks import Dataset
from engine.providers.base_models import Base, hub_host
from engine.providers.presets import LOOPBACK, Offer, Provider

MOST_TOKENS = 2048
"""Longer examples are cut where a model is trained on this machine, unless `max_length` says otherwise."""


class TrainSettings(msgspec.Struct, frozen=True):
    """What a person may choose. None: the provider chooses. learning_rate: a multiplier, 1.0 is usual.
    suffix: becomes part of the model's name; "" for the AI sender's. lora: of the local provider, by name."""

    base_model: str
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    suffix: str | None = None
    seed: int | None = None
    lora: dict[str, Any] = {}


class Plan(msgspec.Struct, frozen=True):
    """What would go where.

    host: where to, for people. examples, validation: chunks in each file; the test split never goes.
    people: whose words are in them, the AI sender included. tokens: of both files, once.
    epochs: None where only the provider knows. price: one sentence. notes: what happens to the files.
    needs: what an open base model asks of this machine, as (name, words) such as ("memory", "..."), in
    the order to show them. warnings: what a person should know before agreeing.
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
    needs: tuple[tuple[str, str], ...] = ()


def plan(dataset: Dataset, provider: Provider, settings: TrainSettings, base: Base | None = None) -> Plan:
    """Sends nothing and asks nobody; fast enough to be called at every change of the settings.

    base: what is known of an open base model of the local provider.
    """
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
        warnings=_warnings(provider, offer, settings, len(train), base),
        needs=_needs(base, max((chunk.tokens for chunk in train), default=0)) if base else (),
    )


def auto_epochs(examples: int) -> int:
    """How often OpenAI goes through `examples` when it may choose (its published rule)."""
    if 3 * examples < 100:
        return min(25, 100 // max(1, examples))
    if 3 * examples > 25_000:
        return max(1, 25_000 // examples)
    return 3


def _needs(base: Base, longest: int) -> tuple[tuple[str, str], ...]:
    tokens = min(max(longest, 1), MOST_TOKENS)
    memory, here = base.memory(tokens), base.machine.memory
    of = "this graphics card" if base.machine.kind == "cuda" else "this machine"
    has = f"; {of} has {size(here)}" if here else ""
    if memory is None:
        takes = f"not known before it is downloaded{has}"
    else:
        takes = f"at least {size(memory)} for examples of {tokens:,} tokens{has}"
    if base.folder is not None:
        load = "none, it is on this machine"
    else:
        much = f"about {size(base.download)}" if base.download else "of unknown size"
        load = f"{much} from {hub_host()}, once; nothing of yours goes there"
    rows = [("memory", takes), ("time", base.measured or "not measured here yet"), ("download", load)]
    return (("needs", base.needs), *rows) if base.needs else tuple(rows)


def size(count: int) -> str:
    """Bytes in words: 1.5 GB, 269 MB, 12 kB."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


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
        return ("The copy made for training is deleted when the job has ended.",)
    return (
        f"The files are deleted at {provider.host} when Understudy sees that the job has ended. "
        "What the trained model remembers stays there with the model.",
    )


def _warnings(
    provider: Provider, offer: Offer | None, settings: TrainSettings, examples: int, base: Base | None
) -> tuple[str, ...]:
    found = []
    if base is not None and base.machine.memory and (base.memory(1) or 0) > base.machine.memory:
        found.append(f"{base.id} is too large for the memory here, however short the examples are.")
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
