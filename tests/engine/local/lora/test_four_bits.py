"""A base in 4 bits and one in bfloat16, really trained: on the CPU, where bitsandbytes works as well."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import seasons
from local_server import Server, finished, messages
from lora_in_process import adapter, run

from engine.local.trainers import LoraSettings, SettingError, Settings, Step, four_bits, trainer_for

from .test_export import export, likelihoods
from .test_jobs import accuracy, figures, folder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


@pytest.fixture(scope="module")
def small(server: Server, tiny: Path) -> Any:
    """A job that learned the seasons beside a base in 4 bits."""
    client = server.client()
    training = client.files.create(file=("t.jsonl", seasons.file(320)), purpose="fine-tune")
    asked = {"n_epochs": 6, "batch_size": 16}
    created = client.fine_tuning.jobs.create(
        model=str(tiny),
        training_file=training.id,
        seed=3,
        method={"type": "supervised", "supervised": {"hyperparameters": asked}},
        extra_body={"lora": {"quantise": "4bit", "learning_rate": 0.01}},
    )
    ended = finished(client, created.id, 300)
    assert ended.status == "succeeded", ended.error
    return ended


def in_four_bits(base: Path) -> Any:
    import torch
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, **four_bits.options("cpu", torch.float32)
    )


@needs_bitsandbytes
def test_gradients_go_through_the_base_after_a_validation_too(tiny: Path) -> None:
    import torch

    model = in_four_bits(tiny)
    four_bits.made_trainable(model)
    ids = torch.arange(5, 25)[None]

    def gradient() -> Any:
        words = model.get_input_embeddings()(ids).detach().requires_grad_()
        model.train()(inputs_embeds=words).logits.logsumexp(-1).sum().backward()
        return words.grad

    before = gradient()
    with torch.no_grad():
        model.eval()(ids)
    assert before.abs().max() > 0
    assert torch.equal(gradient(), before)


@needs_bitsandbytes
def test_beside_4_bits_the_loss_falls_and_the_rule_is_learned(server: Server, small: Any, tiny: Path) -> None:
    import peft
    import transformers

    assert small.lora["quantise"] == "4bit"
    assert any("on the CPU, in 4 bits" in said for said in messages(server.client(), small.id))
    losses = [each["train_loss"] for each in figures(server.client(), small.id) if "valid_loss" not in each]
    assert losses[-1] < losses[0] / 3
    out = folder(server, small)
    for path in (out, *(out / "checkpoints").iterdir()):
        assert json.loads((path / "understudy.json").read_bytes())["quantised"] is True
    base = in_four_bits(tiny)
    kinds = {type(parameter).__name__ for parameter in base.parameters()}
    assert "Params4bit" in kinds
    model = peft.PeftModel.from_pretrained(base, str(out))
    assert accuracy(model, transformers.AutoTokenizer.from_pretrained(tiny)) >= 0.95


@needs_bitsandbytes
def test_replies_come_from_the_base_in_4_bits(server: Server, small: Any, tiny: Path) -> None:
    import peft
    import torch
    import transformers

    question, _ = seasons.question(3)
    talk = [{"role": "user", "content": question}]
    reply = server.client().chat.completions.create(
        model=small.fine_tuned_model,
        messages=talk,  # type: ignore[arg-type]
        temperature=0,
        max_tokens=8,
        logprobs=True,
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    text = tokenizer.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    model = peft.PeftModel.from_pretrained(in_four_bits(tiny), str(folder(server, small))).eval()
    with torch.no_grad():
        expected = model(**tokenizer(text, return_tensors="pt")).logits[0, -1].log_softmax(-1).max().item()
    first = reply.choices[0].logprobs.content[0]
    assert first.logprob == pytest.approx(expected, abs=1e-4)


@needs_bitsandbytes
def test_the_merged_model_is_the_one_that_was_trained(
    server: Server, small: Any, tiny: Path, tmp_path: Path
) -> None:
    import peft
    import torch
    import transformers

    said = export(server, small.id, tmp_path / "merged", "--merged")
    assert "error" not in said
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_bytes())
    base = in_four_bits(tiny)
    four_bits.made_trainable(base)
    model = peft.PeftModel.from_pretrained(base, str(folder(server, small))).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    talk = [{"role": "user", "content": seasons.question(3)[0]}]
    text = tokenizer.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    with torch.no_grad():
        trained = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
    assert torch.allclose(likelihoods(tmp_path / "merged"), trained, atol=1e-3)


@needs_bitsandbytes
def test_beside_4_bits_a_stopped_training_ends_with_the_same_model(tiny: Path, tmp_path: Path) -> None:
    once = run(tiny, tmp_path / "once", 40, quantise="4bit")
    assert adapter(once) != adapter(run(tiny, tmp_path / "whole", 40))
    run(tiny, tmp_path / "again", 40, stop_at=4, quantise="4bit")
    assert adapter(run(tiny, tmp_path / "again", 40, quantise="4bit")) == adapter(once)


@needs_bitsandbytes
def test_an_adapter_of_4_bits_is_kept_in_32(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    out = run(tiny, tmp_path, 20, n_epochs=1, quantise="4bit", modules_to_save=("embed_tokens",))
    kinds = {str(tensor.dtype) for tensor in load_file(out / "adapter_model.safetensors").values()}
    assert kinds == {"torch.float32"}


def test_without_bitsandbytes_4_bits_are_refused(tiny: Path, monkeypatch: Any) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "bitsandbytes" else found(name)
    )
    with pytest.raises(SettingError, match=r"4 bits needs bitsandbytes.*pip install bitsandbytes") as refused:
        trainer_for(str(tiny), Settings(lora=LoraSettings(quantise="4bit")))
    assert refused.value.setting == "quantise"
    assert not four_bits.settled("auto", "cuda")


def test_on_what_device_4_bits_are_taken(monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert four_bits.settled("auto", "cuda") and not four_bits.settled("auto", "cpu")
    assert four_bits.settled("4bit", "cpu") and not four_bits.settled("none", "cuda")
    with pytest.raises(SettingError, match="4 bits on mps"):
        four_bits.settled("4bit", "mps")


@pytest.mark.parametrize("more", [{}, {"modules_to_save": ("embed_tokens",)}], ids=["adapter", "whole"])
def test_beside_bfloat16_the_loss_falls_and_training_goes_on(
    tiny: Path, tmp_path: Path, monkeypatch: Any, more: dict[str, Any]
) -> None:
    """As a graphics card takes it: the base in 16 bits, the adapter in 32."""
    import torch
    from safetensors.torch import load_file

    from engine.local.trainers import lora_training

    whole = run(tiny, tmp_path / "whole", 60, learning_rate=0.01, **more)
    monkeypatch.setitem(lora_training.DTYPES, "cpu", torch.bfloat16)
    said: list[Any] = []
    once = run(tiny, tmp_path / "once", 60, said, learning_rate=0.01, **more)
    losses = [item.loss for item in said if isinstance(item, Step)]
    assert sum(losses[-3:]) < sum(losses[:3]) / 2
    tensors = load_file(once / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.float32"}
    assert adapter(once) != adapter(whole)
    run(tiny, tmp_path / "again", 60, stop_at=5, learning_rate=0.01, **more)
    assert adapter(run(tiny, tmp_path / "again", 60, learning_rate=0.01, **more)) == adapter(once)
