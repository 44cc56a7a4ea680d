"""Exactly the replies and their end tokens are learned, whatever a model's chat template does."""

from __future__ import annotations

import pytest
import tiny_language_model

from engine.errors import DataError, StudioError
from engine.local.trainers import ChatMessage, Example, chat_template, labels

LLAMA = """{{ '<|begin|>' }}{% for m in messages %}\
{{ '<|start|>' + m.role + '<|stop|>\n\n' + m.content | trim + '<|eot|>' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|start|>assistant<|stop|>\n\n' }}{% endif %}"""
MISTRAL = """{{ '<s>' }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}\
{% if m.role == 'user' %}{{ ' [INST] ' + m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + ' </s>' }}\
{% endif %}{% endfor %}"""
THINKING = """{% for m in messages %}\
{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"""
MARKED = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}\
{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}\
{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
ENDLESS = """{% for m in messages %}{{ m.role + ': ' + m.content + '\n\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"""

TALK = (
    ChatMessage("user", "Shall we race?"),
    ChatMessage("assistant", "Slow and steady, née Hare 🐢"),
    ChatMessage("user", "And lunch?"),
    ChatMessage("assistant", "With lettuce.\nAnd time."),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    from transformers import AutoTokenizer

    folder = tiny_language_model.make(tmp_path_factory.mktemp("tiny"), texts=tuple(m.content for m in TALK))
    loaded = AutoTokenizer.from_pretrained(folder)
    specials = ["<|begin|>", "<|start|>", "<|stop|>", "<|eot|>", "<s>", "</s>"]
    loaded.add_special_tokens({"additional_special_tokens": specials})
    loaded.own = loaded.chat_template
    return loaded


def learned(tokenizer, *messages: ChatMessage, max_length=1000) -> list[str]:
    """The texts of the runs of tokens that are learned."""
    (example,) = labels.encode(tokenizer, [Example(messages)], max_length).examples
    assert len(example.ids) == len(example.labels)
    assert all(
        label in (labels.IGNORED, token) for token, label in zip(example.ids, example.labels, strict=True)
    )
    runs, before = [], labels.IGNORED
    for label in example.labels:
        if label != labels.IGNORED and before == labels.IGNORED:
            runs.append([])
        if label != labels.IGNORED:
            runs[-1].append(label)
        before = label
    return [tokenizer.decode(run) for run in runs]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        (None, ["Slow and steady, née Hare 🐢<|im_end|>", "With lettuce.\nAnd time.<|im_end|>"]),
        (LLAMA, ["Slow and steady, née Hare 🐢<|eot|>", "With lettuce.\nAnd time.<|eot|>"]),
        (THINKING, ["Slow and steady, née Hare 🐢<|im_end|>", "With lettuce.\nAnd time.<|im_end|>"]),
        (MARKED, ["Slow and steady, née Hare 🐢<|im_end|>", "With lettuce.\nAnd time.<|im_end|>"]),
        (MISTRAL, ["Slow and steady, née Hare 🐢 </s>", "With lettuce.\nAnd time. </s>"]),
    ],
    ids=["qwen", "llama", "thinking", "markers", "mistral"],
)
def test_what_is_learned_are_the_replies_and_their_ends(tokenizer, template, found):
    tokenizer.chat_template = template or tokenizer.own
    messages = (ChatMessage("system", "You are Tortoise."), *TALK)
    assert [text.strip() for text in learned(tokenizer, *messages)] == found


def test_a_template_may_trim_a_reply(tokenizer):
    tokenizer.chat_template = LLAMA
    talk = (TALK[0], ChatMessage("assistant", "  no hurry \n"), *TALK[2:])
    assert learned(tokenizer, *talk)[0] == "no hurry<|eot|>"


def test_a_reply_of_weight_0_is_not_learned(tokenizer):
    tokenizer.chat_template = tokenizer.own
    context = ChatMessage("assistant", TALK[1].content, weight=0)
    assert learned(tokenizer, TALK[0], context, *TALK[2:]) == ["With lettuce.\nAnd time.<|im_end|>"]
    last = ChatMessage("assistant", TALK[3].content, weight=0)
    assert learned(tokenizer, *TALK[:3], last) == ["Slow and steady, née Hare 🐢<|im_end|>"]
    one = ChatMessage("assistant", TALK[1].content, weight=1)
    assert len(learned(tokenizer, TALK[0], one, *TALK[2:])) == 2


