"""What logged keys are called where people read them, and which way is good."""

from __future__ import annotations

from textgan_lit.report import quality
from textgan_lit.report.record import TOKENS
from textgan_lit.run import keys
from textgan_lit.run.closing_table import ROWS

HYPERVOLUME = "frontier/hypervolume_"
EXTREMES = {"min": "↓", "max": "↑"}
NAMES = {keys_[0]: title for title, keys_ in ROWS.items()} | {
    "truth/nll_test_character": "NLL_test a character",
    "truth/entropy_p": "H(P)",
    "truth/kl_pg_token": "KL(P‖G) a token",
    "truth/kl_gp_token": "KL(G‖P) a token",
    "truth/bayes_accuracy": "the best possible accuracy",
    "bound/raw": "D as it is",
    "bound/accuracy": "D's accuracy",
    "bound/regret": "KL(D*‖D)",
    "truth/reward_correlation": "rank correlation of D's score with log P/G",
    "truth/target_drift": "how far the best reward moved",
    "pretrain/nll": "NLL of training sentences",
    "pretrain/nll_held_out": "NLL of held-out sentences",
    "pretrain/nll_bound": "bound on the NLL of training sentences",
    "discriminator/bce": "D's loss",
    "schedule/k": "steps of D to one of G",
    TOKENS: TOKENS,
    "system/seconds": "seconds",
    "system/cpu_seconds": "CPU seconds",
    "steps/all": "all steps",
    "steps/pretrain": "pretraining steps",
    "steps/discriminator": "discriminator steps",
    "steps/generator": "generator steps",
}
ROOMS = (
    "truth",
    "bound",
    "quality",
    "frontier",
    "pretrain",
    "discriminator",
    "generator",
    "game",
    "schedule",
    "tokens",
)


def name(key: str) -> str:
    """A key in words; what is no key of a run's numbers stays as it is.

    >>> name("truth/jsd"), name("bound/se"), name("quality/self_bleu5_1000_real"), name("model/control")
    ('true JSD', 'D says JSD ≥, SE', 'Self-BLEU, n = 5, of 1,000, real text', 'model/control')
    """
    for end, told in (("_se", ", SE"), ("_real", ", real text")):
        if key.endswith(end):
            return name(key.removesuffix(end)) + told
    if key == "bound/se":
        return f"{NAMES['bound/value']}, SE"
    if key in NAMES:
        return NAMES[key]
    if (proxy := quality.proxy(key)) is not None:
        return proxy.label + proxy.count
    if key.startswith(HYPERVOLUME):
        return f"Hypervolume of BLEU and 1 − Self-BLEU, of {key.removeprefix(HYPERVOLUME)}"
    if key.startswith("truth/valid_"):
        return f"share {key.removeprefix('truth/').replace('_', ' ')}"
    room, _, rest = key.partition("/")
    return rest.replace("_", " ") if room in ROOMS and rest else key


def arrow(key: str) -> str:
    """The good direction behind a blank; nothing where neither way is better.

    >>> arrow("truth/jsd"), arrow("quality/bleu5_1000"), arrow("quality/self_bleu5_1000"), arrow("steps/all")
    (' ↓', ' ↑', ' ≈ real text', '')
    """
    if key.startswith("bound/"):  # as evidence, which is good for nobody by itself
        return ""
    proxy = quality.proxy(key)
    way = quality.WAYS[quality.FAMILIES[proxy.family].good] if proxy else EXTREMES.get(keys.best(key) or "", "")
    way = "↑" if key.startswith(HYPERVOLUME) else way
    return f" {way}" if way else ""
