"""What a run that was played has measured: numbers, plots, comparisons."""

from pathlib import Path

import pytest

import textgan_lit
from tests.helpers.runs import MOMENTS, made
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Vocab


def measured(folder=None):
    vocab = Vocab(("a", "b", "c"), has_eos=True)
    return Run(LSTM(vocab, 3), vocab, {}, Categorical(), None, folder)


def test_the_numbers_of_a_run_are_rows_by_their_steps(tmp_path):
    folder = made(tmp_path / "run")
    csv = folder / "metrics.csv"
    head, *rows = csv.read_text().splitlines()
    early = ",".join("7" if key == "steps/all" else "" for key in head.split(","))
    csv.write_text("\n".join([head, *rows, early]) + "\n")
    table = measured(folder).metrics()
    assert [row["steps/all"] for row in table] == [7, *MOMENTS]
    last = table[-1]  # of both files
    assert (last["game/staleness"], last["truth/jsd"], last["curve/prefix_jsd"]) == (0.25, 0.2, [0.1, 0.2, 0.2])
    course = measured(folder).metrics("truth/jsd")
    assert course == [{"steps/all": steps, "truth/jsd": 0.5 - (steps - 100) / 500} for steps in MOMENTS]


def test_a_number_that_a_run_has_not_is_refused_with_those_near_it(tmp_path):
    folder = made(tmp_path / "run")
    with pytest.raises(UserError, match=r"metrics\(truth/jds\): this run has no such number\. Nearest: truth/jsd,"):
        measured(folder).metrics("truth/jds")
    with pytest.raises(UserError, match=r"lies in no run's folder\. Load the folder"):
        measured().metrics()
    (tmp_path / "empty").mkdir()
    assert measured(tmp_path / "empty").metrics() == []
    (folder / "evaluations.jsonl").write_text("x\n")
    with pytest.warns(UserWarning, match=r"has 1 broken line of evaluations\.jsonl: left out"):
        assert measured(folder).metrics("game/staleness")


def test_a_plot_of_a_run_is_one_of_its_report_as_a_notebook_shows_it(tmp_path):
    folder = made(tmp_path / "run")
    first, other = measured(folder).plot(), measured(folder).plot("nll_test")
    assert repr(first) == "<Picture truth: Jensen–Shannon divergence between data and generator>"
    assert (other.name, other.title) == ("nll_test", "NLL_test = H(P) + KL(P‖G) ↓")
    for picture, label in ((first, "true JSD"), (other, "KL(P‖G)")):
        assert picture._repr_svg_().startswith("<svg")
        assert label in picture.svg
        assert picture.spec["width"] == 420  # a page's is as wide as its place
    with pytest.raises(
        UserError, match=r"plot\(bleu\): this run has no such plot\. It has truth, pretraining, .*nll_test, "
    ):
        measured(folder).plot("bleu")
    with pytest.raises(UserError, match=r"lies in no run's folder\. Load the folder"):
        measured().plot()


def test_a_run_stands_for_its_folder(tmp_path):
    folders = [made(tmp_path / str(seed), (f"seed={seed}",), 0.1 * seed) for seed in (1, 2)]
    (arm,) = textgan_lit.compare([measured(folders[0]), folders[1]])
    assert (arm["seeds"], arm["mean"]) == (2, pytest.approx(0.15))
    assert Path(measured(folders[0])) == folders[0]
