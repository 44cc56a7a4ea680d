"""How imitation learns: real losses, the best state kept, the same model every time and after a pause."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_person

from engine.local.trainers import (
    ChatMessage,
    Checkpoint,
    Example,
    Note,
    Settings,
    Step,
    Validation,
    trainer_for,
)

TRAINER = trainer_for("imitation")
SETTINGS = Settings(n_epochs=4, batch_size=1, learning_rate_multiplier=1.0, seed=3)
ROOT = Path(__file__).parents[3]


def train(out: Path, examples: list[Example], validation=(), settings: Settings = SETTINGS, resume=False):
    return list(TRAINER.train(examples, list(validation), settings, out, resume))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_the_loss_falls_and_the_accuracy_grows(tmp_path: Path):
    settings = Settings(n_epochs=8, batch_size=4, learning_rate_multiplier=1.0)
    events = train(tmp_path, toy_person.examples(60), toy_person.examples(10, seed=9), settings)
    steps, validations = of(Step, events), of(Validation, events)
    first, last = steps[:10], steps[-10:]
    assert sum(step.loss for step in last) < 0.6 * sum(step.loss for step in first)
    assert sum(step.accuracy for step in last) > 2 * sum(step.accuracy for step in first)
    assert validations[-1].loss < 0.5 * validations[0].loss
    assert validations[-1].accuracy > 0.6
    assert all(math.isfinite(each.loss) for each in (*steps, *validations))


def test_both_curves_measure_the_same(tmp_path: Path):
    """On the same examples the two losses meet, but for the dropout of training."""
    examples = toy_person.examples(40)
    settings = Settings(n_epochs=12, batch_size=4, learning_rate_multiplier=1.0)
    last = of(Checkpoint, train(tmp_path, examples, examples, settings))[-1]
    assert last.valid_loss is not None
    assert abs(last.train_loss - last.valid_loss) < 0.5


def test_steps_and_epochs_are_counted_as_planned(tmp_path: Path):
    events = train(tmp_path, toy_person.examples(11), toy_person.examples(5, seed=2))
    steps = of(Step, events)
    assert [step.step for step in steps] == list(range(1, 45))
    assert {step.steps for step in steps} == {44}
    assert [step.epoch for step in steps] == [1 + i // 11 for i in range(44)]
    assert [each.step for each in of(Validation, events)] == [11, 22, 33, 44]


def test_many_steps_are_reported_at_a_sane_rate(tmp_path: Path):
    settings = Settings(n_epochs=14, batch_size=1, learning_rate_multiplier=0.001)
    steps = of(Step, train(tmp_path, toy_person.examples(40), toy_person.examples(4, seed=2), settings))
    assert steps[-1].step == steps[-1].steps == 560
    assert 200 <= len(steps) <= 300


def test_without_validation_the_last_tenth_is_held_out_and_told_in_the_end(tmp_path: Path):
    """The last examples have words of their own: unknown while validating, known to the final model."""
    last = Example((ChatMessage("user", "xylophone?"), ChatMessage("assistant", "marimba, obviously")))
    events = train(tmp_path, [*toy_person.examples(36), last, last, last, last])
    assert any("held out" in note.message for note in of(Note, events))
    assert b"marimba" not in (of(Checkpoint, events)[-1].folder / "model.npz").read_bytes()
    assert b"marimba" in (tmp_path / "model.npz").read_bytes()
    reply = TRAINER.load(tmp_path).reply(
        [ChatMessage("user", "xylophone?")], temperature=0, top_p=1, max_tokens=20, stop=[], seed=1
    )
    assert "marimba" in "".join(piece.text for piece in reply)


def test_it_stops_early_and_keeps_the_best_state(tmp_path: Path):
    """Much too high a rate: validation gets worse, and the finished model is the best epoch's."""
    import numpy as np

    settings = Settings(n_epochs=40, batch_size=2, learning_rate_multiplier=6.0)
    events = train(tmp_path, toy_person.examples(20), toy_person.examples(12, seed=7), settings)
    validations, checkpoints = of(Validation, events), of(Checkpoint, events)
    best = min(validations, key=lambda each: each.loss).epoch
    assert len(validations) < 40
    assert best < len(validations)
    assert any("Stopped after epoch" in note.message for note in of(Note, events))
    with np.load(tmp_path / "model.npz") as final:
        for checkpoint in checkpoints:
            with np.load(checkpoint.folder / "model.npz") as then:
                assert np.array_equal(final["neural"], then["neural"]) == (checkpoint.epoch == best)


