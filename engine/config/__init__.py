"""The settings: one TOML file in the user's config folder, and environment variables before it."""

from engine.config.loading import Loaded, Problem, file, folder, load, remember_theme
from engine.config.options import Settings, Theme, options

__all__ = ["Loaded", "Problem", "Settings", "Theme", "file", "folder", "load", "options", "remember_theme"]
