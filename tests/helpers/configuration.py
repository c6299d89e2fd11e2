"""What conf/ says, file by file."""

from omegaconf import OmegaConf

from tests.helpers.playing import CONF


def nodes(config) -> list[dict]:
    """Every part that ``config`` describes: itself, and those inside it."""
    if isinstance(config, list):
        return [node for value in config for node in nodes(value)]
    if not isinstance(config, dict):
        return []
    own = [config] if "_target_" in config else []
    return own + [node for value in config.values() for node in nodes(value)]


def written(file: str) -> list[dict]:
    return nodes(OmegaConf.to_container(OmegaConf.load(CONF / file), resolve=False))
