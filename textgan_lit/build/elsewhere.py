"""Keys that people bring from elsewhere, each with the key that does its work here.

Free of torch, for the command line answers with it, too.
"""

from __future__ import annotations

CLIPPED = "A move clips the norm of its own gradient: model.moves.likelihood.clip=5 (or discriminator, generator)."
PROGRAM = "How long a run plays is the program's to say, in turns: model.program.warm_up=1000, model.program.duel=500."
CUT = "The program ends a run: model.program.duel=500; trainer.max_steps=1000 cuts it short, after so many turns."
SCHEDULE = "Evaluations come after so many turns: callbacks.schedule.generator=50, callbacks.schedule.likelihood=100."
PROCESSES = "Several processes always play by DDP: give trainer.devices and trainer.num_nodes."
SET = "The design fixes it: a batch is a turn, and its data, noise and state are the run's own. Leave it out."
CALLBACKS = "The group callbacks holds them: callbacks.health.stop=true, or +callbacks.mine._target_=my_package.Mine."

INSTEAD = {
    "data.streaming": "Text is mapped from the disk, so none of it need fit into memory (docs/data.md#the-cache).",
    "trainer.max_epochs": PROGRAM,
    "trainer.min_epochs": PROGRAM,
    "trainer.min_steps": PROGRAM,
    "trainer.limit_train_batches": CUT,
    "trainer.fast_dev_run": "debug=smoke plays any configuration in seconds.",
    "trainer.overfit_batches": "Give fewer sentences: data.train=512.",
    "trainer.limit_test_batches": "Give fewer sentences: data.test=1000.",
    "trainer.limit_predict_batches": "textgan generate RUN -n 100 writes so many sentences.",
    "trainer.val_check_interval": SCHEDULE,
    "trainer.check_val_every_n_epoch": SCHEDULE,
    "trainer.num_sanity_val_steps": SCHEDULE,
    "trainer.log_every_n_steps": "The log has a row after so many turns of a move: callbacks.turns.every=10.",
    "trainer.accumulate_grad_batches": "A turn's batch is a move's: model.moves.generator.batch=1024 (or likelihood, "
    "discriminator), over all processes.",
    "trainer.gradient_clip_val": CLIPPED,
    "trainer.gradient_clip_algorithm": CLIPPED,
    "trainer.enable_checkpointing": "~callbacks.checkpoints saves nothing; callbacks.checkpoints.keep=3 says how many.",
    "trainer.enable_progress_bar": "~callbacks.progress takes the bar away.",
    "trainer.default_root_dir": "A run's folder is hydra.run.dir=outputs/mine.",
    "trainer.logger": "Loggers are a group: logger=offline, csv, wandb or none.",
    "trainer.callbacks": CALLBACKS,
    "trainer.strategy": PROCESSES,
    "trainer.sync_batchnorm": PROCESSES,
    **dict.fromkeys(
        (
            *("trainer.use_distributed_sampler", "trainer.reload_dataloaders_every_n_epochs", "trainer.plugins"),
            *("trainer.inference_mode", "trainer.barebones", "trainer.enable_model_summary", "trainer.benchmark"),
            *("trainer.enable_autolog_hparams", "trainer.model_registry"),
        ),
        SET,
    ),
}


def refusal(key: str) -> str | None:
    """The line for a ``key`` that is none here; None where it is not known from elsewhere."""
    return f"{key}: there is no such key. {INSTEAD[key]}" if key in INSTEAD else None
