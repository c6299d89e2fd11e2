"""The panel's line of an evaluation."""

from tests.helpers.playing import TINY, built
from tests.helpers.tiny_game import FIXED, UPDATES, Cut
from textgan_lit.callbacks.evaluation import Evaluations
from textgan_lit.callbacks.truth import JSD, TruthPanel, cells
from textgan_lit.types import Vocab

ROW = {"truth/jsd": 0.5, "truth/jsd_se": 0.01, "truth/horizon": 2.52}
TEXT = {"bound/value": 0.05, "bound/accuracy": 0.56, "truth/nll_test": 2.5, "truth/nll_test_character": 0.84213}


def test_a_jsd_comes_with_its_error_and_a_saturated_one_with_its_horizon():
    assert cells(ROW)[JSD] == "0.5000 ± 0.0100"
    assert cells(ROW | {"truth/jsd_se": 1e-6})[JSD] == "0.5000 ± 1.0e-06"  # a small error alone is no saturation
    assert cells(ROW | {"truth/jsd": 0.6871, "truth/jsd_se": 0.004})[JSD] == "h = 2.5, saturated"
    assert cells({"truth/jsd": 0.6931472, "truth/jsd_se": 0.0})[JSD] == "saturated"  # only whole sentences are compared
    assert cells({}) == {}


def test_where_p_is_not_known_no_title_speaks_of_it():
    assert cells(TEXT) == {"D says ≥": "0.0500", "D acc.": "0.560", "NLL_test": "2.500", "… a character": "0.8421"}
    assert cells(TEXT | {"truth/bayes_accuracy": 0.7})["D acc. / Bayes"] == "0.560 / 0.700"
    assert "truth/bayes_accuracy" not in str(cells({"truth/bayes_accuracy": 0.7}))  # it stands beside D's or nowhere


def test_how_far_the_target_moves_is_known_to_a_run_that_goes_on(tmp_path):
    """But for the first evaluation, and for none where P is not known."""

    def watched(*more):
        panel = TruthPanel(str(tmp_path), Vocab(("a", "b", "c")))
        return built(*TINY, *FIXED, callbacks=(Evaluations(dict.fromkeys(UPDATES, 1)), panel, *more))

    def moved(run):
        return [row["truth/target_drift"] for row in run.rows if "truth/target_drift" in row]

    whole = watched(Cut(7, tmp_path / "cut.ckpt")).fit()
    known = moved(whole)
    assert len(known) == sum("truth/jsd" in row for row in whole.rows) - 1
    assert any(drift > 0 for drift in known)
    resumed = moved(watched().fit(tmp_path / "cut.ckpt"))
    assert len(resumed) > 2
    assert resumed == known[-len(resumed) :]
    assert len(resumed) == whole.system.clock.total - 7  # that of the first step after the cut is among them
