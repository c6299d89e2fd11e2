"""Every model, made small for a world that says one sentence."""

import torch

from tests.helpers.playing import MODELS, config

LIKELIHOODS = (
    "mle",
    "any_order",
    "scheduled_sampling",
    "vae",
    "masked_diffusion",
)  # no game; nor has residual_ebm
GAMES = [model for model in MODELS if model not in (*LIKELIHOODS, "residual_ebm")]
# One small budget for every model, each at its own generator learning rate.
BUDGET = ("data=one_sentence", "data.train=64", "data.valid=200", "check_size=200")
BUDGET += ("model.schedule.pretrain_steps=0", "model.schedule.discriminator_pretrain_steps=50", "model.schedule.k=1")
BUDGET += (
    "model.optim.pretrain.batch_size=64",
    "model.optim.discriminator.batch_size=64",
    "model.optim.generator.batch_size=64",
)
BUDGET += ("model.optim.discriminator.lr=0.005",)
# Where a model has such a part at all, it is made small.
SMALL = {"objective.anneal_steps": 20, "discriminator.filters": "[[1,16],[2,16],[3,16]]", "credit.rollouts": 2}
SMALL |= {"discriminator.views": 2, "generator.proposals": 2}
# What is for a game after likelihood, not for a start from nothing.
FROM_NOTHING = {
    "text": ("model.optim.generator.lr=0.005",),
    "didi": ("model.optim.generator.lr=0.002",),
    "leakgan": ("model.optim.generator.lr=0.01",),
    # With two views of four numbers it learns with one seed of four, with this one with three (docs/methods/relgan.md).
    "relgan": (
        "model.discriminator.views=1",
        "model.discriminator.embedding=32",
        "model.optim.discriminator.lr=0.002",
    ),
}
ONE_LENGTH = {"any_order": ("data.oracle.variable=false",)}  # the end cannot be known before the tokens are


def has(model, key):
    node = config("data=one_sentence", f"model={model}")["model"]
    for name in key.split("."):
        node = (node or {}).get(name)
    return node is not None


def probability(system, data):
    """Of the one sentence, under G; its share of 500 samples, where G has a bound alone."""
    said, game = data.sentences("valid").first(1), system.game("known")
    with torch.no_grad():
        if system.generator.likelihood == "exact":
            return game.likelihood(said).exp().item()
        return (game.sample(500).tokens == said.tokens).all(1).float().mean().item()


def small(model):
    """The budget's overrides, but for parts that the model does not have."""
    budget = [
        override
        for override in BUDGET
        if not override.startswith("model.optim.") or has(model, override[6:].split("=")[0])
    ]
    parts = (f"model.{key}={value}" for key, value in SMALL.items() if has(model, key))
    return [f"model={model}", *budget, *parts, *FROM_NOTHING.get(model, ()), *ONE_LENGTH.get(model, ())]