def test_a_learning_rate_multiplier_of_nearly_nothing_learns_nearly_nothing(tmp_path: Path):
    examples, held = toy_person.examples(30), toy_person.examples(6, seed=4)
    slow = of(Validation, train(tmp_path / "slow", examples, held, Settings(5, 2, 1e-4)))
    fast = of(Validation, train(tmp_path / "fast", examples, held, Settings(5, 2, 1.0)))
    assert abs(slow[-1].loss - slow[0].loss) < 0.01
    assert fast[-1].loss < slow[-1].loss - 0.5


def test_the_same_seed_gives_the_same_model_in_every_process(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; import toy_person; from engine.local.trainers import *\n"
        "settings = Settings(2, 3, 1.0, int(sys.argv[2]))\n"
        "for _ in trainer_for('imitation').train("
        "toy_person.examples(30), [], settings, Path(sys.argv[1]), False): pass"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "fixtures")])
    for name, seed, hashes in (("a", 5, 1), ("b", 5, 2), ("c", 6, 1)):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(hashes)}
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name), str(seed)], env=environment, check=True
        )
    a, b, c = ((tmp_path / name / "model.npz").read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("stop_after", [1, 70, 130, 216])
def test_a_training_taken_up_again_ends_with_the_same_model(tmp_path: Path, stop_after: int):
    examples, held = toy_person.examples(54), toy_person.examples(8, seed=2)
    whole = train(tmp_path / "whole", examples, held)
    assert of(Step, whole)[-1].steps == 216

    paused = TRAINER.train(examples, held, SETTINGS, tmp_path / "paused", False)
    before = []
    for event in paused:
        before.append(event)
        if isinstance(event, Step) and event.step >= stop_after:
            break
    paused.close()
    assert not (tmp_path / "paused" / "model.npz").exists()
    after = train(tmp_path / "paused", examples, held, resume=True)

    assert (tmp_path / "whole" / "model.npz").read_bytes() == (tmp_path / "paused" / "model.npz").read_bytes()
    told = {step.step: step for step in (*of(Step, before), *of(Step, after))}
    assert list(told.values()) == of(Step, whole)
    if stop_after > 54:
        assert of(Step, after)[0].step > 54, "the first epoch was trained once more"


def test_another_training_set_does_not_go_on_from_the_state_of_the_first(tmp_path: Path):
    first = TRAINER.train(toy_person.examples(20), [], SETTINGS, tmp_path / "a", False)
    for event in first:
        if isinstance(event, Validation) and event.epoch == 2:
            break
    first.close()
    other = toy_person.examples(20, seed=5)
    train(tmp_path / "a", other, resume=True)
    train(tmp_path / "b", other)
    assert (tmp_path / "a" / "model.npz").read_bytes() == (tmp_path / "b" / "model.npz").read_bytes()


def test_the_note_at_the_end_tells_bits_per_character(tmp_path: Path):
    events = train(tmp_path, toy_person.examples(60), toy_person.examples(10, seed=9))
    (note,) = [note.message for note in of(Note, events) if "bits per character" in note.message]
    mixed, counts, neural = (float(word.strip(",)")) for word in note.split() if word[0].isdigit())
    assert 0 < mixed < min(counts, neural) + 0.1
    assert mixed < 1, "the toy person is easy to guess"


def wren() -> list[Example]:
    """The bundled Messenger sample as examples: eight turns, ending on Wren's."""
    found = []
    for folder in sorted((ROOT / "engine" / "samples" / "messenger").rglob("inbox/*")):
        messages = [
            message
            for path in sorted(folder.glob("message_*.json"))
            for message in json.loads(path.read_bytes())["messages"]
            if message.get("content")
        ]
        turns: list[ChatMessage] = []
        for message in sorted(messages, key=lambda each: each["timestamp_ms"]):
            name, text = (
                message[key].encode("latin-1").decode("utf-8") for key in ("sender_name", "content")
            )
            role = "assistant" if name == "Wren Halloran" else "user"
            if turns and turns[-1].role == role:
                text = f"{turns.pop().content}\n{text}"
            turns.append(ChatMessage(role, text))
        found += [Example(tuple(turns[start : start + 8])) for start in range(0, len(turns), 8)]
    return found


@pytest.fixture(scope="module")
def wren_model(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("wren")
    examples = wren()
    for _ in TRAINER.train(examples, [], TRAINER.plan(examples, Settings()), out, False):
        pass
    return TRAINER.load(out)


def test_replies_are_recognisably_in_the_persons_manner(wren_model):
    """Wren writes lower case, short bubbles, hardly an exclamation mark; the others do not."""
    prompts = [
        "are you coming to the boat?",
        "MORNING!!",
        "What should I do about the oven?",
        "Clock is late",
    ]
    replies = [
        "".join(
            piece.text
            for piece in wren_model.reply(
                [ChatMessage("user", prompt)], temperature=0.8, top_p=1, max_tokens=200, stop=[], seed=seed
            )
        )
        for prompt in prompts
        for seed in range(8)
    ]
    assert all(replies)
    assert sum(reply == reply.lower() for reply in replies) >= 0.9 * len(replies)
    assert sum("!" in reply for reply in replies) <= 2
    assert any("\n" in reply for reply in replies)
    assert len(set(replies)) >= 0.4 * len(replies)
    learned = {m.content.strip() for example in wren() for m in example.messages if m.role == "assistant"}
    assert 0 < sum(reply in learned for reply in replies) < len(replies), "neither all new nor all copied"


def test_the_mixture_gives_probabilities_that_sum_to_1(wren_model):
    """At every place of replies that it learned, of one that it never met, and of nonsense."""
    from engine.local.trainers.candidates import mixed, predictor
    from engine.local.trainers.mixture import Copies
    from engine.local.trainers.moments import moment, weighted_terms
    from engine.local.trainers.retrieval import similar

    speaker = wren_model.speaker
    query = weighted_terms(moment([ChatMessage("user", "the clock is late")]))
    found = similar(speaker.index, query)
    copies = Copies(speaker.lines, found.moments, found.weights)
    predict = predictor(speaker, query)
    replies = [*(speaker.lines[r].tolist() for r in (0, found.moments[0])), [5, 9, 700, 3, 3, 3]]
    for reply in replies:
        for length in range(len(reply)):
            p = mixed(speaker, copies, predict, reply[:length])
            assert p.min() >= 0
            assert abs(p.sum() - 1) < 1e-4


def test_a_reply_answers_the_topic(wren_model):
    """The same words come up as in the prompt far more often than for another prompt."""

    def mentions(prompt: str, word: str) -> int:
        return sum(
            word
            in "".join(
                piece.text
                for piece in wren_model.reply(
                    [ChatMessage("user", prompt)], temperature=0.8, top_p=1, max_tokens=99, stop=[], seed=seed
                )
            )
            for seed in range(10)
        )

    assert mentions("the clock is wrong again", "clock") > mentions("is it raining in berlin", "clock")
    assert mentions("did you bake bread", "bread") > mentions("who is that man", "bread")


def test_in_a_long_chat_nothing_is_said_twice_in_a_row(wren_model):
    messages: list[ChatMessage] = []
    for seed in range(12):
        messages.append(ChatMessage("user", "hm"))
        text = "".join(
            piece.text
            for piece in wren_model.reply(
                messages, temperature=0.8, top_p=1, max_tokens=99, stop=[], seed=seed
            )
        )
        messages.append(ChatMessage("assistant", text))
    said = [message.content for message in messages if message.role == "assistant"]
    assert len(set(said)) == len(said)
