"""Every file of conf/ composes with every other that it should fit, found by globbing so that none is forgotten."""

import copy
import functools
import runpy

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tests.helpers.playing import CONF, EVERY_MODEL, MODELS, TINY, built, config
from textgan_lit.build import experiment
from textgan_lit.errors import UserError


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


LARGE = ("oracle_seqgan", "oracle_lstm", "oracle_run", "oracle_lm")  # the second is one of the first's kind at any size
LARGE += ("coco", "emnlp_news", "hub")  # text with other settings
# Each is made of the kinds of parts that another one is made of, whose parts are replaced beside the quick tests.
ALIKE = {"coldgan", "grpo", "maligan", "minimax", "rankgan", "reinforce", "scratchgan", "textgail"}  # seqgan, airl
ALIKE |= {"relgan", "wgan_gp", "didi", "vae_gan", "residual_ebm", "scheduled_sampling"}  # gsgan, one_shot, vae, mle
GROUPS = sorted(path.name for path in (CONF / "model").iterdir() if path.is_dir() and path.name != "optimizer")


def marked(names: list[str], slow: set[str]) -> list:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in names]


def not_needed(p: dict) -> bool:
    return p["credit"] not in {None, "Terminal"} or p["baseline"] not in {None, "BatchMean", "Zero"}


