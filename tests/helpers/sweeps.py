"""Sweeps of the smallest world, in seconds."""

import optuna

from textgan_lit.sweep.study import JOURNAL, opened

WORLD = ("data=tiny", "debug=smoke", "logger=csv", "data.workers=0", "callbacks.closing.temperatures=[1.0,0.8]")
SPACE = ("model.schedule.k=1,2", "model.optim.generator.lr=tag(log,interval(1e-4,1e-1))")


def overrides(folder, *more):
    return ("-m", "sweep=optuna", *WORLD, *more, f"hydra.sweep.dir={folder}")


def study(folder):
    return optuna.load_study(study_name="sweep", storage=opened(str(folder / JOURNAL)))


def trials(folder):
    return study(folder).trials
