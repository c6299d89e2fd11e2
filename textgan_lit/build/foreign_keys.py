"""Keys that people bring from elsewhere or from an earlier version, each with the key that does its work here.

Free of torch, for the command line answers with it, too.
"""

from __future__ import annotations

import re

CLIPPED = (
    "An update clips the norm of its own gradient: model.optim.pretrain.max_grad_norm=5 (or discriminator, generator)."
)
STEPS = (
    "How long a run plays is the schedule's to say, in steps: model.schedule.pretrain_steps=1000, "
    "model.schedule.adversarial_steps=500."
)
CUT = (
    "The schedule ends a run: model.schedule.adversarial_steps=500; trainer.max_steps=1000 cuts it short, after so "
    "many steps."
)
SCHEDULE = "Evaluations come after so many steps: callbacks.evaluation.every.generator=50 (or pretrain, discriminator)."
PROCESSES = "Several processes always play by DDP: give trainer.devices and trainer.num_nodes."
SET = "The design fixes it: a batch is a step, and its data, noise and state are the run's own. Leave it out."
CALLBACKS = "The group callbacks holds them: callbacks.health.stop=true, or +callbacks.mine._target_=my_package.Mine."

FOLDER = "All files of a run lie in its folder: hydra.run.dir=outputs/mine."

INSTEAD = {
    **dict.fromkeys((f"callbacks.{name}.folder" for name in ("checkpoints", "truth", "samples", "closing")), FOLDER),
    **dict.fromkeys(
        (f"model.optim.{name}.weight_decay" for name in ("pretrain", "discriminator", "generator")),
        "An optimizer that decays weights is adamw: model/optimizer@model.optim.generator=adamw.",
    ),
    "data.streaming": "Text is mapped from the disk, so none of it need fit into memory (docs/data.md#the-cache).",
    "trainer.max_epochs": STEPS,
    "trainer.min_epochs": STEPS,
    "trainer.min_steps": STEPS,
    "trainer.limit_train_batches": CUT,
    "trainer.fast_dev_run": "debug=smoke plays any configuration in seconds.",
    "trainer.overfit_batches": "Give fewer sentences: data.train=512.",
    "trainer.limit_test_batches": "Give fewer sentences: data.test=1000.",
    "trainer.limit_predict_batches": "textgan generate RUN -n 100 writes so many sentences.",
    "trainer.val_check_interval": SCHEDULE,
    "trainer.check_val_every_n_epoch": SCHEDULE,
    "trainer.num_sanity_val_steps": SCHEDULE,
    "trainer.log_every_n_steps": "The log has a row after so many steps of an update: callbacks.steps.every=10.",
    "trainer.accumulate_grad_batches": "A step's batch is an update's: model.optim.generator.batch_size=1024 (or "
    "pretrain, discriminator), over all processes.",
    "trainer.gradient_clip_val": CLIPPED,
    "trainer.gradient_clip_algorithm": CLIPPED,
    "trainer.enable_checkpointing": "~callbacks.checkpoints saves nothing; callbacks.checkpoints.keep=3 says how many.",
    "trainer.enable_progress_bar": "~callbacks.progress takes the bar away.",
    "trainer.default_root_dir": "A run's folder is hydra.run.dir=outputs/mine.",
    "trainer.detect_anomaly": "faults.policy says what happens where a loss or a gradient is no number.",
    "trainer.logger": "Loggers are a group: logger=offline, csv, wandb or none.",
    "trainer.callbacks": CALLBACKS,
    "trainer.strategy": PROCESSES,
    "trainer.sync_batchnorm": PROCESSES,
    **dict.fromkeys(
        (
            *("callbacks.health.repeats", "callbacks.health.variety", "callbacks.health.informed"),
            *("model.credit.max_rows", "callbacks.samples.most", "metrics.evaluation.novelty.most"),
        ),
        "Since version 0.2 it is a constant in the code: nobody turned it.",
    ),
    **dict.fromkeys(
        (
            *("trainer.use_distributed_sampler", "trainer.reload_dataloaders_every_n_epochs", "trainer.plugins"),
            *("trainer.inference_mode", "trainer.barebones", "trainer.enable_model_summary", "trainer.benchmark"),
            *("trainer.enable_autolog_hparams", "trainer.model_registry"),
        ),
        SET,
    ),
}


