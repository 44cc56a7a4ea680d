"""The models that can answer: found by id, loaded when first asked, the last few kept in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from starlette.concurrency import run_in_threadpool

from engine.local import disk
from engine.local.generation.backend import BackendName, home
from engine.local.generation.host import Key
from engine.local.generation.hosts import HostedModel, Hosts
from engine.local.guard import ApiError
from engine.local.jobs import Jobs, TunedModel
from engine.local.trainers import (
    Adapter,
    ChatMessage,
    Model,
    Piece,
    base_models,
    bases,
    trainer_for,
)

_LOADED = 3
_UNTAUGHT = "I have not learned anyone's lines yet. Fine-tune me on a person first."


class Untaught:
    """A base model before any training: one honest sentence."""

    def reply(self, messages: list[ChatMessage], *, max_tokens: int, **_: Any) -> Iterator[Piece]:
        words = _UNTAUGHT.split(" ")[:max_tokens]
        yield from (Piece(word if i == 0 else f" {word}", 1) for i, word in enumerate(words))


class Models:
    """Everything that `/v1/models` lists. A loaded model may answer several chats at a time."""

    def __init__(self, jobs: Jobs, hosts: Hosts) -> None:
        self._jobs = jobs
        self._hosts = hosts
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._loading = asyncio.Lock()
        self._asked: dict[str, float] = {}

    def wire(self) -> list[dict[str, Any]]:
        bases = [_wire(name, 0, "understudy") for name in base_models()]
        return bases + [_wire(model.id, model.created, "user") for model in self._jobs.models()]

    def tuned(self, model_id: str) -> TunedModel | None:
        return next((model for model in self._jobs.models() if model.id == model_id), None)

    def asked_within(self, model_id: str, seconds: float) -> bool:
        """Whether somebody has wanted a reply of this model in the last `seconds`."""
        return monotonic() - self._asked.get(model_id, float("-inf")) < seconds

    def delete(self, model: TunedModel) -> None:
        """Delete the model from disk and memory; its checkpoints go with it."""
        for loaded in [key for key in self._loaded if key == model.id or key.startswith(f"{model.id}:ckpt-")]:
            del self._loaded[loaded]
        self._hosts.forget(model.folder)
        self._jobs.delete_model(model)

    async def load(self, model_id: str) -> Model | HostedModel:
        """The model, ready to answer; a hosted one is loaded with its first reply.

        Raises ApiError 404 where there is none of that id.
        """
        self._asked[model_id] = monotonic()
        if bases.named(model_id):
            return self._hosted(model_id, bases.folder(model_id), None)
        if trainer_for(model_id):
            return Untaught()
        tuned = self.tuned(model_id)
        if tuned is None:
            raise not_found(model_id)
        if "/" in tuned.base:
            adapter = disk.read_record(tuned.folder / "understudy.json", Adapter)
            known = adapter.path if adapter and bases.named(adapter.path) else None
            # The very files that it was trained on; where they are gone, the base as it is now.
            now = bases.folder(tuned.base) if bases.named(tuned.base) else None
            return self._hosted(tuned.base, Path(known) if known else now, tuned.folder, adapter)
        return await self._in_memory(model_id, tuned)

    def _hosted(
        self, base_id: str, base: Path | None, folder: Path | None, adapter: Adapter | None = None
    ) -> HostedModel:
        if base is None:
            reason = f"The base model '{base_id}' is not on this disk, or only a part of it."
            raise ApiError(404, reason, code="model_not_found", param="model")
        own: BackendName | None = None
        if adapter:
            own = "mlx" if adapter.trainer == "mlx" else "torch"
        backend = own or home()
        if backend is None:
            reason = "The extra that runs this model is not installed: pip install 'understudy[lora]'."
            raise ApiError(501, reason, code="not_installed", kind="server_error")
        return HostedModel(self._hosts, Key(base, backend, bool(adapter and adapter.quantised)), folder)

    async def _in_memory(self, model_id: str, tuned: TunedModel) -> Model:
        async with self._loading:
            if model_id not in self._loaded:
                trainer = trainer_for(tuned.base)
                if trainer is None:
                    raise not_found(model_id)
                self._loaded[model_id] = await run_in_threadpool(trainer.load, tuned.folder)
            self._loaded.move_to_end(model_id)
            if len(self._loaded) > _LOADED:
                self._loaded.popitem(last=False)
            return self._loaded[model_id]


def not_found(model_id: str) -> ApiError:
    return ApiError(404, f"The model '{model_id}' does not exist.", code="model_not_found", param="model")


def _wire(model_id: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": model_id, "object": "model", "created": created, "owned_by": owner}
