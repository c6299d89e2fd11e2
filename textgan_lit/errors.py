"""The one kind of error that is meant for people."""


class UserError(Exception):
    """What was given, what was wanted and the way out, in one line.

    The command line prints it without a traceback. Raise it before any work starts.
    """
