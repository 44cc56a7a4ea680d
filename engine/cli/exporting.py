"""understudy models export: a trained model for vLLM, llama.cpp, Ollama or LM Studio."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from engine.archive import jobs, open_studio
from engine.cli.opening import local_provider
from engine.cli.output import emit, out, say
from engine.errors import StudioError
from engine.folders import studio_path
from engine.providers.plan import size


async def export(args: argparse.Namespace) -> int:
    if not args.model or not args.to:
        raise StudioError("It takes a job or a model, and a folder.", "understudy models export JOB --to DIR")
    model = await _model(args)
    if args.merged:
        say("Merging the adapter into its base model, which is loaded as a whole for it.")
    target = Path(args.to).expanduser().absolute()
    made = await _run(local_provider(args), model, target, merged=args.merged)
    if args.json:
        emit(made)
        return 0
    what = "its base with the adapter merged in" if made["merged"] else f"an adapter for {made['base']}"
    say(f"{made['name']} is in {made['folder']}: {what}, {size(made['bytes'])}.")
    say("Like the model itself, it may repeat what it was trained on: mind whom you give it to.")
    for way in made["serving"]:
        out(f"\n{way['program']}" + (f": {way['note']}" if way["note"] else ""))
        for line in way["lines"]:
            out(f"  {line}")
    return 0


async def _model(args: argparse.Namespace) -> str:
    """The model that JOB stands for: a job's id, suffix or model; a checkpoint stands for itself."""
    path = studio_path(args.studio)
    if ":ckpt-step-" in args.model or not path.exists():
        return str(args.model)
    async with await open_studio(path) as studio:
        try:
            job = await jobs.job(studio, args.model)
        except StudioError:
            return str(args.model)  # a model of this machine that this studio does not know
    if job.provider != "local":
        raise StudioError(
            f"The model of this job lies at {job.base_url or job.provider}, not on this machine.",
            "Export it on the machine that trained it.",
        )
    return job.model or job.id or str(args.model)


async def _run(folder: Path, model: str, target: Path, *, merged: bool) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "engine.local.export",
        str(folder),
        model,
        str(target),
        *(["--merged"] if merged else []),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, trace = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    try:
        made: dict[str, Any] = json.loads(said)
    except ValueError:
        last = (trace.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise StudioError(f"The export failed: {last[:300].rstrip('.')}.", "Nothing was written.") from None
    if "error" in made:
        raise StudioError(made["error"], made["hint"])
    return made
