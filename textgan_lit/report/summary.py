"""What a run or a sweep says, in sentences: they stand at the head of its page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from textgan_lit import clock as stopwatch
from textgan_lit.errors import shown
from textgan_lit.functional.significance import half_width
from textgan_lit.report.arms import NULL_CONTROLS, Goal, closing_row, short
from textgan_lit.report.comparison import Comparison, around, chance
from textgan_lit.report.record import TOKENS, Record, Row
from textgan_lit.run.closing_table import chosen, estimate, saturated

CHARACTER = "truth/nll_test_character"
BEST = "likelihood_best_temperature"
HOW_ARMS = "± is half of a 95 % interval over seeds. “Clearly” means p < 0.05 by a test that is paired by seed."
HOW = "± is one standard error. “Clearly” means by more than two standard errors of the difference."


def of_run(record: Record, controls: Sequence[Record] = ()) -> dict[str, str]:
    """By what each sentence is about. ``controls`` are the runs that this one is held against."""
    goal, found = Goal.of([record]), {"Played": _played(record)}
    if not record.closing:
        found["State"] = "Not finished: there is no closing table yet." + _so_far(record, goal)
    before, after = (record.closing.get(name, {}) for name in ("likelihood", "game"))
    if after and before:
        found["The game"] = _change(before, after, goal)
    elif before:
        found["Likelihood"] = f"Its {goal.name} is {_number(before, goal.key)} nats a sentence; no game was played."
    if record.choice:
        kept = chosen(**record.choice).removeprefix("Kept: ")
        found["Kept"] = kept[0].upper() + kept[1:]
    best = record.closing.get(BEST, {})
    if after and best:
        found["Likelihood at its best"] = _held(best, after, goal, f"At temperature {best.get('temperature', 1):g}")
    if CHARACTER in before:
        last = f" before the game, {_number(after, CHARACTER)} after it" if CHARACTER in after else ""
        found["Held-out text"] = f"{_number(before, CHARACTER)} nats a character{last}."
    if after:
        found["Control"] = _controlled(record, controls, goal)
    return found | {"Cost": _cost(record)}


def of_sweep(compared: Comparison, records: Sequence[Record]) -> dict[str, str]:
    """The best arm, and what its control makes of it."""
    found, goal = compared.found, compared.found.goal
    started = len(records) + len(found.missing)
    ran = f"{len(records)} runs" + (f" of {started}" if found.missing else "")
    swept = ", ".join(short(key, found.keys) for key in found.keys)
    told = {"Compared": f"{ran}, in {len(found.arms)} arms by {shown(swept) or 'nothing'}."}
    lines = compared.lines(goal.key, compared.views[0])
    best = lines[0]
    values = list(best.values.values())
    mean, seeds = around(statistics.fmean(values), half_width(values)), f"{len(values)} seed{'s' * (len(values) > 1)}"
    told["Best"] = f"{shown(best.arm.name)}: {goal.name} {mean} over {seeds}."
    if best.test is not None:
        sure = {True: "clearly better", False: "not clearly different"}[best.p < 0.05 and best.test.difference < 0]
        far = around(best.test.difference, best.test.half, "+")
        told["Control"] = f"{shown(best.control.name)}: the best arm is {sure} ({far}, p = {chance(best.p)})."
    elif compared.controls:
        told["Control"] = "The best arm is a control itself, or has none with the same seeds."
    else:
        told["Control"] = "None was played: nothing here says that it was D that taught."
    seconds = sum(record.time.get("cpu_seconds", 0.0) for record in records)
    return told | ({"Cost": f"{seconds:,.0f} CPU seconds in all."} if seconds else {})


def _played(record: Record) -> str:
    last = record.evaluations[-1]
    steps = {name: last.get(f"steps/{name}", 0) for name in ("pretrain", "discriminator", "generator")}
    names = {"pretrain": "of likelihood", "discriminator": "of D", "generator": "of G against D"}
    told = ", ".join(f"{count:,.0f} steps {names[name]}" for name, count in steps.items() if count)
    chosen = [record.choices.get(group, "") for group in ("model", "data")]
    what = " on ".join(filter(None, chosen)) or record.name
    seed = f", seed {shown(str(record.config['seed']))}" if "seed" in record.config else ""
    control = f" A null control ({_control(record)}): what is paid must not teach." if _control(record) else ""
    return f"{shown(what)}{seed}: {told or 'no step'}.{control}"


def _control(record: Record) -> str:
    found = record.choices.get("model/control", "")
    return found if found in NULL_CONTROLS else ""


def _so_far(record: Record, goal: Goal) -> str:
    seen = [row for row in record.evaluations if goal.key in row]
    if not seen:
        return ""
    return f" On the validation sentences so far: {_change(seen[0], seen[-1], goal)}"


def _change(before: Row, after: Row, goal: Goal) -> str:
    if goal.key not in before or goal.key not in after:
        return f"The {goal.name} was not measured on both sides."
    judged, values = _judged(before, after, goal), (_number(row, goal.key) for row in (before, after))
    return f"{judged[0].upper()}{judged[1:]}: the {goal.name} went from {' to '.join(values)} nats a sentence."


def _held(rival: Row, after: Row, goal: Goal, where: str) -> str:
    if goal.key not in rival or goal.key not in after:
        return f"{where} it was not measured."
    return f"{where} likelihood has {_number(rival, goal.key)}: the game is {_judged(rival, after, goal)}."


def _judged(rival: Row, after: Row, goal: Goal) -> str:
    """How ``after`` compares, lower being better; errors as of independent numbers, which is cautious: both were judged
    on the same sentences."""
    if saturated(rival) and saturated(after):
        return "no way to tell, both are saturated"
    difference = after[goal.key] - rival[goal.key]
    errors = [row.get(f"{goal.key}_se") for row in (rival, after)]
    if None in errors:
        return "lower" if difference < 0 else "not lower"
    clear = 2 * math.hypot(*errors)
    return (
        "clearly better" if difference < -clear else "clearly worse" if difference > clear else "not clearly different"
    )


def _number(row: Row, key: str) -> str:
    if key not in row:
        return "not measured"
    return estimate(row[key], row.get(f"{key}_se")) + " (saturated)" * (key == "truth/jsd" and saturated(row))


def _controlled(record: Record, controls: Sequence[Record], goal: Goal) -> str:
    if _control(record):
        return "This is one."
    known = [closing_row(one) for one in controls if goal.value(one) is not None]
    if controls and (not known or goal.value(record) is None):
        return f"The {goal.name} was not measured on both sides, of as many sentences each."
    if not known:
        return (
            "None was given, so nothing here says that it was D that taught. Play the same overrides with "
            "model/control=shuffled, and then: textgan report RUN --control THAT_RUN"
        )
    mean = {goal.key: statistics.fmean(row[goal.key] for row in known)}
    if len(known) > 1:
        mean[f"{goal.key}_se"] = statistics.stdev(row[goal.key] for row in known) / len(known) ** 0.5
    elif f"{goal.key}_se" in known[0]:
        mean[f"{goal.key}_se"] = known[0][f"{goal.key}_se"]
    names = dict.fromkeys(f"model/control={_control(one)}" if _control(one) else one.name for one in controls)
    judged = _judged(mean, closing_row(record), goal)
    return f"{shown(', '.join(names))} ends at {_number(mean, goal.key)}: the game is {judged}."


def _cost(record: Record) -> str:
    last = record.evaluations[-1]
    spent = record.time or {"cpu_seconds": last.get("system/cpu_seconds"), "seconds": last.get("system/seconds")}
    parts = [f"{spent['cpu_seconds']:,.0f} CPU seconds"] if spent.get("cpu_seconds") is not None else []
    if record.time:
        parts.append(f"on the clock {stopwatch.told(record.time)}")
    elif spent.get("seconds") is not None:
        parts.append(f"{spent['seconds']:,.0f} s until the last evaluation")
    parts += [f"{last['steps/all']:,.0f} steps"]
    parts += [f"{last[TOKENS]:,.0f} tokens read and written"] if TOKENS in last else []
    return "; ".join(parts) + "."
