"""Pure mathematics: tensors in, tensors out. Nothing here knows of Lightning, Hydra or W&B."""
