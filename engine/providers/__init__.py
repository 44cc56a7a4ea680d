"""Services that speak OpenAI's protocol, seen from the client. Importing this loads no SDK."""

from engine.providers.connection import Connection, connect
from engine.providers.failures import explain, only_chats
from engine.providers.following import JobUpdate, cancel, checkpoints, follow, pause, resume
from engine.providers.job_state import FINAL
from engine.providers.models import ModelInfo, delete_model, models
from engine.providers.plan import Plan, TrainSettings, plan
from engine.providers.presets import Provider, provider, providers
from engine.providers.training import Stage, train

__all__ = [
    "FINAL",
    "Connection",
    "JobUpdate",
    "ModelInfo",
    "Plan",
    "Provider",
    "Stage",
    "TrainSettings",
    "cancel",
    "checkpoints",
    "connect",
    "delete_model",
    "explain",
    "follow",
    "models",
    "only_chats",
    "pause",
    "plan",
    "provider",
    "providers",
    "resume",
    "train",
]
