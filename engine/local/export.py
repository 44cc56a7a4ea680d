"""`python -m engine.local.export FOLDER MODEL TARGET [--merged]`: take a trained model elsewhere.

Its own process, because merging loads the whole base. Prints one JSON object, `Exported` or `Refused`.
Reads the local provider's folder only, so a running server is not disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import msgspec

from engine import bases
from engine.errors import StudioError
from engine.local import disk, serving_lines
from engine.local.records import CheckpointRow, Job, checkpoint_model_id
from engine.local.serving_lines import Serving
from engine.local.trainers import Adapter, four_bits

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".gguf", ".pt", ".pth", ".onnx")
_THOUGHTLESS = "{%- set enable_thinking = false %}"
"""Ahead of a chat template that can do without thoughts: it was trained without, and other programs would
have it think."""


class Exported(msgspec.Struct, frozen=True):
    """bytes: what was written to `folder`. name: what the lines call the model."""

    folder: str
    name: str
    base: str
    merged: bool
    bytes: int
    serving: tuple[Serving, ...]


class Refused(msgspec.Struct, frozen=True):
    error: str
    hint: str


def export(folder: Path, model: str, target: Path, *, merged: bool) -> Exported:
    """Write the model's adapter, or its base with the adapter merged in, to `target`.

    folder: of the local provider. target: must not exist, or be empty. Raises StudioError.
    """
    job, source = _find(folder, model)
    if "/" not in job.model:
        raise StudioError(
            f"A model of {job.model} serves only here: no other program can load it.",
            "An open base model can be taken elsewhere: understudy train --base-model Qwen/Qwen3-0.6B.",
        )
    about = disk.read_record(source / "understudy.json", Adapter)
    if about is None:
        raise StudioError(f"The model {model} is damaged: its understudy.json is missing.", "Train it again.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StudioError(f"{target} exists already.", "Name a folder that does not, or an empty one.")
    if target.resolve().is_relative_to(folder.resolve()):
        raise StudioError(
            f"{target} lies in the local provider's own folder.",
            "Name one elsewhere: what is not a job's is cleared away there.",
        )
    base = _base_folder(about)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.mkdir(mode=0o700, parents=True)
        if not merged:
            for file in sorted(source.iterdir()):
                if file.is_file() and not file.name.startswith(".") and file.name != "understudy.json":
                    shutil.copyfile(file, partial / file.name)
        elif base is not None:
            _merge(base, source, partial, about)
        else:
            raise StudioError(
                f"The base model {about.base} is not on this machine any more.",
                "Export the adapter alone, without --merged, or download the base again.",
            )
        name = f"{''.join(c if c.isalnum() else '-' for c in job.suffix or 'understudy').lower()}-{job.hash}"
        if about.trainer == "mlx" and not merged:
            ways = serving_lines.mlx_adapter(target, about.base)
        elif merged:
            _write_template(partial, partial)
            ways = serving_lines.merged(target, name)
        else:
            own_template = base is not None and _write_template(base, partial)
            config = bases.read_json(source / "adapter_config.json")
            ways = serving_lines.adapter(target, name, config, about.base, base, own_template)
        if any(way.program == "Ollama" and way.lines for way in ways):
            said = "FROM ./model.gguf\n" if merged else "FROM ./base.gguf\nADAPTER ./adapter.gguf\n"
            (partial / "Modelfile").write_text(said)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.iterdir())
    return Exported(str(target), name, job.model, merged, size, ways)


def _find(folder: Path, model: str) -> tuple[Job, Path]:
    """The job that made the model, and the folder that it is in."""
    for path in folder.glob("jobs/ftjob-*/job.json"):
        job = disk.read_record(path, Job)
        if job is None:
            continue
        place = folder / "models" / job.hash
        if model in (job.id, job.fine_tuned_model):
            if job.fine_tuned_model is None:
                raise StudioError(
                    f"The job {job.id} {job.status} and left no finished model.",
                    "`understudy jobs checkpoints JOB` lists its checkpoints, which can be exported too.",
                )
            return job, place
        for row in disk.Journal(path.parent / "checkpoints.jsonl", CheckpointRow).read():
            if model == checkpoint_model_id(job, row.step) and (place / row.folder).is_dir():
                return job, place / row.folder
    raise StudioError(f"There is no model {model} on this machine.", "`understudy models` lists them.")


def _base_folder(about: Adapter) -> Path | None:
    """Where the base lies on this disk, if it still does."""
    trained_on = Path(about.path)
    found = trained_on if (trained_on / "config.json").is_file() else bases.folder(about.base)
    return found if found and (found / "config.json").is_file() else None


def _write_template(base: Path, target: Path) -> bool:
    """Write the base's chat template without thoughts, where it knows that switch. Whether it does."""
    template = bases.chat_template(base)
    if template is None or "enable_thinking" not in template:
        return False
    (target / "chat_template.jinja").write_text(_THOUGHTLESS + template)
    # Where it stands twice, some programs read the one and some the other.
    (target / "chat_template.json").unlink(missing_ok=True)
    config = bases.read_json(target / "tokenizer_config.json")
    if config.pop("chat_template", None):
        (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False))
    return True


