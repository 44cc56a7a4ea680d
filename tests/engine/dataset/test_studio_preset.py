"""The studio preset on conversations made for each rule."""

import msgspec
import pytest
from dialogue_builder import (
    DAY,
    FOX,
    HARE,
    MINUTE,
    OWL,
    START,
    TORTOISE,
    dialogue,
    exchanges,
    message,
    talk,
)

from engine import tokens
from engine.conversation import Kind
from engine.dataset.building import build
from engine.dataset.chunks import usual_system
from engine.dataset.formats import example
from engine.dataset.recipe import Recipe

ALL = Recipe(valid=0.0, test=0.0)


def made(*dialogues, recipe: Recipe = ALL, **options):
    return build(dialogues, recipe, TORTOISE, "Tortoise", **options)


def spoken(chunk) -> list[tuple[str, str, int | None]]:
    return [(turn.role, turn.text, turn.weight) for turn in chunk.turns]


def test_runs_merge_with_a_newline_and_the_system_prompt_names_the_counterpart() -> None:
    rows = talk([(HARE, "Speed"), (HARE, " is key! "), (TORTOISE, "A balanced"), (TORTOISE, "approach")])
    (chunk,) = made(dialogue(rows)).chunks
    assert spoken(chunk) == [
        ("system", "You are Tortoise, talking with Hare.", None),
        ("user", "Speed\nis key!", None),
        ("assistant", "A balanced\napproach", 1),
    ]
    assert chunk.messages == tuple(row.id for row in rows)
    assert (chunk.split, chunk.title, chunk.conversation, chunk.index) == ("train", "Hare", 1, 0)


@pytest.mark.parametrize(("silence", "sessions"), [(60 * MINUTE, 1), (60 * MINUTE + 1, 2)])
def test_a_longer_silence_than_the_gap_starts_a_session(silence: int, sessions: int) -> None:
    first = exchanges(1)
    rows = first + exchanges(1, first[-1].time + silence)
    assert len(made(dialogue(rows)).chunks) == sessions


def test_a_run_never_crosses_a_session() -> None:
    rows = talk([(HARE, "a"), (TORTOISE, "one")])
    rows += talk([(TORTOISE, "two"), (HARE, "b"), (TORTOISE, "three")], START + DAY)
    texts = [[turn.text for turn in chunk.turns[1:]] for chunk in made(dialogue(rows)).chunks]
    assert texts == [["a", "one"], ["two", "b", "three"]]


def test_user_tails_and_lonely_sessions_are_counted() -> None:
    rows = [
        *exchanges(1),
        message(HARE, "and then", START + 2 * MINUTE),
        message(HARE, "?", START + 3 * MINUTE),
    ]
    rows += talk([(HARE, "hello?")], START + DAY)
    rows += talk([(TORTOISE, "good"), (TORTOISE, "night")], START + 2 * DAY)
    dataset = made(dialogue(rows))
    assert len(dataset.chunks) == 1
    assert dataset.dropped == {
        "after the last reply or chunk": 2,
        "in sessions without the AI sender": 1,
        "in sessions where only the AI sender speaks": 2,
    }


def test_only_speech_is_used() -> None:
    rows = talk([(HARE, "look"), (HARE, ""), (HARE, "  "), (TORTOISE, "nice")])
    rows[1] = message(HARE, "Hare sent a photo.", rows[1].time, Kind.ATTACHMENT)
    dataset = made(dialogue(rows))
    assert [turn.text for turn in dataset.chunks[0].turns[1:]] == ["look", "nice"]
    assert dataset.dropped == {"not speech": 1, "empty": 1}


def test_conversations_without_the_ai_sender_are_counted() -> None:
    dataset = made(dialogue(talk([(HARE, "a"), (OWL, "b")])))
    assert dataset.chunks == ()
    assert dataset.dropped == {"in conversations without the AI sender": 2}


