"""Property lists that may be damaged or hostile."""

from __future__ import annotations

import plistlib
from xml.parsers.expat import ExpatError

# AttributeError: an XML date that is none.
_DAMAGE = (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError, ExpatError)


def dictionary(raw: bytes | None) -> dict[str, object]:
    """The dictionary that a property list holds, empty where it holds none. Never raises.

    Small ones may hold more than can ever be written out (lists of twice the same list, and so on):
    never take `str` of a value without a look at what it is.
    """
    if raw is None:
        return {}
    try:
        found = plistlib.loads(raw)
    except _DAMAGE:
        return {}
    return named(found)


def named(value: object) -> dict[str, object]:
    """A dictionary with its keys as texts; empty where `value` is none."""
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}
