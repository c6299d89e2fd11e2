"""Forms of what files say, and what is said of what has none."""

import math

import pytest

from textgan_lit.errors import UserError
from textgan_lit.run.schema import Count, Least, Measured, Name, Seconds, check, form

INNER = form(number=Count)
OUTER = form(form(inner=INNER | None, rows=list[INNER]), least=Least, name=Name)
WHOLE = {"inner": {"number": 3}, "rows": [], "least": math.inf, "name": "a/b_c-d.é"}


def test_what_is_of_its_form_passes():
    check(WHOLE, OUTER, "x")
    check(WHOLE | {"inner": None, "least": -3, "rows": [{"number": 0}]}, OUTER, "x")
    for value, kind in ((math.nan, Measured), (-math.inf, Least), (0.0, Seconds), (2**53, Count)):
        check(value, kind, "x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inner": {}}, r"x\.inner\.number is missing\."),
        ({"inner": {"number": 3, "more": 1}}, r"x\.inner\.more: nothing of that name was wanted\."),
        ({"inner": {"number": "3"}}, r"x\.inner\.number=3: wanted a valid integer\."),
        ({"inner": {"number": True}}, r"x\.inner\.number=True: wanted"),
        ({"rows": [{"number": 1}, {"number": -1}]}, r"x\.rows\.1\.number=-1: wanted greater than or equal to 0\."),
        ({"rows": {"number": 1}}, r"x\.rows=\{'number': 1\}: wanted a valid list\."),
        ({"least": math.nan}, r"x\.least=nan: wanted"),
        ({"name": "a\nb"}, r"x\.name='a\\nb': wanted"),
        ({"name": "a,b"}, r"x\.name=a,b: wanted"),
        ({"name": ""}, r"x\.name='': wanted"),
        ({"\x1b[2J": 1}, r"'x\.\\x1b\[2J': nothing of that name"),
    ],
)
def test_what_is_not_is_named_with_its_place(changes, said):
    with pytest.raises(UserError, match=f"^{said}") as refused:
        check({**WHOLE, **changes}, OUTER, "x")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("value", "kind"), [(-0.1, Seconds), (math.inf, Seconds), (math.nan, Seconds), (2**53 + 1, Count)]
)
def test_numbers_have_their_ranges(value, kind):
    with pytest.raises(UserError, match=r"^x=.*: wanted"):
        check(value, kind, "x")
