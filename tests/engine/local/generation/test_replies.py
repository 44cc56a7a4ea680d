"""What models reply over HTTP, held against transformers' own generation in this process."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from .conftest import Served

ASKED = [{"role": "system", "content": "You are Tortoise."}, {"role": "user", "content": "Shall we race?"}]
# Read in more than one part.
LONG = [{"role": "user", "content": "".join(Random(4).choices("The tortoise races, said the hare. ", k=700))}]


def prompt(oracle: SimpleNamespace, messages: list[dict[str, str]]) -> Any:
    text = oracle.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return oracle.tokenizer(text, return_tensors="pt", add_special_tokens=False)


def generated(
    oracle: SimpleNamespace, model: Any, messages: list[dict[str, str]], tokens: int
) -> tuple[list[int], list[float]]:
    """What transformers generates without sampling, with the tokens' log probabilities."""
    given = prompt(oracle, messages)
    made = model.generate(
        **given, max_new_tokens=tokens, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    reply = made.sequences[0, given.input_ids.shape[1] :].tolist()
    return reply, [
        row[0].log_softmax(-1)[token].item() for row, token in zip(made.logits, reply, strict=True)
    ]


def tokens_bytes(oracle: SimpleNamespace, token: int) -> bytes:
    """By the tokenizer's own vocabulary, where letters stand for bytes."""
    name = oracle.tokenizer.convert_ids_to_tokens(token)
    letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
    return bytes(letters[letter] for letter in name)


def bytes_to_unicode() -> dict[int, str]:
    """As GPT-2's code has it."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + at) for at, byte in enumerate(rest)}


def ask(client: Any, model: str, messages: Any = ASKED, **settings: Any) -> Any:
    return client.chat.completions.create(model=model, messages=messages, **settings)


@pytest.mark.parametrize("messages", [ASKED, LONG], ids=["short", "long"])
def test_greedy_replies_are_those_of_generate(
    served: Served, client: Any, oracle: SimpleNamespace, messages: Any
) -> None:
    expected, sure = generated(oracle, oracle.model, messages, 80)
    reply = ask(client, served.base, messages, temperature=0, max_tokens=80, logprobs=True)
    choice = reply.choices[0]
    assert choice.message.content == oracle.tokenizer.decode(expected, skip_special_tokens=True)
    assert b"".join(bytes(token.bytes) for token in choice.logprobs.content) == b"".join(
        tokens_bytes(oracle, token) for token in expected
    )
    assert reply.usage.completion_tokens == len(expected)
    # A wrong cache shows in the probabilities long before it shows in the tokens.
    assert [token.logprob for token in choice.logprobs.content] == pytest.approx(sure, abs=1e-3)


def test_adapters_share_a_base_and_keep_apart(served: Served, client: Any, oracle: SimpleNamespace) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    models = served.server.folder / "models"
    replies = {}
    for model, folder in (
        (served.tuned, models / "00000001"),
        (served.base, None),
        (served.checkpoint, models / "00000001" / "checkpoint-5"),
        (served.other, models / "00000002"),
        (served.tuned, models / "00000001"),
    ):
        loaded = AutoModelForCausalLM.from_pretrained(served.base)
        if folder:
            loaded = PeftModel.from_pretrained(loaded, str(folder))
        tokens, _ = generated(oracle, loaded.eval(), ASKED, 30)
        expected = oracle.tokenizer.decode(tokens, skip_special_tokens=True)
        replies[model] = ask(client, model, temperature=0, max_tokens=30).choices[0].message.content
        assert replies[model] == expected
    assert len(set(replies.values())) == 4
    assert len(served.hosts()) == 1


def test_models_are_listed(served: Served, client: Any) -> None:
    listed = {model.id for model in client.models.list()}
    assert {served.tuned, served.other, served.checkpoint} <= listed
    assert client.models.retrieve(served.checkpoint).id == served.checkpoint


def test_usage_counts_with_the_models_own_tokenizer(
    served: Served, client: Any, oracle: SimpleNamespace
) -> None:
    reply = ask(client, served.tuned, temperature=0, max_tokens=7)
    assert reply.usage.prompt_tokens == prompt(oracle, ASKED).input_ids.shape[1]
    assert (reply.usage.completion_tokens, reply.choices[0].finish_reason) == (7, "length")


def test_an_end_token_ends(served: Served, client: Any) -> None:
    """A random model comes upon one of its end tokens by chance."""
    replies = (ask(client, served.base, seed=seed, temperature=2, max_tokens=900) for seed in range(20))
    ended = next(reply for reply in replies if reply.choices[0].finish_reason == "stop")
    assert ended.usage.completion_tokens < 900
    assert "<|im_end|>" not in ended.choices[0].message.content


def test_the_same_seed_gives_the_same_reply(served: Served, client: Any) -> None:
    first, again, other = (
        ask(client, served.tuned, seed=seed, max_tokens=30).choices[0].message.content for seed in (5, 5, 6)
    )
    assert first == again != other


def test_a_stream_says_the_same_in_whole_characters(served: Served, client: Any) -> None:
    settings = {
        "seed": 11,
        "max_tokens": 60,
        "temperature": 0.3,
        "top_p": 0.95,
        "logprobs": True,
        "top_logprobs": 2,
    }
    whole = ask(client, served.tuned, **settings)
    chunks = list(ask(client, served.tuned, **settings, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert len([text for text in texts if text]) > 20
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    logprobs = [
        token
        for chunk in chunks
        if chunk.choices and chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert logprobs == whole.choices[0].logprobs.content


def test_logprobs_are_the_models(served: Served, client: Any, oracle: SimpleNamespace) -> None:
    reply = ask(client, served.base, temperature=0.7, seed=1, max_tokens=1, logprobs=True, top_logprobs=20)
    token = reply.choices[0].logprobs.content[0]
    with oracle.torch.inference_mode():
        logits = oracle.model(**prompt(oracle, ASKED)).logits[0, -1]
    expected = oracle.torch.log_softmax(logits.double(), -1).sort(descending=True).values[:20].tolist()
    assert [other.logprob for other in token.top_logprobs] == pytest.approx(expected, abs=1e-4)
    assert token.logprob <= token.top_logprobs[0].logprob
    assert "top_logprobs" not in str(ask(client, served.base, max_tokens=1).choices[0].logprobs)


def test_stop_strings_cross_tokens_and_never_leak(served: Served, client: Any) -> None:
    settings = {"temperature": 0, "max_tokens": 60, "logprobs": True}
    whole = ask(client, served.tuned, **settings)
    text = whole.choices[0].message.content
    # From inside one token to inside another, some way into the reply.
    place = next(at for at in range(12, len(text)) if text.find(text[at : at + 8]) == at)
    stop = text[place : place + 8]
    assert not any(stop in token.token for token in whole.choices[0].logprobs.content)
    ended = ask(client, served.tuned, **settings, stop=[stop, "never said"])
    assert ended.choices[0].message.content == text[:place]
    assert ended.choices[0].finish_reason == "stop"
    assert ended.usage.completion_tokens < whole.usage.completion_tokens
    chunks = ask(client, served.tuned, **settings, stop=stop, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text[:place]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("messages", "settings"),
    [([{"role": "user", "content": "far " * 2000}], {}), (ASKED, {"max_tokens": 1020})],
)
def test_more_than_the_model_can_read_is_refused(
    served: Served, client: Any, messages: Any, settings: Any, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(client, served.tuned, messages, stream=stream, **settings)
    assert refusal.value.code == "context_length_exceeded"
    assert "1024 tokens" in refusal.value.message


def test_logprobs_must_be_asked_for(client: Any, served: Served) -> None:
    with pytest.raises(openai.BadRequestError):
        ask(client, served.base, top_logprobs=3)


def test_a_base_that_is_not_here(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="not on this disk"):
        ask(client, "nobody/nothing")


async def test_chats_take_turns_and_hold_nothing_up(served: Served) -> None:
    """Two replies of one model; meanwhile lists and other models are served."""
    said: list[str] = []

    async def chat(client: Any, name: str, model: str) -> None:
        stream = await ask(client, model, seed=1, max_tokens=300, stream=True)
        async for _ in stream:
            said.append(name)
            if len(said) == 50:
                await client.models.list()
                await ask(client, "imitation", max_tokens=2)
                said.append("listed")

    async with served.server.async_client() as client:
        await asyncio.gather(chat(client, "a", served.tuned), chat(client, "b", served.other))
    ends = {name: len(said) - said[::-1].index(name) for name in ("a", "b")}
    assert said.index("b") < ends["a"] and said.index("a") < ends["b"]
    turns = sum(one != other for one, other in pairwise(said))
    assert turns > 50, "they did not take turns"
    assert said.index("listed") < min(ends.values())


async def test_chat_openai_streams(served: Served, tmp_path: Path) -> None:
    from langchain_openai import ChatOpenAI

    async with served.server.async_client() as client:
        model = ChatOpenAI(
            model=served.tuned,
            temperature=0,
            max_tokens=20,
            async_client=client.chat.completions,
            root_async_client=client,
            api_key="unused",
            stream_usage=True,
            use_responses_api=False,
        )
        chunks = [chunk async for chunk in model.astream([("user", "Shall we race?")])]
        plain = await ask(client, served.tuned, ASKED[1:], temperature=0, max_tokens=20)
    assert "".join(chunk.text for chunk in chunks) == plain.choices[0].message.content
    assert len([chunk for chunk in chunks if chunk.text]) > 5
    used = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [row["output_tokens"] for row in used] == [20]
