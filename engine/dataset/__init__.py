"""Recipe to dataset: sessions, runs, roles, chunks, split, checks and formats."""

from engine.dataset.building import build
from engine.dataset.checks import Problem, check, check_file
from engine.dataset.chunks import Chunk, Dataset, Turn
from engine.dataset.formats import example, jsonl, write_jsonl
from engine.dataset.recipe import Recipe, preset, read_recipe, to_toml
from engine.dataset.storing import load, make, save

__all__ = [
    "Chunk",
    "Dataset",
    "Problem",
    "Recipe",
    "Turn",
    "build",
    "check",
    "check_file",
    "example",
    "jsonl",
    "load",
    "make",
    "preset",
    "read_recipe",
    "save",
    "to_toml",
    "write_jsonl",
]
