"""Chunks as OpenAI's chat format."""

import json
import stat

import pytest
from dialogue_builder import DAY, START, TORTOISE, dialogue, exchanges

from engine.dataset.building import build
from engine.dataset.checks import check, check_file
from engine.dataset.formats import example, jsonl, write_jsonl
from engine.dataset.recipe import Recipe
from engine.errors import StudioError


@pytest.fixture
def dataset():
    rows = [row for day in range(40) for row in exchanges(6, START + day * DAY, f"☂ \u2028 {day} ")]
    return build([dialogue(rows)], Recipe(max_tokens=120), TORTOISE, "Tortoise")


def test_weight_stands_on_context_replies_only(dataset) -> None:
    contexts = 0
    for chunk in dataset.chunks:
        for message, turn in zip(example(chunk)["messages"], chunk.turns, strict=True):
            assert message["role"] == turn.role
            assert message["content"] == turn.text
            assert ("weight" in message) == (turn.role == "assistant" and not turn.learned)
            contexts += "weight" in message
            assert message.get("weight", 0) == 0
            assert message.keys() <= {"role", "content", "weight"}
    assert contexts > 0


def test_a_written_file_is_read_back_line_for_line(dataset, tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    assert write_jsonl(path, dataset.split("train")) == len(dataset.split("train"))
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [example(chunk) for chunk in dataset.split("train")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert check_file(path) == (len(lines), [])
    assert check([example(chunk) for chunk in dataset.split("train")]) == []


def test_the_test_split_is_never_written(dataset, tmp_path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("as it was")
    assert dataset.split("test")
    with pytest.raises(ValueError, match="kept for the test"):
        list(jsonl(dataset.split("test")))
    with pytest.raises(ValueError, match="kept for the test"):
        write_jsonl(path, dataset.chunks)
    assert path.read_text() == "as it was"
    assert [one.name for one in tmp_path.iterdir()] == ["all.jsonl"]


def test_an_older_file_is_replaced_by_a_private_one(dataset, tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("old")
    path.chmod(0o644)
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    write_jsonl(link, dataset.split("valid"))
    assert link.is_symlink()
    assert path.read_text() == "".join(jsonl(dataset.split("valid")))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_cannot_be_written_is_said(dataset, tmp_path) -> None:
    with pytest.raises(StudioError, match="cannot be written"):
        write_jsonl(tmp_path / "missing" / "train.jsonl", dataset.split("train"))
    with pytest.raises(StudioError, match="is not a file"):
        write_jsonl(tmp_path, dataset.split("train"))
