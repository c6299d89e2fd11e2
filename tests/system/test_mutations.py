"""The mutations that are played by ``python -m tests.mutations``: their list and their page."""

import ast
import json

import pytest

from tests.mutations.__main__ import CHECKOUT, PAGE, RESULTS, Mutation, listed, page

LISTED = listed()


@pytest.mark.parametrize("one", LISTED, ids=lambda one: f"{one.file}: {one.was}")
def test_every_mutation_can_be_made(one):
    ast.parse(one.made((CHECKOUT / one.file).read_text()))
    assert one.was != one.now


def test_the_page_has_every_mutation_and_what_killed_it():
    rows = json.loads(RESULTS.read_text())
    assert [Mutation(*(row[name] for name in Mutation._fields)) for row in rows] == list(LISTED)
    assert PAGE.read_text() == page(rows)


def test_what_stands_nowhere_or_twice_is_no_mutation():
    assert Mutation("a.py", "x", "y").made("x + 1") == "y + 1"
    for text in ("1", "x + x"):
        with pytest.raises(ValueError, match=r"a\.py: 'x' stands there [02] times, wanted once"):
            Mutation("a.py", "x", "y").made(text)
