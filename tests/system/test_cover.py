"""A 95 % interval holds the truth in 92 to 98 of 100 samples: in worlds whose truth is a sum over all sentences."""

import pytest

from studies.cover import DIRECT, HELD, JSDS, KINDS, SIZES, cover, world

TIMES = 400
PLAIN, EOS, HARD = KINDS


def honest(found):
    """The JSD's interval need not hold where nobody is shown it as a number."""
    held = [key for key in HELD if key != "truth/jsd" or found.saturated < 0.99]
    return all(0.92 <= found.held[key] <= 0.98 and abs(found.bias[key]) < 3 for key in held)


@pytest.mark.parametrize("kind", [PLAIN, EOS])
def test_where_the_direct_forms_error_is_the_smaller_one_it_is_wrong_and_the_headlines_holds(kind, unchecked_shapes):
    found = cover(world(kind, 0.69), 200, TIMES)
    assert honest(found), found
    assert found.direct_surer > 0.5
    assert found.held[DIRECT] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("target", JSDS)
@pytest.mark.parametrize("kind", [PLAIN, EOS])
def test_intervals_hold(kind, target, n, unchecked_shapes):
    found = cover(world(kind, target), n, TIMES)
    assert honest(found), found


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_where_the_headlines_own_interval_does_not_hold_it_is_called_saturated(n, unchecked_shapes):
    """Nearly all is known after one token; what is missing to log 2 hangs on prefixes that few samples have."""
    found = cover(world(HARD, 0.693), n, TIMES)
    assert found.saturated > 0.999
    assert found.held["truth/jsd"] < 0.9 or n > 1000