# What does not fit, by the classes of the parts: a reason, and when it holds.
WHOLE_TOKENS = {"Optimal", "DensityAware", "Mediator", "Empirical"}  # discriminators that cannot read soft tokens
CRITICS = {"Hinge", "Wasserstein"}  # discriminator_losses whose score is not log P/G
OPEN = {"Relativistic", "Wasserstein"}  # discriminator_losses to which s and s + c are one
OF_SCORES = {None, "Score", "Sign", "Constant"}  # rewards that take any score
BOUNDED = {"MaskedDiffusion", "OneShot", "VAE"}  # generators that know a bound on log G(x) alone
EXACT = {
    "Likelihood",
    "ScheduledSampling",
    "SelfPlay",
    "DataSide",
    "Exact",
    "Distillation",
}  # objectives and estimators that need more
REFUSED = {
    "does not write from left to right. Use": lambda p: (
        p["generator"] == "MaskedDiffusion"
        and (
            p["estimator"] in {"Relaxed", "Taylor"}
            or (p["credit"] not in {None, "Terminal"} and p["estimator"] == "ScoreFunction")
            or {"entropy", "reference_kl"} & {*(p["settings"].get("regulariser") or {})}
        )
    ),
    r"needs log G\(x\), which .* only a bound on. Use": lambda p: (
        p["generator"] in BOUNDED
        and (
            {p["objective"], p["estimator"]} & EXACT
            or p["discriminator"] in WHOLE_TOKENS
            or "likelihood" in (p["settings"].get("regulariser") or {})
            or p["schedule"]["rule"]["_target_"].endswith("Regret")
        )
    ),
    r"bounds log G\(x\).* Use": lambda p: (
        p["generator"] not in BOUNDED
        and (p["objective"] == "ELBO" or (p["estimator"] and "elbo" in (p["settings"].get("regulariser") or {})))
    ),
    "would be infinite. Use": lambda p: (
        p["policy"] in {"Greedy", "Nucleus", "TopK"}
        and (
            p["schedule"]["pretrain_steps"]
            or p["estimator"] in {"SelfPlay", "DataSide", "Distillation"}
            or (p["estimator"] and {"likelihood", "elbo"} & {*(p["settings"].get("regulariser") or {})})
        )
    ),
    "this model has none. Use": lambda p: (
        p["discriminator"] is None and not p["schedule"]["rule"]["_target_"].endswith("Fixed")
    ),
    "for length. Use": lambda p: (
        p["credit"] == "RewardToGo" and p["discriminator_loss"] in OPEN and p["of"] not in {None, "Constant"}
    ),
    "needs one score per sentence.* Use": lambda p: p["credit"] == "MonteCarlo" and p["discriminator"] == "Recurrent",
    "needs one score per token.* Use": lambda p: p["credit"] == "RewardToGo" and p["discriminator"] != "Recurrent",
    "name has no default|is no folder here": lambda p: p["generator"] == "Pretrained",
    "the tokens of these data are mere numbers. Use": lambda p: p["discriminator"] == "Encoder",
    "has none. Use model/generator=pretrained": lambda p: p["discriminator"] == "ValueHead",
    "takes a sentence for one action.* Use": lambda p: (
        p["credit"] not in {None, "Terminal"}
        and (p["settings"].get("estimator") or {}).get("importance_sampling_level") == "sentence"
    ),
    "takes rewards for importance weights.* Use": lambda p: (
        p["baseline"] == "SelfNormalised" and p["of"] not in {"Ratio", "Probability", "Constant"}
    ),
    "takes the score for log P/G.* Use": lambda p: (
        p["discriminator_loss"] in CRITICS and (p["of"] not in OF_SCORES or (p["estimator"] == "DataSide" and p["of"]))
    ),
    "grows without end.* Use": lambda p: p["discriminator_loss"] == "Wasserstein" and not p["penalty"],
    "leaves a constant.* Use": lambda p: (
        p["discriminator_loss"] in OPEN and p["of"] not in {None, "LogOdds", "Score", "Constant"}
    ),
    "would be ignored.* Use": lambda p: (
        (p["estimator"] in {"SelfPlay", "Distillation"} and p["reward"])
        or (p["estimator"] in {None, "Distillation"} and p["control"])
        or (p["estimator"] in {"Relaxed", "Taylor", "Exact", "DataSide", "SelfPlay", "Distillation"} and not_needed(p))
    ),
    "reads whole tokens only. Use": lambda p: (
        p["discriminator"] in WHOLE_TOKENS and (p["estimator"] in {"Relaxed", "Taylor"} or p["penalty"])
    ),
    "feeds soft tokens back.* Use": lambda p: (
        p["estimator"] == "Relaxed" and p["generator"] in {"ManagerWorker", "Markov", "Mixture"}
    ),
    "reads what leaks of a discriminator.* Use": lambda p: (
        p["generator"] == "ManagerWorker" and p["discriminator"] != "Conv"
    ),
    "moves a manager and a worker.* Use": lambda p: p["estimator"] == "Feudal" and p["generator"] != "ManagerWorker",
    "is no null control. Use": lambda p: (
        p["estimator"] == "Feudal"
        and p["control"]
        and p["baseline"] not in {"BatchMean", "LeaveOneOut", "Standardised"}
    ),
    "taught by likelihood.* Use": lambda p: (
        p["discriminator"] == "Mediator" and p["discriminator_loss"] not in {None, "Mediation"}
    ),
    "teaches a mediator.* Use": lambda p: p["discriminator_loss"] == "Mediation" and p["discriminator"] != "Mediator",
    "takes no penalty. Use": lambda p: p["discriminator_loss"] == "Mediation" and p["penalty"],
    "has to be taught.* Use": lambda p: (
        p["discriminator_loss"] is None and p["discriminator"] not in {None, "Optimal", "Empirical"}
    ),
    "asks a mediator for every token.* Use": lambda p: p["estimator"] == "Exact" and p["discriminator"] != "Mediator",
    "would be another game. Use": lambda p: p["estimator"] == "Exact" and p["of"] not in {"LogOdds", "Constant"},
    "adds to the generator's steps.* choose a game": lambda p: (
        p["estimator"] is None and p["settings"].get("regulariser")
    ),
    "has no bottom. Use": lambda p: p["estimator"] == "DataSide" and p["of"] in {"LogOdds", "LogProbability", "Score"},
    "learns from real sentences alone.* Use": lambda p: p["estimator"] == "DataSide" and p["control"] == "Shuffled",
    "rewards nothing that .* Use": lambda p: p["estimator"] == "SelfPlay" and p["control"] == "Constant",
    "weighs real sentences.* Use": lambda p: p["estimator"] == "DataSide" and p["discriminator"] is None,
    "also needs (reward|credit|baseline).* Choose one": lambda p: (
        p["estimator"] in {"ScoreFunction", "Feudal", "Relaxed", "Taylor", "Exact", "DataSide"} and p["reward"] is None
    ),
    "writes every sentence in a fresh order.* Use": lambda p: (
        p["objective"] == "AnyOrder" and not p["settings"]["generator"].get("any_order")
    ),
    "also needs (credit|baseline).* Choose one": lambda p: (
        p["estimator"] in {"ScoreFunction", "Feudal"} and p["credit"] is None
    ),
}


def small(model: str) -> list[str]:
    without_a_game = model in ("mle", "any_order", "scheduled_sampling", "vae", "masked_diffusion")
    return [
        override
        for override in TINY
        if not (without_a_game and override.startswith(("model.optim.d", "model.optim.g")))
    ]


@functools.cache
def settings(model: str) -> dict:
    return config(*small(model), f"model={model}")


@functools.cache
def data():
    return experiment.data(settings("minimax"))


@functools.cache
def part(group: str, option: str) -> dict:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose(f"model/{group}/{option}")
    return OmegaConf.to_container(composed, resolve=False)["model"][group]


