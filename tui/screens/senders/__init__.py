"""Pane 2: everybody who wrote, who shall be the AI sender, and which names are one person."""

from tui.screens.senders.pane import SendersPane

__all__ = ["SendersPane"]
