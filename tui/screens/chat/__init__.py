"""Pane 5: talk to a model."""

from tui.screens.chat.pane import ChatPane

__all__ = ["ChatPane"]
