"""What a logged key says of itself: which clock it is plotted against, and which way is better.

docs/metrics.md says the same in words; ``tests/system/test_metrics_documented.py`` compares the two.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

CLOCKS = {
    "truth/*": "steps/all",
    "bound/*": "steps/all",
    "faults/*": "steps/all",
    "health/*": "steps/all",
    "quality/*": "steps/all",
    "game/*": "steps/generator",
    "schedule/*": "steps/generator",
    "pretrain/*": "steps/pretrain",
    "discriminator/*": "steps/discriminator",
    "generator/*": "steps/generator",
}
LOWER = (
    *(
        "pretrain/nll",
        "pretrain/nll_bound",
        "pretrain/nll_any_order",
        "pretrain/nll_held_out",
        "discriminator/nll",
        "generator/bce",
        "generator/divergence",
    ),
    "game/regret",
    *(
        "truth/jsd*",
        "truth/kl_*",
        "truth/nll_test",
        "truth/nll_test_character",
        "truth/nll_test_bound",
        "truth/bayes_accuracy",
        "truth/exposure_*",
    ),
    *("bound/calibration_error", "bound/regret", "bound/reweighted_jsd", "bound/gap"),
    *(
        "quality/ngram_jsd*",
        "quality/fresh_bound_*",
        "quality/feature_bound*",
        "quality/reverse_lm_score_*",
        "quality/frechet*",
    ),
    "faults/*",
)
HIGHER = (
    *("game/bound", "game/bound_raw", "game/accuracy", "truth/horizon", "truth/valid_any"),
    "truth/reward_correlation*",
    *("bound/value", "bound/raw", "bound/accuracy", "quality/bleu*", "quality/ms_jaccard*", "quality/mauve*"),
)
SUMMARY = (  # of those rows that W&B's table of all runs has a column for; the closing's are beside them
    *("truth/jsd", "truth/nll_test", "truth/nll_test_character", "bound/value", "bound/gap"),
    *("steps/all", "system/cpu_seconds"),
)
BESIDE = ("*_se", "*_real")  # what another key is read against: an error, a floor, a ceiling


def clock(key: str) -> str | None:
    """The key of its x-axis; None for clocks themselves and for what has no clock of its own."""
    return next((axis for keys, axis in CLOCKS.items() if fnmatchcase(key, keys)), None)


def best(key: str) -> Literal["min", "max"] | None:
    """Which of its values is the best one; None where the key is read beside another and neither way is better."""
    for keys, extreme in ((BESIDE, None), (LOWER, "min"), (HIGHER, "max")):
        if any(fnmatchcase(key, one) for one in keys):
            return extreme
    return None
