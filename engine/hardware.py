"""What this machine trains on, as far as one can know without loading a library for it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from typing import Literal

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """kind: "apple" shares its memory between processor and graphics. memory: bytes, of the largest
    graphics card with "cuda", else of the machine; 0 where the system does not say."""

    kind: Literal["cpu", "cuda", "apple"]
    memory: int


@cache
def machine() -> Machine:
    """This machine. Asks NVIDIA's driver where there is one, which takes a moment: call it in a worker."""
    memory = _memory()
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Machine("apple", memory)
    card = _largest_card()
    return Machine("cuda", card) if card else Machine("cpu", memory)


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _largest_card() -> int:
    asked = shutil.which("nvidia-smi")
    if asked is None:
        return 0
    try:
        said = subprocess.run(
            [asked, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return max((int(line) << 20 for line in said.stdout.split() if line.isdigit()), default=0)
