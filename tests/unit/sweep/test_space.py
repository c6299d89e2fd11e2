"""The overrides of a sweep, read as Hydra reads them."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from textgan_lit.errors import UserError
from textgan_lit.sweep.space import space

READ = OverridesParser.create().parse_overrides


@pytest.mark.parametrize(
    ("given", "wanted"),
    {
        "a,b": CategoricalDistribution(["a", "b"]),
        "choice(1,2,2)": CategoricalDistribution(["1", "2"]),
        "[1,2],[3]": CategoricalDistribution(["[1,2]", "[3]"]),
        "range(1,9,3)": IntDistribution(1, 7, step=3),
        "range(1,7,3)": IntDistribution(1, 4, step=3),
        "range(1,4)": IntDistribution(1, 3),
        "range(0.0,1.0,0.25)": FloatDistribution(0.0, 0.75, step=0.25),
        "int(interval(1,4))": IntDistribution(1, 4),
        "interval(0.5,4)": FloatDistribution(0.5, 4),
        "tag(log,interval(1e-4,1))": FloatDistribution(1e-4, 1, log=True),
    }.items(),
)
def test_every_kind_of_values(given, wanted):
    asked = space(READ([f"a.b={given}", "c=1", "+d={x:1}"]))
    assert asked.searched == {"a.b": wanted}
    assert asked.overrides == ("c=1", "+d={x:1}")


def test_a_trial_is_the_overrides_with_what_was_chosen():
    asked = space(READ(["model/reward=ratio,score", "seed=1", "resume=true", "seed=2"]))
    assert asked.trial({"model/reward": "score"}) == ["seed=2", "model/reward=score"]
    assert asked.some() == {"model/reward": "ratio"}


def test_the_command_line_comes_on_top_of_the_file():
    assert space(READ(["k=1,2", "j=1,2", "k=3"])).overrides == ("k=3",)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["a=1"], "nothing to search"),
        (["a=1,2", "seed=1,2"], "luckiest seed"),
        (["a=tag(log,interval(0,1.5))"], r"a=tag\(log.* cannot be searched"),
        (["a=interval(2,1)"], "cannot be searched"),
    ],
)
def test_what_cannot_be_searched_is_refused(overrides, said):
    with pytest.raises(UserError, match=said):
        space(READ(overrides))
