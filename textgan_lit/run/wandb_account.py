"""W&B with the settings of the environment and of the user's own ~/.config/wandb, and of nobody else.

W&B also reads ``wandb/settings`` below the working directory, once, when it is first used. That may be somebody's run,
and the file may name a server: W&B would send it the user's key.
"""

from __future__ import annotations

import os


def set_up() -> None:
    """Starts W&B, as everything that uses it wants it started first; where it runs already, nothing happens.

    The working directory is the root meanwhile, where nobody else may write.
    """
    import wandb

    here = os.getcwd()
    os.chdir(os.sep)
    try:
        wandb.setup()
    finally:
        os.chdir(here)
