"""Every file of conf/ composes with every other that it should fit, found by globbing so that none is forgotten."""

from pathlib import Path

import pytest

from tests.playing import CONF, TINY, built
from textgan_lit.errors import UserError


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


GAMES = [model for model in options("model") if model != "mle"]
SWAPS = [
    (group.name, option)
    for group in sorted(Path(CONF / "model").iterdir())
    if group.is_dir() and group.name != "optimizer"
    for option in options(f"model/{group.name}")
]
REFUSED = {  # parts that do not fit say which would
    ("seqgan", "discriminator", "recurrent"): "needs one score per sentence.* Use",
    **{
        (game, "policy", policy): "likelihood warm-up would be infinite. Use"
        for game in GAMES
        for policy in ("greedy", "nucleus", "top_k")
    },
    ("minimax", "credit", "reward_to_go"): "needs one score per word.* Use",
    ("seqgan", "credit", "reward_to_go"): "needs one score per word.* Use",
    ("airl", "credit", "reward_to_go"): "needs one score per word.* or model/discriminator@.*critic=recurrent",
}


@pytest.mark.parametrize("model", GAMES)
@pytest.mark.parametrize(("group", "option"), SWAPS)
def test_any_part_of_a_method_can_be_replaced_in_one_word(model, group, option):
    words = [*TINY, f"model={model}", f"model/{group}={option}"]
    if (model, group, option) in REFUSED:
        with pytest.raises(UserError, match=REFUSED[model, group, option]):
            built(*words)
    else:
        assert built(*words).system.moves


@pytest.mark.parametrize("model", options("model"))
@pytest.mark.parametrize("data", [name for name in options("data") if name not in ("oracle_seqgan", "oracle_lstm")])
def test_every_method_plays_on_every_world(model, data, unchecked_shapes):
    small = [word for word in TINY if model in GAMES or not word.startswith(("model.moves.d", "model.moves.g"))]
    run = built(*small, f"data={data}", f"model={model}", "model/program=fixed").fit()
    assert set(run.system.moves) == {move for move, turns in run.system.clock.turns.items() if turns}


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_plays(experiment, unchecked_shapes):
    assert built(f"experiment={experiment}", "debug=smoke").fit().system.clock.total > 0
