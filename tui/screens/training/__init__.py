"""Pane 4: the jobs, one of them as it goes on, and the page before a new one."""

from tui.screens.training.pane import TrainingPane

__all__ = ["TrainingPane"]
