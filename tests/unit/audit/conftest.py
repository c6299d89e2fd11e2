"""Players whose every sentence is listed."""

from tests.helpers.audited import players  # noqa: F401
