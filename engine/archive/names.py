"""Offer what somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(wanted: str, names: Iterable[str], most: int = 3) -> str:
    """'Did you mean "Wren Halloran"?' with the nearest names, or "" where none is near."""
    by_folded = {name.casefold(): name for name in names if name}
    folded = wanted.casefold()
    close = difflib.get_close_matches(folded, by_folded, n=most, cutoff=0.6)
    inside = [name for name in by_folded if folded and (folded in name or name in folded)]
    # A first name is nearer to a full name than difflib's ratio says.
    words = [name for name in by_folded if difflib.get_close_matches(folded, name.split(), n=1, cutoff=0.75)]
    found = list(dict.fromkeys([*close, *inside, *words]))[:most]
    if not found:
        return ""
    return "Did you mean " + " or ".join(f'"{by_folded[name]}"' for name in found) + "?"
