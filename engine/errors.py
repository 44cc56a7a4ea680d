"""The errors that a user can cause: one plain sentence and a remedy each."""


class StudioError(Exception):
    """Something the user can mend. Printed as two sentences, never with a traceback.

    message: what happened, one sentence. hint: what to do next, one sentence.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class BusyError(StudioError):
    """Another program has the studio for itself. Nothing was done: it may be tried again."""


class DataError(StudioError):
    """The command was right, the data are at fault (a truncated file, too few examples)."""

    exit_code = 1
