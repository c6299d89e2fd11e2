"""The one kind of error that is meant for people, and the end of a run that was told to stop."""


class UserError(Exception):
    """What was given, what was wanted and the way out, in one line.

    The command line prints it without a traceback. Raise it before any work starts, or where a run cannot go on.
    """


class Interrupted(Exception):
    """A run was told to stop by the signal ``number``, and has saved its state."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number
