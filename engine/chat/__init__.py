"""Talking to a model. Importing this loads neither LangChain nor the SDK."""

from engine.chat.prompts import system_prompt
from engine.chat.streaming import ChatSettings, Piece, stream
from engine.chat.transcripts import keep

__all__ = ["ChatSettings", "Piece", "keep", "stream", "system_prompt"]
