"""Pane 3: the recipe, the chunks that it makes, and one of them in full."""

from tui.screens.chunks.pane import ChunksPane

__all__ = ["ChunksPane"]
