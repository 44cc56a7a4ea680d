"""TOML with the lines that things stand in, and of a broken file as much as can be read."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MOST = 20
"""Lines that are no TOML, after which the rest is not read either."""

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


def read(text: str) -> tuple[dict[str, Any], dict[str, int], list[tuple[int, str]]]:
    """The table, the line of each name (dotted, from 1 on), and what is no TOML: (line, why).

    A line that is no TOML costs itself alone.
    """
    faults: list[tuple[int, str]] = []
    rows = text.split("\n")  # as TOML counts them
    while True:
        try:
            return tomllib.loads("\n".join(rows)), _lines(rows), faults
        except tomllib.TOMLDecodeError as error:
            found = _AT_LINE.search(str(error))
            line = min(int(found[1]), len(rows)) if found else len(rows)
            faults.append((line, _AT_LINE.sub("", str(error)).removesuffix(" (at end of document)")))
            if not rows[line - 1].strip() or len(faults) == MOST:
                return {}, {}, faults  # an open string or bracket somewhere above, or no TOML at all
            rows[line - 1] = ""


def _lines(rows: list[str]) -> dict[str, int]:
    lines: dict[str, int] = {}
    table = ""
    for number, row in enumerate(rows, 1):
        if header := _HEADER.match(row):
            table = _dotted(header[1])
            lines.setdefault(table, number)
            table += "."
        elif key := _KEY.match(row):
            lines.setdefault(table + _dotted(key[1]), number)
    return lines


def _dotted(name: str) -> str:
    return ".".join(part.strip("\"'") for part in re.findall(_PART, name))
