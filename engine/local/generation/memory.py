"""How much of this machine's memory can be had without pushing anything out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def free() -> int:
    """Bytes, as the system estimates them, within what a container or a service unit allows."""
    if sys.platform == "darwin":
        return _free_on_macos()
    return min([_available(), *_allowed()])


def _available() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    return int(found[1]) * 1024 if found else sys.maxsize


def _allowed() -> list[int]:
    """What each limit on our control group and those above it leaves (version 2; 1 is of the past)."""
    try:
        own = Path("/proc/self/cgroup").read_text().partition("0::/")[2].strip()
    except OSError:
        return []
    left = []
    group = _CGROUPS / own
    while group.is_relative_to(_CGROUPS):
        try:
            limit = (group / "memory.max").read_text().strip()
            used = int((group / "memory.current").read_text())
            cached = re.search(r"^inactive_file (\d+)", (group / "memory.stat").read_text(), re.M)
        except (OSError, ValueError):
            limit = "max"
        if limit.isdecimal():
            left.append(int(limit) - used + (int(cached[1]) if cached else 0))
        group = group.parent
    return left


def _free_on_macos() -> int:
    said = subprocess.run(["vm_stat"], capture_output=True, text=True, check=False).stdout
    size = re.search(r"page size of (\d+) bytes", said)
    pages = re.findall(r"^Pages (?:free|inactive|speculative|purgeable):\s+(\d+)", said, re.M)
    return int(size[1]) * sum(map(int, pages)) if size and pages else sys.maxsize