def test_chunks_are_bounded_and_carry_context_with_weight_0() -> None:
    recipe = msgspec.structs.replace(ALL, max_tokens=80, overlap=2)
    dataset = made(dialogue(exchanges(20)), recipe=recipe)
    assert len(dataset.chunks) > 2
    before = None
    for chunk in dataset.chunks:
        assert chunk.tokens <= 80
        assert chunk.turns[-1].weight == 1
        if before is not None:
            assert [turn.text for turn in chunk.turns[1:3]] == [turn.text for turn in before.turns[-2:]]
            assert [turn.weight for turn in chunk.turns[1:3]] == [None, 0]
        before = chunk
    learned = [turn.text for chunk in dataset.chunks for turn in chunk.turns if turn.learned]
    assert learned == [f"answer {i}" for i in range(20)]
    assert dataset.dropped == {}


@pytest.mark.parametrize("overlap", [0, 1, 3, 50])
def test_any_overlap_teaches_every_reply_once(overlap: int) -> None:
    recipe = msgspec.structs.replace(ALL, max_tokens=120, overlap=overlap)
    dataset = made(dialogue(exchanges(30)), recipe=recipe)
    learned = [turn.text for chunk in dataset.chunks for turn in chunk.turns if turn.learned]
    assert learned == [f"answer {i}" for i in range(30)]
    assert max(chunk.tokens for chunk in dataset.chunks) <= 120


def test_a_chunk_is_filled_to_the_last_token() -> None:
    (whole,) = made(dialogue(exchanges(8))).chunks
    for limit, count in ((whole.tokens, 1), (whole.tokens - 1, 2)):
        recipe = msgspec.structs.replace(ALL, max_tokens=limit)
        assert len(made(dialogue(exchanges(8)), recipe=recipe).chunks) == count


def test_chunk_tokens_are_openai_s_count() -> None:
    from engine.dataset.checks import example_tokens

    for chunk in made(dialogue(exchanges(30)), recipe=msgspec.structs.replace(ALL, max_tokens=200)).chunks:
        plain = [{"role": m["role"], "content": m["content"]} for m in example(chunk)["messages"]]
        assert chunk.tokens == example_tokens(plain)
        by_hand = sum(3 + 1 + tokens.count(m["content"]) for m in plain) + 3
        assert chunk.tokens == by_hand


def test_a_few_long_sessions_are_cut_finer_until_a_service_takes_them() -> None:
    dataset = made(dialogue(exchanges(40)))
    assert 10 <= len(dataset.chunks) < 40
    learned = [turn.text for chunk in dataset.chunks for turn in chunk.turns if turn.learned]
    assert learned == [f"answer {i}" for i in range(40)]
    assert dataset.dropped == {}
    assert dataset.recipe == ALL


def test_finer_cuts_never_cost_text() -> None:
    rows = exchanges(40)
    rows[20] = message(HARE, "word " * 600, rows[20].time)
    dataset = made(dialogue(rows))
    assert not [problem for chunk in dataset.chunks for problem in chunk.problems]
    assert any("word word" in turn.text for chunk in dataset.chunks for turn in chunk.turns)


def test_a_long_question_keeps_its_end() -> None:
    rows = talk([(HARE, "word " * 500 + "the point"), (TORTOISE, "yes")])
    dataset = made(dialogue(rows), recipe=msgspec.structs.replace(ALL, max_tokens=100))
    (chunk,) = dataset.chunks
    assert 80 < chunk.tokens <= 100
    assert chunk.turns[1].text.endswith("the point")
    assert chunk.turns[2].text == "yes"
    assert chunk.problems == ("cut to fit the token limit",)
    assert dataset.dropped == {}


