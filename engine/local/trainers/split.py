"""Which moments are learned from and which are kept for validation."""

from __future__ import annotations

import msgspec

from engine.errors import DataError
from engine.local.trainers import Example
from engine.local.trainers.moments import Moment, learned

HELD = 1500


class Split(msgspec.Struct, frozen=True):
    """train: the moments of each example learned from. held: moments kept for validation.
    more: what the finished model may know besides train: the tenth held out where no validation was given."""

    train: list[list[Moment]]
    held: list[Moment]
    more: list[Moment]


def split(examples: list[Example], validation: list[Example]) -> Split:
    """The given validation set, or the last tenth of `examples`. DataError without a reply to learn."""
    groups = [moments for moments in learned(examples) if moments]
    if not groups:
        raise DataError(
            "No example has a reply to learn.", "Check that the AI sender's turns have the role assistant."
        )
    held = [moment for moments in learned(validation) for moment in moments]
    if held:
        return Split(groups, _spread(held), [])
    # By order, as examples come by time, and with a gap: neighbours overlap and would flatter the figures.
    gap = min(2, len(groups) // 20)
    first = len(groups) - max(1, len(groups) // 10)
    if first - gap < 1:
        return Split(groups, groups[-1], [])
    held = [moment for moments in groups[first:] for moment in moments]
    later = [moment for moments in groups[first - gap :] for moment in moments]
    return Split(groups[: first - gap], _spread(held), later)


def _spread(moments: list[Moment]) -> list[Moment]:
    """At most HELD of them, evenly spread: validation is to take no longer than training."""
    return moments[:: -(-len(moments) // HELD)]
