"""The checks a service makes, one by one."""

import json

import pytest

from engine.dataset.checks import Problem, check, check_file, example_tokens
from engine.errors import StudioError

SYSTEM = {"role": "system", "content": "You are Tortoise."}
USER = {"role": "user", "content": "Speed is key!"}
REPLY = {"role": "assistant", "content": "A balanced approach."}
GOOD = {"messages": [SYSTEM, USER, REPLY]}


def with_last(**changed) -> dict:
    return {"messages": [SYSTEM, USER, REPLY | changed]}


def found(bad, **limits) -> list[tuple[str, str, int | None]]:
    problems = check([GOOD] * 10 + [bad], **limits)
    assert all(isinstance(problem, Problem) and problem.message.endswith(".") for problem in problems)
    return [(problem.code, problem.severity, problem.chunk) for problem in problems]


def test_good_examples_have_no_problem() -> None:
    assert found(GOOD) == []
    assert found({"messages": [USER, REPLY | {"weight": 0}, USER, REPLY | {"weight": 1}]})[0][1] == "warning"
    assert found({"messages": [SYSTEM, USER, {"role": "assistant", "tool_calls": [{"id": "x"}]}]}) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ([], "data_type"),
        (None, "data_type"),
        ({}, "missing_messages_list"),
        ({"messages": []}, "missing_messages_list"),
        ({"messages": "hi"}, "missing_messages_list"),
        (GOOD | {"mesages": 1}, "example_unrecognized_key"),
        ({"messages": [SYSTEM, USER, "hello", REPLY]}, "data_type"),
        (with_last(sender="Tortoise"), "message_unrecognized_key"),
        ({"messages": [SYSTEM, USER, {"content": "a"}, REPLY]}, "message_missing_key"),
        ({"messages": [SYSTEM, USER, {"role": "user"}, REPLY]}, "message_missing_key"),
        ({"messages": [SYSTEM, USER, {"role": "human", "content": "a"}, REPLY]}, "unrecognized_role"),
        ({"messages": [SYSTEM, USER, {"role": ["user"], "content": "a"}, REPLY]}, "unrecognized_role"),
        (with_last(content=None), "missing_content"),
        (with_last(content=5), "missing_content"),
        (with_last(content=""), "empty_content"),
        ({"messages": [SYSTEM, USER]}, "example_missing_assistant_message"),
        (with_last(weight=0), "nothing_learned"),
        (with_last(weight=0.5), "invalid_weight"),
        (with_last(weight=True), "invalid_weight"),
        ({"messages": [SYSTEM, USER | {"weight": 0}, REPLY]}, "invalid_weight"),
        (with_last(content="so <|endoftext|> it goes"), "special_token"),
        (with_last(content="<|fim_suffix|>"), "special_token"),
        ({"messages": [SYSTEM, USER | {"content": "<|im_start|>"}, REPLY]}, "special_token"),
    ],
)
def test_an_error_names_its_example(bad, code: str) -> None:
    assert found(bad) == [(code, "error", 10)]


@pytest.mark.parametrize(
    ("bad", "code", "chunk"),
    [
        ({"messages": [SYSTEM, USER, REPLY, USER]}, "last_turn_not_assistant", 10),
        (with_last(content="  "), "empty_content", 10),
        ({"messages": [USER, REPLY]}, "missing_system", None),
        ({"messages": [SYSTEM, REPLY]}, "missing_user", None),
    ],
)
def test_a_warning(bad, code: str, chunk: int | None) -> None:
    assert found(bad) == [(code, "warning", chunk)]


def test_one_example_has_and_two_have() -> None:
    alone = {"messages": [SYSTEM, REPLY]}
    assert check([GOOD] * 10 + [alone])[0].message == "1 of 11 examples has no user message."
    assert check([GOOD] * 10 + [alone] * 2)[0].message == "2 of 12 examples have no user message."


def test_what_merely_looks_special_passes() -> None:
    assert found(with_last(content="<|lol|> < |endoftext|> |>")) == []


def test_ten_examples_are_needed() -> None:
    assert [problem.code for problem in check([GOOD] * 9)] == ["invalid_n_examples"]
    assert "There are 9 examples; at least 10" in check([GOOD] * 9)[0].message
    assert check([GOOD] * 9, min_examples=9) == []
    assert [problem.code for problem in check([])] == ["invalid_n_examples"]


def test_tokens_and_bytes_have_limits() -> None:
    long = with_last(content="word " * 70_000)
    assert found(long) == [("too_many_tokens", "warning", 10)]
    assert found(with_last(content="a" * 70_000)) == []
    used = example_tokens(GOOD["messages"])
    assert check([GOOD] * 10, max_tokens=used) == []
    assert {problem.code for problem in check([GOOD] * 10, max_tokens=used - 1)} == {"too_many_tokens"}
    assert [problem.code for problem in check([GOOD] * 10, max_bytes=1_000)] == ["file_too_large"]


def test_tokens_are_counted_as_the_cookbook_does() -> None:
    # 3 a message, role and content, 1 for having a name and the name itself, 3 at the end.
    assert example_tokens([{"role": "user", "content": "hello world"}]) == 3 + 1 + 2 + 3
    assert (
        example_tokens([{"role": "user", "name": "hello", "content": "hello world"}]) == 3 + 1 + 2 + 1 + 1 + 3
    )


def written(tmp_path, content: bytes):
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    count, problems = check_file(path)
    return count, [(problem.code, problem.severity, problem.chunk) for problem in problems]


LINE = json.dumps(GOOD).encode() + b"\n"


def test_a_good_file(tmp_path) -> None:
    assert written(tmp_path, LINE * 10) == (10, [])
    assert written(tmp_path, (LINE * 10).rstrip()) == (10, [])
    assert written(tmp_path, LINE.replace(b"\n", b"\r\n") * 10) == (10, [])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (0, [("empty_file", "error", None)])),
        (b" \n\n", (0, [("empty_file", "error", None)])),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", (0, [("not_text", "error", None)])),
        ("\ufeff{}".encode("utf-16-le"), (0, [("not_text", "error", None)])),
        (LINE * 10 + b"hello\n", (10, [("not_json", "error", 10)])),
        (LINE * 10 + b'{"messages": [{"role"\n', (10, [("not_json", "error", 10)])),
        (LINE * 10 + b'{"a": "\xff"}\n', (10, [("not_json", "error", 10)])),
        (LINE * 10 + b"[" * 100_000 + b"\n", (10, [("not_json", "error", 10)])),
        (LINE * 10 + b"\n" + LINE, (11, [("blank_line", "warning", 10)])),
        (b"\xef\xbb\xbf" + LINE * 10, (10, [("byte_order_mark", "error", 0)])),
        (LINE * 10 + b"[]\n", (11, [("data_type", "error", 10)])),
        (b"[\n" + LINE, (0, [("json_array", "error", 0), ("invalid_n_examples", "error", None)])),
    ],
)
def test_any_file_can_be_checked(content: bytes, expected, tmp_path) -> None:
    assert written(tmp_path, content) == expected


def test_a_file_over_the_limit(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(LINE * 10)
    assert [problem.code for problem in check_file(path, max_bytes=100)[1]] == ["file_too_large"]


def test_a_file_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(StudioError, match="cannot be read"):
        check_file(tmp_path / "missing.jsonl")
    with pytest.raises(StudioError, match="is no file"):
        check_file(tmp_path)
