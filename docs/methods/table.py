"""The methods' table, from conf/model/*.yaml: python docs/methods/table.py"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from textgan_lit.build import experiment
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.objective import Loss

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- models: begin (python docs/methods/table.py writes up to the end mark) -->", "<!-- models: end -->"
HEAD = ("model", "generator", "discriminator", "gradient", "descends", "bias", "likelihood")
NO_CLAIM = "–"
STAND_INS = {"pretrained": "lstm", "encoder": "conv", "value_head": "conv"}  # for players of a folder that is not here


def row(name: str) -> tuple[str, ...]:
    """One model's parts, as the command line names them, and what its objective declares on a small world."""
    chosen = _composed(name).hydra.runtime.choices
    composed = _composed(name, *(f"{group}={STAND_INS[said]}" for group, said in chosen.items() if said in STAND_INS))
    del composed.hydra, composed.callbacks, composed.logger  # they need a run's folder
    settings = OmegaConf.to_container(composed, resolve=True)
    system = experiment.system(settings, experiment.data(settings))
    update = "generator" if "generator" in system.updates else "pretrain"
    objective = system.updates[update].loss
    added = getattr(objective, "regularisers", {})
    objective = getattr(objective, "objective", objective)  # a regularised one is another's, and what was added
    descends, is_claimed = _descends(objective, system.discriminator if update == "generator" else None)
    gradient = _option(chosen, "estimator" if update == "generator" else "objective")
    return (
        f"[`{name}`]({name}.md)",
        _option(chosen, "generator"),
        _option(chosen, "discriminator"),
        gradient,
        " + ".join([descends, *added]),
        _bias(objective) if is_claimed else NO_CLAIM,
        system.generator.likelihood,
    )


def _composed(name: str, *players: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", [f"model={name}", "data=tiny", "name=table", *players], return_hydra_config=True)


def _descends(objective: Loss, discriminator: Discriminator | None) -> tuple[str, bool]:
    """The divergence that is claimed; or why none is, and False."""
    if objective.claim.improper:
        return "no divergence (improper)", False
    if discriminator is not None and discriminator.limited:
        return "no known divergence", False
    gamma = getattr(getattr(objective, "credit", None), "gamma", None)
    if gamma not in (None, 1.0):
        return "no one divergence (discounted)", False
    return objective.claim.divergence or "what its critic measures", True


def _bias(objective: Loss) -> str:
    """Whether the expected gradient is another one than the claim's, and what makes the difference vanish."""
    fades = {"": "stays", "batch": "O(1/B)"}.get(
        objective.claim.fades, f"falls with {objective.claim.fades}, without eos"
    )
    first = fades if objective.claim.bias else "none"
    return f"{first}; clipped after epoch 1" if objective.num_iterations > 1 else first


def _option(chosen: Mapping[str, str], group: str) -> str:
    """What was chosen for a group, and inside it for a critic or a model of its own."""
    place = f"model.{group}"
    said = chosen.get(f"model/{group}@{place}") or chosen.get(f"model/{group}") or "–"
    inside = [option for key, option in chosen.items() if key.partition("@")[2].startswith(f"{place}.")]
    return f"{said}({inside[0]})" if inside else said


def table() -> str:
    GlobalHydra.instance().clear()
    names = sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml"))
    rows = [HEAD, ("---",) * len(HEAD), *map(row, names)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows).replace("| --- |", "|---|").replace(" --- |", "---|")


def main() -> None:
    index = ROOT / "docs" / "methods" / "README.md"
    before, _, rest = index.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    index.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}")


if __name__ == "__main__":
    main()
