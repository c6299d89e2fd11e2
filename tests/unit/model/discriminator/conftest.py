"""Worlds whose sentences can all be listed, and two players to tell apart."""

from tests.helpers.discriminators import fake, real  # noqa: F401
from tests.helpers.worlds import sentences, unlike, vocab  # noqa: F401
