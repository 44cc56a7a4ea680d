"""A base model in 4 bits: loaded alike for training, for replies and for merging.

So an adapter always meets the very weights beside which it was trained.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from engine.local.trainers import SettingError

# Where bitsandbytes computes; on a CPU slowly.
_DEVICES = frozenset({"cuda", "cpu"})


def able(device: str) -> bool:
    """Whether a base can be brought to 4 bits on that kind of device ("cuda", "cpu", ...). Loads nothing."""
    return device in _DEVICES and importlib.util.find_spec("bitsandbytes") is not None


def settled(asked: str, device: str) -> bool:
    """What "auto", "4bit" or "none" comes to. Raises SettingError where 4 bits are asked for in vain."""
    if asked == "4bit" and device not in _DEVICES:
        raise SettingError(
            "quantise",
            f"bitsandbytes brings no base model to 4 bits on {device}.",
            "Set quantise to none, or leave it out.",
        )
    if asked == "4bit" and not able(device):
        raise SettingError(
            "quantise",
            "A base model in 4 bits needs bitsandbytes, which is not installed here.",
            "Install it with `pip install bitsandbytes`, or leave quantise out.",
        )
    return asked == "4bit" or (asked == "auto" and device == "cuda" and able(device))


def options(device: str | int, dtype: Any) -> dict[str, Any]:
    """What `from_pretrained` takes for it.

    device: "cpu" or a card's number. dtype: torch's, to compute in.
    """
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
        "device_map": {"": device},
    }


def made_trainable(model: Any) -> None:
    """Keep the weights as they are in eval mode too.

    On a CPU with units for bfloat16 bitsandbytes else packs them for replies when they are first validated
    with, and no gradient goes back through what is packed.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
