"""Texts that steer a terminal, through the real program: python tests/fuzz/terminal_bytes.py [EXAMPLES]

Each example is the texts of hostile_texts.py or such as hypothesis thinks of. The program is walked
through every pane, sheet and notice, and every command runs, in a pseudo-terminal (half a minute for
each example): nothing but our own sequences may come out. tests/tui/test_hostile_bytes.py is one example.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from hostile_session import COLUMNS, ROWS, WALKS, commands, session, walked
from hostile_texts import STEERING
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from terminal_bytes import foreign

TEXTS = st.lists(
    st.one_of(st.sampled_from(STEERING[:-3]), st.text(st.characters(codec=None), max_size=30)),
    min_size=1,
    max_size=4,
).map("".join)


def main(examples: int = 10) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @example(list(STEERING))
    @given(st.lists(TEXTS, min_size=3, max_size=8))
    def nothing_gets_out(texts: list[str]) -> None:
        for walk in (*(partial(walked, walk) for walk in WALKS), commands):
            with tempfile.TemporaryDirectory() as folder:
                screen = walk is not commands
                raw = session(Path(folder), tuple(texts), walk)
                assert foreign(raw, COLUMNS, ROWS, copies=screen, screen=screen) == []

    nothing_gets_out()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
