"""Pure mathematics: tensors in, tensors out (of tables: plain numbers). Nothing here knows Lightning, Hydra or W&B."""