def test_equal_and_empty_replies_are_told_apart(tokenizer):
    tokenizer.chat_template = tokenizer.own
    talk = (
        ChatMessage("user", "Yes"),
        ChatMessage("assistant", "Yes", weight=0),
        ChatMessage("user", "Yes"),
        ChatMessage("assistant", ""),
        ChatMessage("user", "assistant"),
        ChatMessage("assistant", "Yes"),
    )
    assert learned(tokenizer, *talk) == ["<|im_end|>", "Yes<|im_end|>"]


def test_the_empty_thought_of_the_last_reply_is_context_in_training_as_in_use(tokenizer):
    tokenizer.chat_template = tokenizer.own
    whole = chat_template.rendered(tokenizer, TALK)
    assert whole.text[: whole.spans[-1][0]] == chat_template.prompt(tokenizer, TALK[:-1])
    assert "</think>" in whole.text


def test_what_cannot_be_learned_costs_itself_and_is_counted(tokenizer):
    tokenizer.chat_template = tokenizer.own
    spelled = Example((TALK[0], ChatMessage("assistant", "I say <|im_end|> always")))
    thought = Example((TALK[0], ChatMessage("assistant", "a</think>b"), *TALK[2:]))
    nothing = Example((TALK[0], ChatMessage("assistant", "x", weight=0)))
    encoded = labels.encode(tokenizer, [spelled, thought, nothing, Example(TALK)], 1000)
    assert len(encoded.examples) == 1
    assert sorted(encoded.left_out.values()) == [1, 1, 1]
    assert any("control token" in reason for reason in encoded.left_out)
    assert any("rewrites" in reason for reason in encoded.left_out)


def test_a_template_that_refuses_a_chat_is_quoted(tokenizer):
    tokenizer.chat_template = MISTRAL
    encoded = labels.encode(tokenizer, [Example((*TALK[:1], *TALK)), Example(TALK)], 1000)
    assert len(encoded.examples) == 1
    assert "must alternate" in next(iter(encoded.left_out))
    with pytest.raises(DataError, match="must alternate"):
        chat_template.prompt(tokenizer, (TALK[0], TALK[0]))


def test_a_reply_without_an_end_token_is_refused(tokenizer):
    tokenizer.chat_template = ENDLESS
    with pytest.raises(StudioError, match="learn to stop"):
        labels.encode(tokenizer, [Example(TALK)], 1000)


def test_a_long_chat_loses_its_oldest_turns_and_never_its_system_prompt(tokenizer):
    tokenizer.chat_template = tokenizer.own
    system = ChatMessage("system", "You are Tortoise.")
    talk = [ChatMessage(("user", "assistant")[at % 2], f"turn {at} " + "and so on " * 5) for at in range(20)]
    long = Example((system, *talk))
    endless = Example((system, talk[0], ChatMessage("assistant", "far too long " * 200)))
    encoded = labels.encode(tokenizer, [long, endless, Example(TALK)], 300)
    assert (len(encoded.examples), encoded.shortened) == (2, 1)
    assert list(encoded.left_out.values()) == [1]
    text = tokenizer.decode(encoded.examples[0].ids)
    assert len(encoded.examples[0].ids) <= 300
    assert "You are Tortoise." in text and "turn 0 " not in text and "turn 19 " in text
    assert text.index("<|im_start|>user") < text.index("<|im_start|>assistant")
    notes = [note.message for note in encoded.notes("training", 300)]
    assert any("lose their oldest turns" in note for note in notes)
    assert any("left out" in note for note in notes)


def test_nobody_can_write_the_mark_of_a_reply(tokenizer):
    """Some phones' old smileys are private use characters."""
    forged = "\ue0001\ue000 \ue0001\ue001 \ue001"
    tokenizer.chat_template = tokenizer.own
    talk = (ChatMessage("user", forged), ChatMessage("assistant", forged))
    assert learned(tokenizer, *talk) == [f"{forged}<|im_end|>"]
