"""How much later the first token comes through ChatOpenAI and the local provider than from the model itself.

    python tests/benchmarks/first_token.py [ROUNDS [HIDDEN [LAYERS]]]

Both run the same random model on the same prompt, in turns within one run: transformers in this process
(template, tokens, one forward pass, sampling, text), and ChatOpenAI over the socket of a server whose model
is loaded. Prints the medians and their difference, which must not pass 20 ms; exits 1 where it does.
Where other programs compete for the processor most of the difference is the wait for it (try `chrt -f 1`).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import local_server
import tiny_language_model

ALLOWED = 0.020
TALK = [
    ("system", "You are Tortoise, talking with Hare."),
    ("user", "Are you at the start line by the old oak?"),
    ("assistant", "Slow and steady, I am on my way."),
    ("user", "What about lunch before we race? There is lettuce behind the hedge."),
]


def speaking_model(folder: Path, hidden: int, layers: int) -> Path:
    """A random model whose first token here is a whole character: a torn one waits for its other part."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = tuple(text for _, text in TALK) * 50
    for seed in range(100):
        base = tiny_language_model.make(
            folder / str(seed), hidden=hidden, layers=layers, heads=8, texts=texts, vocabulary=2000, seed=seed
        )
        model, tokenizer = (each.from_pretrained(str(base)) for each in (AutoModelForCausalLM, AutoTokenizer))
        if directly(model.eval(), tokenizer)[1].isascii():
            return base
    raise SystemExit("No model speaks.")


def directly(model: Any, tokenizer: Any) -> tuple[float, str]:
    """Seconds until the model's first token is text, without server and client; and that text."""
    import torch

    began = time.perf_counter()
    turns = [{"role": role, "content": text} for role, text in TALK]
    text = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=tokens, use_cache=True, logits_to_keep=1).logits[0, -1]
    said = tokenizer.decode(int(logits.argmax()))
    return time.perf_counter() - began, said


async def through_chat_openai(model: Any) -> float:
    """Seconds until the first piece of text comes out of ChatOpenAI."""
    began = time.perf_counter()
    stream = model.astream(TALK)
    async for chunk in stream:
        if chunk.text:
            seconds = time.perf_counter() - began
            await stream.aclose()
            return seconds
    raise SystemExit("The model said nothing.")


async def measure(server: local_server.Server, base: Path, rounds: int) -> tuple[list[float], list[float]]:
    import torch
    from langchain_openai import ChatOpenAI
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # As the generation process does: one core stays free for everything else.
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    own = AutoModelForCausalLM.from_pretrained(str(base)).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(base))
    direct, served = [], []
    async with server.async_client() as client:
        chat = ChatOpenAI(
            model=str(base),
            temperature=0,
            max_tokens=8,
            async_client=client.chat.completions,
            root_async_client=client,
            api_key="unused",
            use_responses_api=False,
        )
        for round in range(-3, rounds):
            seconds = directly(own, tokenizer)[0], await through_chat_openai(chat)
            if round >= 0:  # before that everything warms up
                direct.append(seconds[0])
                served.append(seconds[1])
            await asyncio.sleep(0.02)
    return direct, served


def main(rounds: int = 40, hidden: int = 512, layers: int = 8) -> int:
    with tempfile.TemporaryDirectory() as name:
        base = speaking_model(Path(name), hidden, layers)
        server = local_server.Server(Path(name) / "served").start()
        try:
            direct, served = asyncio.run(measure(server, base, rounds))
        finally:
            server.stop()
    for what, seconds in (("from the model", direct), ("through ChatOpenAI", served)):
        print(
            f"{what:<20} median {statistics.median(seconds) * 1000:6.1f} ms  "
            f"fastest {min(seconds) * 1000:6.1f} ms  ({rounds} rounds)"
        )
    later = statistics.median(served) - statistics.median(direct)
    print(f"first token later by {later * 1000:.1f} ms (at most {ALLOWED * 1000:.0f})")
    return 0 if later <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
