"""Judge a model: held-out moments, style figures, and how much it merely repeats."""

from engine.evaluation.moments import Moment, held_out
from engine.evaluation.overlap import Overlap, Overlaps
from engine.evaluation.style import Style, style, trigram_distance

__all__ = ["Moment", "Overlap", "Overlaps", "Style", "held_out", "style", "trigram_distance"]
