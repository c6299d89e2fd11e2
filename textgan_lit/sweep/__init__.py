"""Sweeps that choose their next trial by those before: Optuna proposes, a Hydra launcher plays, resuming is exact."""