# Keys and groups of version 0.1, each with its pattern: what they are called since 0.2.
RENAMED = (
    (r"model\.moves\.likelihood\b", "model.optim.pretrain"),
    (r"model\.moves\b", "model.optim"),
    (r"(model\.optim\.\w+)\.optimizer\b", r"\1"),
    (r"(model\.optim\.\w+)\.batch$", r"\1.batch_size"),
    (r"(model\.optim\.\w+)\.clip$", r"\1.max_grad_norm"),
    (r"model\.program\.warm_up$", "model.schedule.pretrain_steps"),
    (r"model\.program\.discriminator_warm_up$", "model.schedule.discriminator_pretrain_steps"),
    (r"model\.program\.duel$", "model.schedule.adversarial_steps"),
    (r"model([./])program\b", r"model\1schedule"),
    (r"model([./])adversary\b", r"model\1discriminator_loss"),
    (r"model\.estimator\.turns$", "model.estimator.steps"),
    (r"callbacks\.schedule\.likelihood$", "callbacks.evaluation.every.pretrain"),
    (r"callbacks\.schedule\.(discriminator|generator)$", r"callbacks.evaluation.every.\1"),
    (r"callbacks\.schedule\b", "callbacks.evaluation"),
    (r"callbacks\.turns\b", "callbacks.steps"),
    (r"data\.oracle\.words$", "data.oracle.vocab_size"),
    (r"data\.evaluation_batch$", "data.eval_batch_size"),
    (r"model\.estimator\.epochs$", "model.estimator.num_iterations"),
    (r"model\.estimator\.clip$", "model.estimator.clip_range"),
    (r"model\.estimator\.ratio$", "model.estimator.importance_sampling_level"),
    (r"model\.estimator\.proposal$", "model.estimator.sampling_temperature"),
    (r"model\.estimator\.coldest$", "model.estimator.final_temperature"),
    (r"model\.objective\.anneal$", "model.objective.anneal_steps"),
    (r"model\.objective\.half$", "model.objective.half_steps"),
    (r"model\.objective\.least$", "model.objective.min_share"),
    (r"(model\.schedule\.rule)\.most$", r"\1.max_steps"),
    (r"(model\.schedule\.rule)\.least$", r"\1.min_improvement"),
    (r"(metrics\.closing\.\w+)\.most$", r"\1.max_sentences"),
    (r"reading_size$", "check_size"),
    (r"model/reward=(constant|shuffled)$", r"model/control=\1"),
    (r"model\.estimator\.shuffled$", "model/control=shuffled"),
    (r"model/reward@model\.control$", "model/control"),
)
# The field's words for what has another name here: the last part of a key.
SYNONYMS = {
    **dict.fromkeys(("learning_rate", "lr_g", "lr_d"), "lr"),
    **dict.fromkeys(("batch", "per_device_train_batch_size", "train_batch_size"), "batch_size"),
    **dict.fromkeys(("clip", "grad_clip", "gradient_clip_val", "clip_grad_norm"), "max_grad_norm"),
    **dict.fromkeys(("hidden_dim", "hidden_size", "d_model", "n_embd"), "hidden"),
    **dict.fromkeys(("n_critic", "d_steps", "critic_iters"), "k"),
    **dict.fromkeys(("epochs", "max_epochs", "num_epochs", "num_train_epochs"), "pretrain_steps"),
    **dict.fromkeys(("g_steps", "iterations", "n_iters"), "adversarial_steps"),
    "num_workers": "workers",
}


def today(key: str) -> str | None:
    """What a key, a group or an option of version 0.1 is called now; None where it had that name already.

    >>> today("model.moves.generator.optimizer.lr"), today("model/program"), today("model.schedule.k")
    ('model.optim.generator.lr', 'model/schedule', None)
    """
    new = key
    for pattern, name in RENAMED:
        new = re.sub(pattern, name, new)
    return new if new != key else None


def refusal(key: str) -> str | None:
    """The line for a ``key`` that is none here; None where it is not known from elsewhere."""
    if new := today(key):
        return f"{key} is {new} since version 0.2 (CHANGELOG.md lists what was renamed)."
    return f"{key}: there is no such key. {INSTEAD[key]}" if key in INSTEAD else None