def test_a_long_reply_keeps_its_beginning_and_leaves_room_for_the_question() -> None:
    rows = talk([(HARE, "why?"), *((TORTOISE, f"reason number {i} of many") for i in range(50))])
    dataset = made(dialogue(rows), recipe=msgspec.structs.replace(ALL, max_tokens=100))
    (chunk,) = dataset.chunks
    assert chunk.tokens <= 100
    assert chunk.turns[1].text == "why?"
    kept = chunk.turns[2].text.split("\n")
    assert kept == [f"reason number {i} of many" for i in range(len(kept))]
    assert chunk.turns[2].messages == tuple(row.id for row in rows[1 : 1 + len(kept)])
    assert dataset.dropped == {"over the token limit": 50 - len(kept)}


@pytest.mark.parametrize("words", [65, 1_000])
def test_a_system_prompt_without_room_costs_its_conversation(words: int) -> None:
    recipe = msgspec.structs.replace(ALL, system="word " * words, max_tokens=100)
    dataset = made(dialogue(exchanges(3)), recipe=recipe)
    assert dataset.chunks == ()
    assert dataset.dropped == {"over the token limit": 6}


def test_a_name_that_leaves_no_room_costs_its_turn() -> None:
    rows = talk([(OWL, "go"), (TORTOISE, "coming")])
    rows[0] = msgspec.structs.replace(rows[0], sender="Owl " * 60)
    recipe = msgspec.structs.replace(ALL, system="", groups=True, max_tokens=64)
    dataset = made(dialogue(rows, kind="group"), recipe=recipe)
    assert [turn.text for turn in dataset.chunks[0].turns] == ["coming"]
    assert dataset.dropped == {"over the token limit": 1}


def test_an_empty_system_prompt_is_no_turn() -> None:
    (chunk,) = made(dialogue(exchanges(1)), recipe=msgspec.structs.replace(ALL, system="")).chunks
    assert [turn.role for turn in chunk.turns] == ["user", "assistant"]


def test_groups_are_left_out_unless_asked_for() -> None:
    rows = talk([(HARE, "go"), (OWL, "wait"), (OWL, "please"), (TORTOISE, "coming"), (FOX, "ha")])
    assert made(dialogue(rows, kind="group")).dropped == {"in group conversations": 5}
    dataset = made(dialogue(rows, kind="group"), recipe=msgspec.structs.replace(ALL, groups=True))
    assert spoken(dataset.chunks[0]) == [
        ("system", "You are Tortoise, talking with Owl, Hare and Fox.", None),
        ("user", "Hare: go", None),
        ("user", "Owl: wait\nplease", None),
        ("assistant", "coming", 1),
    ]


def test_nothing_of_a_person_left_out_goes_into_a_chunk() -> None:
    rows = talk([(HARE, "go"), (OWL, "my secret"), (TORTOISE, "coming"), (OWL, "more")])
    recipe = msgspec.structs.replace(ALL, groups=True)
    dataset = made(dialogue(rows, kind="group"), recipe=recipe, left_out=frozenset({OWL}))
    said = str(msgspec.json.encode(dataset.chunks))
    assert "secret" not in said
    assert "Owl" not in said
    assert dataset.dropped == {"of people left out": 2}


def test_the_same_reply_is_learned_so_often_and_no_more() -> None:
    rows = talk(
        [turn for i in range(8) for turn in ((HARE, f"q{i}"), (TORTOISE, ["ok", "Ok!", "OK."][i % 3]))]
    )
    rows += talk([(HARE, "really"), (TORTOISE, "yes")], rows[-1].time + MINUTE)
    dataset = made(dialogue(rows), recipe=msgspec.structs.replace(ALL, same_reply=4))
    turns = [turn for chunk in dataset.chunks for turn in chunk.turns if turn.role == "assistant"]
    assert [turn.weight for turn in turns] == [1] * 4 + [0] * 4 + [1]
    assert dataset.dropped == {"the same reply too often": 4}


