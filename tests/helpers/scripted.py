"""A schedule, played as the system plays it, from scripts of readings and validations."""

from textgan_lit.model.schedule import Fixed, Guard, Schedule
from textgan_lit.types import Clock, HeldOutCheck

CLEAR, UNCLEAR = 0.5, 0.01  # bounds, each ± 0.1
READ = ("bce", "accuracy", "regret")


def schedule(rule=None, **settings):
    """Without pretraining and readings, unless asked for."""
    quiet = {"pretrain_steps": 0, "discriminator_pretrain_steps": 0, "check_every": 0}
    return Schedule(rule or Fixed(), **quiet | settings)


def reading(clock, bound, **numbers):
    found = {"bce": 0.6, "bound_se": 0.1, "raw_bound": bound, "accuracy": 0.5} | numbers
    return HeldOutCheck(bound=bound, steps=dict(clock.steps), **found)


class Play:
    """Plays a schedule as the system does. ``bound(clock)`` is what a reading says, ``nll(clock)`` a validation;
    ``numbers`` are a reading's others, functions of the letters so far."""

    def __init__(self, schedule, bound=lambda clock: CLEAR, nll=lambda clock: 0.0, **numbers):
        self.schedule, self.bound, self.nll, self.numbers = schedule, bound, nll, numbers
        self.clock, self.reading = Clock(), None
        self.updates: list[str] = []
        self.read_at: list[dict[str, int]] = []  # the clock at each reading
        self.judged: list[tuple[int, bool]] = []  # pretraining steps at each validation, and whether it was the best
        self.told: list[tuple[int, dict[str, int]]] = []  # before each generator step: k, and the rule's reasons

    def next(self):
        if self.schedule.wants_validation(self.clock):
            best = self.schedule.report_validation(self.clock, self.nll(self.clock))
            self.judged.append((self.clock.steps["pretrain"], best))
        if self.schedule.wants_reading(self.clock):
            numbers = {name: says(self.letters) for name, says in self.numbers.items()}
            self.reading = reading(self.clock, self.bound(self.clock), **numbers)
            self.read_at.append(self.reading.steps)
        return self.schedule.next_update(self.clock, self.reading)

    def run(self, steps=10**4):
        while len(self.updates) < steps and (update := self.next()) is not None:
            if update == "generator":
                self.told.append((self.schedule.d_steps_since_g, self.schedule.answers))
            self.clock.steps[update] += 1
            self.schedule.played(self.clock, update)
            self.updates.append(update)
        return self

    @property
    def letters(self):
        return "".join(update[0] for update in self.updates).replace("p", "P").replace("d", "D").replace("g", "G")


def guarded(**settings):
    return schedule(Guard(patience=settings.pop("patience", 100)), **{"check_every": 1} | settings)


def says(*script):
    """One number a look, whatever the letters."""
    numbers = iter(script)
    return lambda letters: next(numbers)


def ruled(rule, **settings):
    return schedule(rule, **{"check_every": 1, "discriminator_pretrain_steps": 1} | settings)
