"""The loss chart as text: the curve falls where the loss falls, marks stand at their step."""

from tui.widgets.loss_chart import GUTTER, VALID, chart


def lines(
    train: list[tuple[int, float]], valid: list[tuple[int, float]], steps: int, width: int = 60
) -> list[str]:
    return [line.plain for line in chart(train, valid, steps, width=width, height=10)]


def test_nothing_known_draws_nothing() -> None:
    assert lines([], [], 100) == []
    assert chart([(1, 2.0)], [], 10, width=10, height=10) == []


def test_a_falling_loss_falls_from_the_top_left_to_the_bottom_right() -> None:
    drawn = lines([(step, 5.0 - step / 25) for step in range(1, 101)], [], 100)
    assert len(drawn) == 10
    assert drawn[0].startswith(" 4.96┤")
    assert drawn[7].startswith(" 1.00┤")
    top, bottom = drawn[0][GUTTER:], drawn[7][GUTTER:]
    assert top.strip() and bottom.strip()
    assert top.index(top.strip()[0]) < bottom.index(bottom.strip()[0])
    assert all(line[GUTTER:].strip() for line in drawn[:8]), "the curve has no gap"
    assert drawn[9].split() == ["0", "50", "100"]


def test_a_job_under_way_leaves_room_for_the_steps_to_come() -> None:
    drawn = lines([(step, 3.0 - step / 50) for step in range(1, 51)], [], 100)
    assert max(len(line.rstrip()) for line in drawn[:8]) <= GUTTER + 28


def test_validation_is_marked_at_its_step() -> None:
    drawn = lines([(1, 4.0), (100, 2.0)], [(50, 3.0), (100, 2.5)], 100)
    places = [(row, line.index(VALID)) for row, line in enumerate(drawn) if VALID in line]
    assert len(places) == 2
    assert abs(places[0][1] - (GUTTER + 27)) <= 1
    assert places[1][1] == 59


def test_a_flat_loss_and_a_single_point_are_drawn() -> None:
    assert any(line[GUTTER:].strip() for line in lines([(1, 2.0)], [], 1)[:8])
    assert any(line[GUTTER:].strip() for line in lines([(1, 2.0), (9, 2.0)], [], 9)[:8])
