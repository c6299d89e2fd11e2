"""Two numbers against each other."""

from textgan_lit.report import scatter


def test_the_frontier_has_its_ideal_point():
    rows = [{"temperature": 1.0, "truth/nll_oracle": 3.0, "truth/nll_test": 2.0, "truth/entropy_p": 1.5}]
    layers = scatter.frontier({"likelihood": rows}).spec["layer"]
    assert layers[-1]["data"]["values"] == [{"series": "the ideal: H(P) on both", "across": 1.5, "up": 1.5}]


def test_nothing_to_draw_is_no_chart():
    assert scatter.frontier({}) is None
    assert scatter.reliability([{"steps/all": 1}]) is None
