"""The one kind of error that is meant for people, and the ends of a run that was told to stop."""

import re
import reprlib
from typing import Any, final

LONGEST = 80  # characters of a value that an error shows …
PATH = 4096  # … and of a path
_SHORT = reprlib.Repr()  # which does not follow what refers to itself
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, LONGEST, LONGEST
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file and no terminal takes
# What a terminal obeys (all controls but newline and tab), and what shows text in another order than it stands.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(Exception):
    """What was given, what was wanted and the way out, in one line.

    The command line prints it without a traceback. Raise it before any work starts, or where a run cannot go on. What
    somebody else has put into its text is harmless.
    """

    def __init__(self, text: str):
        super().__init__(harmless(text).replace("\n", r"\n"))


@final
class Busy(UserError):
    """A folder is being played by another process."""


class Interrupted(Exception):
    """A run was told to stop by the signal ``number``, and has saved its state; ``lines`` say so, and how to go on."""

    def __init__(self, number: int, *lines: str):
        super().__init__(f"stopped by signal {number}")
        self.number, self.lines = number, lines


def harmless(text: str) -> str:
    r"""Foreign text as a terminal may be given it: what it would obey is written out as Python writes it.

    >>> print(harmless("two\nlines, \x1b[2J, \u202egnp.exe"))
    two
    lines, \x1b[2J, \u202egnp.exe
    """
    return _OBEYED.sub(lambda found: repr(found[0])[1:-1], text)


def shown(value: Any, longest: int = LONGEST) -> str:
    """A value as an error may show it: one line, not long, and nothing in it that a terminal would obey.

    >>> print(shown("plain"), shown("a\\nb"), shown([1, {"a": 2}]))
    plain 'a\\nb' [1, {'a': 2}]
    """
    try:
        text = value[: longest + 1] if isinstance(value, str) else _SHORT.repr(value)
    except ValueError:  # Python does not write out numbers of more than some thousand digits
        return "a number too long to be shown"
    text = text if text.isprintable() and text else repr(text)
    return text if len(text) <= longest else f"{text[:longest]}…"


def said(error: UserError | OSError) -> str:
    """An error in one line; of a disk's what it wants, and of which file.

    >>> print(said(OSError(28, "No space left on device", "run.json")))
    run.json: No space left on device. See to the disk or the rights there, then repeat the command.
    """
    if isinstance(error, UserError) or not error.strerror:
        return str(error)
    where = "" if error.filename is None else f"{shown(str(error.filename), PATH)}: "
    return f"{where}{error.strerror}. See to the disk or the rights there, then repeat the command."


class Pruned(Exception):
    """A sweep has seen enough of this trial."""
