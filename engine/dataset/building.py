"""Archive in, dataset out: the one way from dialogues to chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.archive.rows import Dialogue
from engine.dataset import langchain, studio
from engine.dataset.cast import CONVERSATION_LEFT_OUT, Cast
from engine.dataset.chunks import Chunk, Dataset, dataset_of
from engine.dataset.recipe import Recipe
from engine.dataset.sessions import Session, sessions


class Building:
    """A dataset in the making: `add` every dialogue, then take the `dataset`."""

    def __init__(self, recipe: Recipe, cast: Cast) -> None:
        self.recipe = recipe
        self.cast = cast
        self._chunks: list[Chunk] = []
        self._sessions: list[Session] = []
        self._dropped: Counter[str] = Counter()

    def add(self, dialogue: Dialogue) -> None:
        if dialogue.conversation.left_out:
            self._dropped[CONVERSATION_LEFT_OUT] += len(dialogue.messages)
            return
        cast = self.cast.within(dialogue.conversation)
        if self.recipe.preset == "langchain":
            chunks, dropped = langchain.chunks(dialogue, self.recipe, cast)
            self._chunks += chunks
        else:
            some, dropped = sessions(dialogue, self.recipe, cast)
            self._sessions += some
        self._dropped += dropped

    def dataset(self) -> Dataset:
        chunks, dropped = studio.chunks(self._sessions, self.recipe)
        return dataset_of(
            self.recipe, self.cast.name, [*self._chunks, *chunks], dict(self._dropped + dropped)
        )


def build(
    dialogues: Iterable[Dialogue],
    recipe: Recipe,
    ai_person: int,
    ai_name: str,
    left_out: frozenset[int] = frozenset(),
) -> Dataset:
    """The dataset that a recipe makes of the dialogues, with `ai_person` (PersonRow.id) as assistant.

    left_out: persons of whom nothing goes into any chunk; what a conversation leaves out itself stays
    out too. The same input gives the same id. Where
    nothing can be learned the dataset has no chunks, and `dropped` says why.
    """
    building = Building(recipe, Cast(ai_person, ai_name, left_out))
    for dialogue in dialogues:
        building.add(dialogue)
    return building.dataset()
