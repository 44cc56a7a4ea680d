"""Ways to break sound bytes. All chances come from the Random that is given, and from nothing else."""

from __future__ import annotations

import random


def mutate(chance: random.Random, raw: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    """A few flips, cuts, repetitions and odd bytes. words: what may stand in the place of others."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 8, 64)))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0x86, 0x87, 0x92, 0xFF))
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4:
                data[at:end] = chance.choice(words) if words else chance.randbytes(end - at)
            case 5:
                data = data[: max(1, at)]
    return bytes(data)
