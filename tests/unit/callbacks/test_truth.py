"""The panel's line of an evaluation."""

from textgan_lit.callbacks.truth import cells

ROW = {"truth/jsd": 0.5, "truth/jsd_se": 0.01, "truth/horizon": 2.52}


def test_a_jsd_comes_with_its_error_and_a_saturated_one_with_its_horizon():
    assert cells(ROW)[0] == "0.5000 ± 0.0100"
    assert cells(ROW | {"truth/jsd_se": 1e-6})[0] == "0.5000 ± 1.0e-06"  # a small error alone is no saturation
    assert cells(ROW | {"truth/jsd": 0.6871, "truth/jsd_se": 0.004})[0] == "h = 2.5, saturated"
    assert cells({"truth/jsd": 0.6931472, "truth/jsd_se": 0.0})[0] == "saturated"  # only whole sentences are compared
    assert cells({})[0] == "–"
