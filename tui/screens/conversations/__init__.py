"""Pane 1: the conversations, one of them in full, and a search over all messages."""

from tui.screens.conversations.pane import ConversationsPane

__all__ = ["ConversationsPane"]
