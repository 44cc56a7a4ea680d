"""`imitation`: the embedded default. Learns the person's phrasing from their own lines, in seconds.

A mixture of an interpolated Kneser-Ney 4-gram, a small neural language model and copying from the replies
to similar moments. The loss of Step and Validation is the neural model's cross-entropy in nats per token,
where rare tokens count as one class, so the two curves compare; the whole mixture's proper likelihood on
held-out replies is told at the end, in bits per character.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from engine.local.trainers import Example, Model, Progress, Settings
from engine.local.trainers.moments import learned

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_STEP = 256
TOKENS_IN_ALL = 250_000  # about six seconds of one core


class Imitation:
    name = "imitation"
    description = "Learns a person's phrasing in seconds, here. It imitates and does not understand."

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        """Batches of some 256 tokens, and as many epochs (2 to 12) as keep the time to a few seconds."""
        replies = [[moment.reply for moment in moments] for moments in learned(examples)]
        used = max(1, sum(1 for each in replies if each))
        tokens = max(1.0, sum(len(reply) for each in replies for reply in each) / CHARACTERS_PER_TOKEN)
        epochs = max(2, min(16, round(TOKENS_IN_ALL / tokens)))
        per_step = max(48, min(TOKENS_PER_STEP, tokens / 60))
        batch = max(1, min(256, math.ceil(used / 4), round(per_step * used / tokens)))
        return Settings(
            n_epochs=epochs if settings.n_epochs == "auto" else settings.n_epochs,
            batch_size=batch if settings.batch_size == "auto" else settings.batch_size,
            learning_rate_multiplier=(
                1.0 if settings.learning_rate_multiplier == "auto" else settings.learning_rate_multiplier
            ),
            seed=settings.seed,
        )

    def train(
        self,
        examples: list[Example],
        validation: list[Example],
        settings: Settings,
        out: Path,
        resume: bool,
    ) -> Progress:
        """See Trainer.train. DataError where there is no reply to learn."""
        _one_thread()
        from engine.local.trainers.learning import train

        yield from train(examples, validation, self.plan(examples, settings), out, resume)

    def load(self, folder: Path) -> Model:
        """See Trainer.load. StudioError where there is no model or it is damaged."""
        _one_thread()
        from engine.local.trainers.voice import load

        return load(folder)


def _one_thread() -> None:
    """Have numpy work in one thread; heard only before numpy is loaded.

    The matrices are small: threads would wait for each other, and sum in another order each time.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(variable, "1")
