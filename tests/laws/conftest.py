"""Every part of a package, the next one included; and worlds small enough to list every sentence."""

import importlib
import pkgutil

import pytest

from tests.helpers.discriminators import fake, real  # noqa: F401
from tests.helpers.worlds import sentences, unlike, vocab  # noqa: F401


@pytest.fixture(scope="session")
def every():
    """every(package, base): all finished classes of that kind, found by importing the whole package."""

    def find(package, base):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        kinds = {base}
        while (larger := kinds | {kind for known in kinds for kind in known.__subclasses__()}) != kinds:
            kinds = larger
        inside = package.__name__ + "."
        return {kind for kind in kinds if kind.__module__.startswith(inside) and not kind.__abstractmethods__}

    return find
