"""The file for W&B's agents: what they make of it is a command line that composes."""

from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from textgan_lit.run.keys import best

ROOT = Path(__file__).parents[2]
SWEEP = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())


def values(parameter):
    return parameter.get("values") or [parameter.get("value", parameter.get("min")), parameter.get("max")]


def expanded(chosen):
    """The agent's own expansion of a command."""
    flags = create_sweep_command_args({"args": {key: {"value": value} for key, value in chosen.items()}})
    wanted = SWEEP["command"][SWEEP["command"].index("${program}") + 1 :]
    return [
        token for part in wanted for token in (flags["args_no_hyphens"] if part == "${args_no_hyphens}" else [part])
    ]


def test_whatever_an_agent_chooses_composes():
    assert (ROOT / SWEEP["program"]).is_file()
    for place in range(max(len(values(parameter)) for parameter in SWEEP["parameters"].values())):
        chosen = {
            key: values(parameter)[place % len(values(parameter))] for key, parameter in SWEEP["parameters"].items()
        }
        chosen = {key: value for key, value in chosen.items() if value is not None}
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = compose("train", expanded(chosen))
        for key, value in chosen.items():
            found = config
            for name in key.split("."):
                found = found[name]
            assert found == value


def test_its_metric_is_one_that_has_a_better_way():
    key, _, extreme = SWEEP["metric"]["name"].rpartition(".")
    assert best(key) == extreme == "min"
    assert SWEEP["metric"]["goal"] == "minimize"