def _merge(base: Path, adapter: Path, target: Path, about: Adapter) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        if about.trainer == "mlx":
            _merge_mlx(base, adapter, target)
        else:
            _merge_torch(base, adapter, target, about.quantised)
    except ImportError:
        extra = f"pip install 'understudy[{about.trainer}]'"
        raise StudioError("What merges this model is not installed.", f"{extra}, then try again.") from None
    except MemoryError:
        raise StudioError(
            "This machine has too little free memory to merge the model.", "Export the adapter alone."
        ) from None
    for file in sorted(base.iterdir()):  # the tokenizer, its chat template and how to generate, as they are
        if file.is_file() and not file.name.endswith(_WEIGHTS) and not (target / file.name).exists():
            shutil.copyfile(file, target / file.name)


def _merge_torch(base: Path, adapter: Path, target: Path, quantised: bool) -> None:
    """quantised: trained beside the base in 4 bits, so it is merged with what these 4 bits stand for."""
    import peft
    import torch
    import transformers

    if quantised and not four_bits.able("cpu"):
        raise StudioError(
            "This model was trained beside its base in 4 bits, and merging it needs bitsandbytes.",
            "Install it with `pip install bitsandbytes`, or export the adapter alone.",
        )
    transformers.utils.logging.disable_progress_bar()
    options = four_bits.options("cpu", torch.float32) if quantised else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype="auto", **options)
    if quantised:
        model = model.dequantize()
    merged = peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    merged.save_pretrained(target)


def _merge_mlx(base: Path, adapter: Path, target: Path) -> None:
    from mlx.utils import tree_unflatten
    from mlx_lm import utils

    model, tokenizer, config = utils.load(str(base), adapter_path=str(adapter), return_config=True)
    fused = [
        (name, part.fuse(dequantize=True)) for name, part in model.named_modules() if hasattr(part, "fuse")
    ]
    model.update_modules(tree_unflatten(fused))
    if config.pop("quantization", None) or config.pop("quantization_config", None):
        model = utils.dequantize_model(model)
        config.pop("quantization_config", None)
    utils.save(target, str(base), model, tokenizer, config, donate_model=False)
    (target / "README.md").unlink(missing_ok=True)  # a page for the hub, with this machine's folders in it


def main(given: list[str]) -> int:
    os.umask(0o077)
    folder, model, target = given[:3]
    # Libraries print as they like; the answer goes where it was asked for.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        made: Exported | Refused = export(Path(folder), model, Path(target), merged="--merged" in given)
    except StudioError as error:
        made = Refused(error.message, error.hint)
    except OSError as error:
        made = Refused(f"{target} cannot be written: {error.strerror or error}.", "Choose another folder.")
    with answer:
        answer.write(msgspec.json.encode(made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