def swapped(model: str, group: str, option: str) -> dict:
    """The model's settings with another part, as model/GROUP=OPTION makes them."""
    found = copy.deepcopy(settings(model))
    new = copy.deepcopy(part(group, option))
    if group == "schedule":
        new["pretrain_steps"] = found["model"]["schedule"]["pretrain_steps"]
    found["model"][group] = new
    return found


def classes(model: dict) -> dict:
    """Which class each part is of: what the rules above look at."""

    def name(node):
        return node["_target_"].rpartition(".")[2] if node else None

    found = {group: name(model.get(group)) for group in GROUPS if group not in ("schedule", "regulariser")}
    of = "Constant" if found["control"] == "Constant" else found["reward"]  # whose numbers are paid
    return found | {"schedule": model["schedule"], "settings": model, "of": of}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("model", marked(MODELS, ALIKE))
def test_any_part_of_a_method_can_be_replaced_by_one_override(model, group):
    """It plays, or is refused with the reason and with parts that would fit."""
    optional = {"penalty", "regulariser"} if "discriminator_loss" in settings(model)["model"] else set()
    if group not in settings(model)["model"] and group not in optional:
        pytest.skip(f"{model} has no {group}")
    for option in options(f"model/{group}"):
        new = swapped(model, group, option)
        reasons = [reason for reason, holds in REFUSED.items() if holds(classes(new["model"]))]
        if reasons:
            with pytest.raises(UserError, match="|".join(reasons)):
                experiment.system(new, data())
        else:
            assert experiment.system(new, data()).updates


def test_a_regulariser_has_steps_to_add_to():
    with pytest.raises(UserError, match=r"regulariser=entropy adds to the generator's steps.* choose a game"):
        built(*small("mle"), "model=mle", "+model/regulariser=entropy")


@pytest.mark.parametrize(
    ("model", "group", "option"), [("seqgan", "credit", "terminal"), ("cot", "control", "shuffled")]
)
def test_a_replaced_part_is_what_the_command_line_makes_of_it(model, group, option):
    assert config(*TINY, f"model={model}", f"model/{group}={option}") == swapped(model, group, option)


def played() -> list:
    """Sentences of one length that can all be listed are quick; so is text for a method of each kind."""
    worlds = [name for name in options("data") if name not in LARGE]

    def quick(model: str, data: str) -> bool:
        return data == "tiny" or (data == "text" and model not in ALIKE)

    return [
        pytest.param(model, data, marks=[] if quick(model, data) else [pytest.mark.slow])
        for data in worlds
        for model in MODELS
    ]


@pytest.mark.parametrize(("model", "data"), played())
def test_every_method_plays_on_every_world(model, data, unchecked_shapes, tmp_path):
    overrides = [f"data={data}"]
    if data == "text":  # sentences of every length
        (tmp_path / "my.txt").write_text("\n".join(f"a b c d e {i % 7}"[i % 11 :] for i in range(400)))
        overrides += [f"data.path={tmp_path / 'my.txt'}", f"data.cache={tmp_path}"]
    overrides = (*small(model), *overrides, f"model={model}", "model/schedule=fixed")
    unfit = {
        ("any_order", "text"): "these sentences vary in length",
        ("any_order", "one_sentence"): "these sentences vary in length",
        ("gkd", "text"): "the P of these data is not known",
    }
    if (model, data) in unfit:
        with pytest.raises(UserError, match=unfit[model, data]):
            built(*overrides)
        return
    run = built(*overrides).fit()
    assert set(run.system.updates) == {update for update, steps in run.system.clock.steps.items() if steps}


RECIPES = {"text", "coco", "names", "poems", "molecules"}  # of a file, which tests/system/test_recipes.py writes
RECIPES |= {"captions_lm"}  # of a model's folder, too: tests/system/test_language_models.py


@pytest.mark.parametrize("experiment", sorted({*options("experiment")} - RECIPES))
def test_every_experiment_plays(experiment, unchecked_shapes):
    assert built(f"experiment={experiment}", "debug=smoke").fit().system.clock.total > 0


@pytest.mark.slow
def test_the_table_of_methods_is_made_from_their_files():
    page = runpy.run_path(str(CONF.parent / "docs" / "methods" / "table.py"))
    index = (CONF.parent / "docs" / "methods" / "README.md").read_text()
    assert page["table"]() in index, "run: python docs/methods/table.py"


def test_every_model_has_its_page_and_a_line_in_the_index():
    pages = CONF.parent / "docs" / "methods"
    assert {path.stem for path in pages.glob("*.md")} == {*EVERY_MODEL, "README"}
    assert all(f"({model}.md)" in (pages / "README.md").read_text() for model in EVERY_MODEL)
