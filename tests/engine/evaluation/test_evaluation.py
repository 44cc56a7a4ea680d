"""Style figures, overlaps and held-out moments on texts whose answer is plain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation import Overlaps, style, trigram_distance


def test_style_counts_what_it_says() -> None:
    figures = style(["hm. noted.\nright", "WHAT! really?", "ok 🙂"])
    assert figures.replies == 3
    assert figures.words == pytest.approx((3 + 2 + 2) / 3)
    assert figures.bubbles == pytest.approx(4 / 3)
    assert figures.lower_case == pytest.approx(2 / 3)
    assert figures.exclaiming == figures.asking == figures.emoji == pytest.approx(1 / 3)


def test_style_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no replies"):
        style([])


def test_distance_tells_manners_apart() -> None:
    quiet = ["hm. noted.", "right, leave it", "hm. the tide does the washing up"]
    assert trigram_distance(quiet, quiet) == pytest.approx(0, abs=1e-9)
    near = trigram_distance(quiet, ["hm. leave the tide", "noted."])
    far = trigram_distance(quiet, ["OH MY GOODNESS!!!", "CANNOT WAIT!!!"])
    assert near < far <= 1


def test_the_longest_shared_run_names_its_line() -> None:
    overlaps = Overlaps(["leave it, the tide does the washing up", "the tide is out"])
    found = overlaps.longest("hm. The tide does the washing")
    assert (found.line, found.words) == ("leave it, the tide does the washing up", 5)
    assert found.share == pytest.approx(5 / 6)
    assert overlaps.longest("nothing common here").words == 0


@given(st.lists(st.text(alphabet="ab ", max_size=12), max_size=6), st.text(alphabet="ab ", max_size=12))
def test_overlap_equals_the_slow_way(lines: list[str], reply: str) -> None:
    words = reply.split()
    runs = {
        tuple(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)
    }
    spans = [line.split() for line in lines]
    longest = max(
        (
            len(run)
            for run in runs
            for span in spans
            if any(span[at : at + len(run)] == list(run) for at in range(len(span)))
        ),
        default=0,
    )
    assert Overlaps(lines).longest(reply).words == longest
