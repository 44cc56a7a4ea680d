"""Both trainers keep the one interface: what they yield, what they leave, what a reply may be."""

from __future__ import annotations

import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
import toy_person

from engine.errors import DataError, StudioError
from engine.local.trainers import (
    ChatMessage,
    Checkpoint,
    Example,
    LoraSettings,
    Model,
    Piece,
    Settings,
    Step,
    Validation,
    trainer_for,
)

NAMES = ["imitation", "nearest"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """By name: the folder and everything that training yielded."""
    found = {}
    for name in NAMES:
        trainer = trainer_for(name)
        out = tmp_path_factory.mktemp(name)
        examples = toy_person.examples(60)
        found[name] = out, list(trainer.train(examples, [], trainer.plan(examples, Settings()), out, False))
    return found


def say(
    model: Model, *turns: str, temperature=0.8, top_p=1.0, max_tokens=100, stop=(), seed=1
) -> list[Piece]:
    roles = ("user", "assistant")
    messages = [ChatMessage(roles[i % 2], turn) for i, turn in enumerate(turns)]
    return list(
        model.reply(
            messages,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            stop=list(stop),
            seed=seed,
        )
    )


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_naming_the_trainers_loads_no_numpy():
    code = (
        "import sys; from engine.local.trainers import base_models, trainer_for, Settings;"
        "t = [trainer_for(name) for name in base_models()[:2]];"
        "[each.plan([], Settings()) for each in t];"
        "print(base_models()[:2], [m for m in ('numpy', 'tiktoken') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['imitation', 'nearest'] []"


def test_an_example_is_decoded_from_a_line_of_a_training_file():
    line = (
        b'{"messages": [{"role": "user", "content": "hey", "name": "zoe"},'
        b' {"role": "assistant", "content": "hm", "weight": 0}]}'
    )
    example = msgspec.json.decode(line, type=Example)
    assert example.messages == (
        ChatMessage("user", "hey", name="zoe"),
        ChatMessage("assistant", "hm", weight=0),
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_leaves_nothing_to_be_decided(name: str):
    examples = toy_person.examples(60)
    plan = trainer_for(name).plan(examples, Settings(seed=5))
    assert isinstance(plan.n_epochs, int)
    assert isinstance(plan.batch_size, int)
    assert isinstance(plan.learning_rate_multiplier, float)
    assert plan.seed == 5
    assert trainer_for(name).plan(examples, plan) == plan


def test_a_plan_keeps_what_was_asked_for():
    asked = Settings(n_epochs=7, batch_size=3, learning_rate_multiplier=0.5, seed=2)
    assert trainer_for("imitation").plan(toy_person.examples(20), asked) == asked


@pytest.mark.parametrize("name", NAMES)
def test_training_yields_steps_in_order_and_a_checkpoint_that_loads(trained, name: str):
    _, events = trained[name]
    steps = [event for event in events if isinstance(event, Step)]
    assert [each.step for each in steps] == sorted({each.step for each in steps})
    assert all(each.steps == steps[0].steps >= each.step >= 1 for each in steps)
    assert all(0 < each.loss < 20 and 0 <= each.accuracy <= 1 for each in steps)
    checkpoints = [event for event in events if isinstance(event, Checkpoint)]
    validations = [event for event in events if isinstance(event, Validation)]
    assert [each.epoch for each in checkpoints] == [each.epoch for each in validations]
    for checkpoint, validation in zip(checkpoints, validations, strict=True):
        assert checkpoint.valid_loss == validation.loss < 20
        assert text(say(trainer_for(name).load(checkpoint.folder), "what about the boat?"))


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_a_private_file_without_pickle(trained, name: str):
    out, _ = trained[name]
    assert stat.S_IMODE((out / "model.npz").stat().st_mode) == 0o600
    assert sorted(path.name for path in out.iterdir()) == ["checkpoints", "model.npz"]


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_is_learned(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    right = asked = 0
    for topic, answers in toy_person.TOPICS.items():
        words = {word for answer in answers for word in answer.split()}
        own = words - {
            word
            for other, lines in toy_person.TOPICS.items()
            if other != topic
            for line in lines
            for word in line.split()
        }
        for seed in range(5):
            asked += 1
            reply = text(say(model, f"any news of the {topic}?", seed=seed))
            right += bool(own & set(reply.split()))
    assert right >= 0.9 * asked


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_reply_and_another_seed_another(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    again = trainer_for(name).load(trained[name][0])
    replies = [say(model, "hello there", seed=seed) for seed in range(8)]
    assert replies == [say(again, "hello there", seed=seed) for seed in range(8)]
    assert len({text(reply) for reply in replies}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_temperature_0_does_not_depend_on_the_seed(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    assert len({text(say(model, "the bread?", temperature=0.0, seed=seed)) for seed in range(5)}) == 1
    assert text(say(model, "the bread?", temperature=0.0, seed=None))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.0, 0.8, 2.0])
def test_a_reply_is_never_empty_whatever_is_asked(trained, name: str, temperature: float):
    model = trainer_for(name).load(trained[name][0])
    for turns in (
        ["what about the boat?"],
        ["日本語"],
        [""],
        ["?"],
        ["\ud800 \x00"],
        ["hey", "well", "go on"],
    ):
        reply = text(say(model, *turns, temperature=temperature))
        assert reply.strip()
        assert reply == reply.strip()
        reply.encode()
    assert text(list(model.reply([], temperature=1.0, top_p=1, max_tokens=9, stop=[], seed=1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_keeps_to_its_limit_of_tokens(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    whole = say(model, "is the cat alright?", temperature=0.0)
    assert sum(piece.tokens for piece in whole) > 3
    for limit in (1, 2, 3):
        short = say(model, "is the cat alright?", temperature=0.0, max_tokens=limit)
        assert 1 <= sum(piece.tokens for piece in short) <= limit
    assert say(model, "is the cat alright?", max_tokens=0) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_ends_before_a_stop_text(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    for seed in range(10):
        reply = text(say(model, "tell me about the bread please", stop=["\n", "us"], seed=seed))
        assert reply
        assert "\n" not in reply
        assert "us" not in reply


@pytest.mark.parametrize("name", NAMES)
def test_pieces_are_whole_characters_even_where_tokens_are_not(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    replies = [say(model, "where is the cat", seed=seed) for seed in range(30)]
    with_cat = [reply for reply in replies if "🐈" in text(reply)]
    assert with_cat
    for reply in with_cat:
        assert any("🐈" in piece.text for piece in reply)
        assert "�" not in text(reply)
    for limit in range(1, 12):
        assert "�" not in text(say(model, "where is the cat", max_tokens=limit))


@pytest.mark.parametrize("name", NAMES)
def test_a_small_top_p_leaves_only_the_best(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    wide = {text(say(model, "hello", seed=seed, temperature=2.0)) for seed in range(12)}
    narrow = {text(say(model, "hello", seed=seed, temperature=2.0, top_p=0.01)) for seed in range(12)}
    assert len(narrow) < len(wide)


@pytest.mark.parametrize("name", NAMES)
def test_a_copied_reply_names_the_moment_it_comes_from(trained, name: str):
    model = trainer_for(name).load(trained[name][0])
    copied = [reply for seed in range(10) if (reply := say(model, "the clock?", seed=seed))[-1].origin]
    assert copied
    for reply in copied:
        said, _, answer = reply[-1].origin.partition(" → ")
        assert any(said == question.format(t) for question in toy_person.QUESTIONS for t in toy_person.TOPICS)
        assert answer.replace(" / ", "\n") in {a for answers in toy_person.TOPICS.values() for a in answers}
        assert 0 < reply[-1].similarity <= 1
        assert all(piece.origin is None for piece in reply[:-1])


def test_nearest_gives_a_real_reply_and_a_closer_moment_is_more_similar(trained):
    model = trainer_for("nearest").load(trained["nearest"][0])
    real = {answer for answers in toy_person.TOPICS.values() for answer in answers}
    assert all(text(say(model, "hm", seed=seed)) in real for seed in range(10))
    close = say(model, "how is the cat today", temperature=0.0)[-1].similarity
    far = say(model, "how is the weather in Lisbon", temperature=0.0)[-1].similarity
    assert close > 0.6 > far


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weight", [0, None])
def test_turns_of_weight_0_are_context_and_not_learned(tmp_path: Path, name: str, weight: int | None):
    examples = [
        Example(
            (
                ChatMessage("user", f"knock {i}"),
                ChatMessage("assistant", "zebra crossing", weight=weight),
                ChatMessage("user", f"who is there {i}"),
                ChatMessage("assistant", "only the tide", weight=1),
            )
        )
        for i in range(12)
    ]
    trainer = trainer_for(name)
    for _ in trainer.train(examples, [], trainer.plan(examples, Settings(n_epochs=1)), tmp_path, False):
        pass
    model = trainer.load(tmp_path)
    replies = {text(say(model, "knock 3", seed=seed, temperature=1.0)) for seed in range(10)}
    assert any("zebra" in reply for reply in replies) == (weight is None)
    assert (b"zebra crossing" in (tmp_path / "model.npz").read_bytes()) == (weight is None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_few_examples_are_enough_to_train_and_answer(tmp_path: Path, name: str, count: int):
    trainer = trainer_for(name)
    examples = toy_person.examples(count)
    events = list(trainer.train(examples, [], trainer.plan(examples, Settings()), tmp_path, False))
    assert all(event.loss < 20 for event in events if isinstance(event, Step | Validation))
    assert text(say(trainer.load(tmp_path), "hello"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_learn_is_said_plainly(tmp_path: Path, name: str):
    trainer = trainer_for(name)
    examples = [Example((ChatMessage("user", "hey"), ChatMessage("assistant", " ", weight=1)))]
    with pytest.raises(DataError, match="No example has a reply"):
        list(trainer.train(examples, [], trainer.plan(examples, Settings()), tmp_path, False))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"PK\x03\x04 cut short"])
def test_a_missing_or_damaged_model_is_said_plainly(tmp_path: Path, name: str, content: bytes | None):
    if content is not None:
        (tmp_path / "model.npz").write_bytes(content)
    with pytest.raises(StudioError, match=r"damaged|no trained model"):
        trainer_for(name).load(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_the_other_trainer_is_refused(trained, name: str):
    (other,) = set(NAMES) - {name}
    with pytest.raises(StudioError):
        trainer_for(name).load(trained[other][0])


@pytest.mark.parametrize(("trainer", "library"), [("lora", "peft"), ("mlx", "mlx_lm")])
def test_a_trainer_whose_extra_is_absent_says_how_to_install_it(trainer, library):
    if find_spec(library):
        pytest.skip(f"needs an environment without the extra [{trainer}]")
    with pytest.raises(StudioError, match=rf"pip install 'understudy\[{trainer}\]'"):
        trainer_for("owner/model", Settings(lora=LoraSettings(trainer=trainer)))
