"""Days as people write them."""

from datetime import datetime

import pytest

from engine.archive.dates import span

NOW = datetime(2024, 3, 1, 9, 30)


def ms(*day: int) -> int:
    return int(datetime(*day).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2023", (2023, 1, 1), (2024, 1, 1)),
        ("2023-08", (2023, 8, 1), (2023, 9, 1)),
        ("Aug 2023", (2023, 8, 1), (2023, 9, 1)),
        ("December 2023", (2023, 12, 1), (2024, 1, 1)),
        ("2023-08-27", (2023, 8, 27), (2023, 8, 28)),
        ("2023/8/7", (2023, 8, 7), (2023, 8, 8)),
        ("27 aug 2023", (2023, 8, 27), (2023, 8, 28)),
        ("Aug 27, 2023", (2023, 8, 27), (2023, 8, 28)),
        ("  27.  Aug. 2023 ", (2023, 8, 27), (2023, 8, 28)),
        ("today", (2024, 3, 1), (2024, 3, 2)),
        ("Yesterday", (2024, 2, 29), (2024, 3, 1)),
    ],
)
def test_a_day_a_month_a_year(text: str, first: tuple[int, ...], after: tuple[int, ...]) -> None:
    assert span(text, NOW) == (ms(*first), ms(*after))


@pytest.mark.parametrize(
    "text", ["", "soon", "13 foo 2023", "2023-13", "2023-02-30", "0000", "9999", "31 2023", "²³"]
)
def test_what_names_no_day(text: str) -> None:
    assert span(text, NOW) is None