def test_chunks_end_on_a_learned_reply_where_the_last_ones_are_too_many() -> None:
    rows = talk([turn for i in range(10) for turn in ((HARE, f"q{i}"), (TORTOISE, "ok"))])
    dataset = made(dialogue(rows), recipe=msgspec.structs.replace(ALL, same_reply=4))
    assert [turn.text for turn in dataset.chunks[-1].turns[-2:]] == ["q3", "ok"]
    assert dataset.dropped == {"the same reply too often": 6, "after the last reply or chunk": 6}


def test_the_same_reply_to_other_people_counts_apart() -> None:
    rows = talk([(HARE, "a"), (TORTOISE, "ok")]), talk([(OWL, "a"), (TORTOISE, "ok")])
    recipe = msgspec.structs.replace(ALL, same_reply=1)
    assert made(dialogue(rows[0]), dialogue(rows[1], id=2), recipe=recipe).dropped == {}


def test_held_out_replies_are_all_kept() -> None:
    rows = [row for day in range(40) for row in talk([(HARE, "a"), (TORTOISE, "ok")], START + day * DAY)]
    dataset = made(dialogue(rows), recipe=Recipe(same_reply=5))
    assert [len(dataset.split(name)) for name in ("train", "valid", "test")] == [5, 4, 4]


def test_the_newest_tenth_is_the_test_and_a_tenth_validation() -> None:
    rows = [row for day in range(100) for row in exchanges(1, START + day * DAY, f"day {day} ")]
    dataset = made(dialogue(rows), recipe=Recipe())
    assert [len(dataset.split(name)) for name in ("train", "valid", "test")] == [80, 10, 10]
    assert [chunk.turns[1].text for chunk in dataset.split("test")] == [
        f"question day {day} 0" for day in range(90, 100)
    ]
    other = made(dialogue(rows), recipe=Recipe(seed=2))
    assert other.split("test") == dataset.split("test")
    assert {c.messages for c in other.split("valid")} != {c.messages for c in dataset.split("valid")}


@pytest.mark.parametrize(
    ("sessions", "split"),
    [(1, (1, 0, 0)), (7, (7, 0, 0)), (10, (10, 0, 0)), (11, (10, 0, 1)), (12, (10, 1, 1)), (39, (31, 4, 4))],
)
def test_small_data_trains_first(sessions: int, split: tuple[int, int, int]) -> None:
    rows = [row for day in range(sessions) for row in exchanges(1, START + day * DAY)]
    dataset = made(dialogue(rows), recipe=Recipe())
    assert tuple(len(dataset.split(name)) for name in ("train", "valid", "test")) == split


def test_large_shares_still_leave_something_to_train() -> None:
    rows = [row for day in range(31) for row in exchanges(1, START + day * DAY)]
    assert len(made(dialogue(rows), recipe=Recipe(valid=0.5, test=0.5)).split("train")) == 10


def test_the_text_of_a_special_token_is_spaced_out() -> None:
    rows = talk([(HARE, "what is <|endoftext|>"), (TORTOISE, "<|lol|> no idea")])
    (chunk,) = made(dialogue(rows)).chunks
    assert chunk.turns[1].text == "what is < |endoftext|>"
    assert chunk.turns[2].text == "<|lol|> no idea"
    assert len(chunk.problems) == 1


def test_the_usual_system_prompt_is_the_commonest() -> None:
    few = talk([(OWL, "a"), (TORTOISE, "b")])
    many = [row for day in range(3) for row in exchanges(1, START + day * DAY)]
    dataset = made(dialogue(few), dialogue(many, id=2))
    assert usual_system(dataset.chunks) == "You are Tortoise, talking with Hare."
    assert usual_system(()) == ""


def test_the_id_depends_on_recipe_and_content() -> None:
    rows = exchanges(3)
    first = made(dialogue(rows))
    assert first == made(dialogue(rows))
    changed = [*rows[:-1], msgspec.structs.replace(rows[-1], text="another answer")]
    ids = {first.id, made(dialogue(changed)).id, made(dialogue(rows), recipe=Recipe(valid=0.0)).id}
    assert len(ids) == 3
