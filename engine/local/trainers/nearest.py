"""`nearest`: answers with the person's real reply to the most similar moment, and shows which it was.

The baseline that a real fine-tune must beat. Its loss is honest too: how well it picks a reply among ten.
"""

from __future__ import annotations

from pathlib import Path

from engine.local.trainers import Example, Model, Progress, Settings


class Nearest:
    name = "nearest"
    description = "Answers with the real reply to the most similar moment, and shows which it was."

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        """One pass whatever was asked for: a second would change nothing. A batch is an example."""
        return Settings(n_epochs=1, batch_size=1, learning_rate_multiplier=1.0, seed=settings.seed)

    def train(
        self,
        examples: list[Example],
        validation: list[Example],
        settings: Settings,
        out: Path,
        resume: bool,
    ) -> Progress:
        """See Trainer.train; with `resume` it starts again, which takes no longer. DataError without a reply.

        loss: nats to name the real reply among ten; accuracy: how often it is named first (chance 0.10).
        """
        from engine.local.trainers.recall import train

        yield from train(examples, validation, settings, out)

    def load(self, folder: Path) -> Model:
        """See Trainer.load. StudioError where there is no model or it is damaged."""
        from engine.local.trainers.recall import load

        return load(folder)
