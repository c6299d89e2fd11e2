"""What a report of one run shows, and in which order; each section only where the run has its numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml  # what Hydra writes with, and brings

from textgan_lit.report import chart, names, quality, scatter, summary
from textgan_lit.report.chart import Chart, Table
from textgan_lit.report.lines import course, curve, moment
from textgan_lit.report.record import TOKENS, Record, Row
from textgan_lit.run.closing_table import lines, saturated, titled, titles

LIKELIHOOD = ("pretrain/nll", "pretrain/nll_bound", "pretrain/nll_any_order", "pretrain/nll_held_out")
ACROSS = "On held-out sentences of the training file: generators, and real sentences of either file"


@dataclass
class Sentences:
    """The sample browser: for every moment the sentences of that evaluation."""

    moments: list[list[Row]]


@dataclass
class Text:
    """Lines as they are, folded away under their ``title``."""

    title: str
    text: str


class Facts(dict[str, str]):
    """Names and what there is to say of each."""


Part = Chart | Table | Sentences | Text | Facts


@dataclass
class Section:
    """A heading, a sentence on how to read it, and what is shown."""

    title: str
    note: str
    parts: list[Part] = field(default_factory=list)


@dataclass
class Report:
    """All of a page. ``summary`` stands at its head, by what each sentence is about, with ``how`` to read it;
    ``moments`` are the places of its sliders."""

    name: str
    summary: dict[str, str]
    how: str
    sections: list[Section]
    moments: list[str]
    left_out: list[str]


def of(record: Record, controls: Sequence[Record] = ()) -> Report:
    """``controls`` are runs that the summary holds this one against."""
    moments = chart.thinned(record.evaluations)
    found = [closing(record), sentences(record, moments), truth(record), losses(record), likelihood(record)]
    found += [positions(moments), discriminator(record, moments), frontier(record), proxies(record), cost(record)]
    found.append(provenance(record))
    there = [section for section in found if section.parts]
    told = summary.of_run(record, controls)
    return Report(record.name, told, summary.HOW, there, [moment(row) for row in moments], record.left_out)


def closing(record: Record) -> Section:
    section = Section(
        "Before and after", "On the test sentences; nats, ± one standard error. ↓ or ↑: the good direction."
    )
    for title, rows in (("Before and after", record.closing), (ACROSS, record.across_files)):
        columns = {titled(name, row): row for name, row in rows.items()}
        keys = {title: key for title, (key, *_) in titles(columns).items()}
        heads, found = lines(columns)
        found = [[names.name(keys[line[0]]) + names.arrow(keys[line[0]]), *line[1:]] for line in found]
        section.parts += [Table(title, ["", *heads], found)] if found else []
    return section


def losses(record: Record) -> Section:
    """Each player's own, over its own steps."""
    section = Section("Losses", "What each player learns by, over its own steps: means of some steps of training.")
    seen = {names.name(key): key for key in LIKELIHOOD if any(key in row for row in record.rows)}
    rows = [row for row in record.rows if not row.get("steps/generator") and not row.get("steps/discriminator")]
    by = {"pretraining steps": "steps/pretrain"}
    note = "Held-out sentences turning up while training's go down: it learns by heart."
    section = _with(section, course("pretraining", "Likelihood ↓", note, "nats a token", rows, seen, by=by))
    note = "log 2 = 0.6931 is guessing. Low is no proof: D may know its sentences by heart."
    by, seen = {"discriminator steps": "steps/discriminator"}, {"D's loss": "discriminator/bce"}
    section = _with(section, course("d-loss", "D's loss", note, "nats a sentence", record.rows, seen, by=by))
    by, note = {"generator steps": "steps/generator"}, "What the game pays a token, before the baseline."
    seen = {"reward": "generator/reward"}
    section = _with(section, course("reward", "G's reward ↑", note, "the reward's unit", record.rows, seen, by=by))
    note, seen = "A steady fall with the divergence unmoved is mere sharpening.", {"entropy": "generator/entropy"}
    return _with(section, course("entropy", "G's entropy", note, "nats a token", record.rows, seen, by=by))


def provenance(record: Record) -> Section:
    """Where the numbers come from: what the run wrote of itself, else what Hydra composed."""
    section, found = Section("Where this comes from", ""), record.provenance
    command = " ".join(["python train.py", *map(shlex.quote, record.overrides)])
    facts = Facts(command=command) if record.overrides or record.choices else Facts()
    facts.update({key: found[key] for key in ("commit", "machine") if isinstance(found.get(key), str)})
    versions = found.get("versions")
    if isinstance(versions, dict):
        facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    section.parts += [facts] if facts else []
    resolved = found.get("configuration")
    config, how = (resolved, "resolved") if isinstance(resolved, dict) else (record.config, "as it was composed")
    if config:
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
        section.parts.append(Text(f"The configuration, {how}", text))
    return section


def truth(record: Record) -> Section:
    series = {
        "true JSD ± 2 SE ↓": "truth/jsd",
        "what D says it is at least (calibrated) ± 2 SE": "bound/value",
        "D as it is, uncalibrated ± 2 SE": "bound/raw",
    }
    rows = taught(record.evaluations)
    seen = [row[key] for row in rows for key in series.values() if chart.finite(row.get(key)) is not None]
    low = max(min([0.0, *seen]) - 0.01, -0.2)
    note = "The truth is 0 where G writes what the data are, and at most log 2 = 0.6931."
    note += " What lies below −0.2 is cut off." if min([0.0, *seen]) < -0.2 else ""
    title = "Jensen–Shannon divergence between data and generator"
    drawn = course("truth", title, note, "nats a sentence", rows, series, domain=(low, 0.72), height=320)
    known = any("truth/jsd" in row for row in rows)
    section = Section("Truth against proxies", "The divergence that the game is about, beside what D claims of it.")
    if not known:
        section = Section("What D claims", "The truth is not known here; what D proves is a lower bound of it.")
    return _with(_with(section, horizon(rows)), drawn)


def horizon(rows: list[Row]) -> Chart | None:
    """What speaks where the true JSD is saturated; None where it never is."""
    if not any(map(saturated, rows)):
        return None
    note = "The true JSD is saturated: its interval reaches log 2. Here is how many tokens it takes to get half way."
    series = {"horizon": "truth/horizon"}
    return course("horizon", "Horizon ↑", note, "tokens", rows, series, zero=True)


def taught(rows: list[Row]) -> list[Row]:
    """Without what a D says before its first step, where it has any: that is noise, and falls on the first of G's."""
    if not any(row.get("steps/discriminator") for row in rows):
        return rows
    return [
        {key: value for key, value in row.items() if row.get("steps/discriminator") or not key.startswith("bound/")}
        for row in rows
    ]


def likelihood(record: Record) -> Section:
    rows, unit = record.evaluations, "nats a token"
    section = Section("Likelihoods and their splits", "Each NLL is an entropy and a divergence on top of it.")
    splits = {
        "nll_test": ("H(P)", "entropy_p", "KL(P‖G)", "kl_pg_token", "Rises where G fails to say what the data say."),
        "nll_oracle": ("H(G)", "entropy_g", "KL(G‖P)", "kl_gp_token", "Losing entropy alone lowers it."),
    }
    for name, (entropy, lower, divergence, upper, note) in splits.items():
        title, whole = name.replace("nll", "NLL"), {"the whole": f"truth/{name}"}
        parts = {entropy: f"truth/{lower}", divergence: f"truth/{upper}"}
        known = all(any(key in row for row in rows) for key in parts.values())
        title += f" = {entropy} + {divergence}" * known + names.arrow(f"truth/{name}")
        drawn = course(name, title, note, unit, rows, parts if known else whole, stacked=known)
        section = _with(section, drawn)
    return section


def positions(moments: list[Row]) -> Section:
    section = Section("Token by token", "The slider chooses the evaluation; thin lines are the others.")
    jsd = {"chain rule": "curve/prefix_jsd", "direct": "curve/prefix_jsd_direct"}
    note = "How far apart the first t tokens are: two estimates, which should agree."
    section = _with(section, curve("prefix-jsd", "JSD of the first t tokens ↓", note, "nats", moments, jsd))
    bias = {"after the data's prefixes": "curve/teacher_forced_kl", "after G's own prefixes": "curve/free_running_kl"}
    note = "Where G's own prefixes are no worse than the data's, there is no exposure bias."
    return _with(section, curve("exposure", "KL(P‖G) of the next token ↓", note, "nats a token", moments, bias))


def discriminator(record: Record, moments: list[Row]) -> Section:
    rows = taught(record.evaluations)
    section = Section("The discriminator", "How good D is, against the best that anybody could be.")
    accuracy = {"the best possible (Bayes)": "truth/bayes_accuracy", "D, calibrated": "bound/accuracy"}
    if any("bound/accuracy" in row for row in rows):
        note = "½ is guessing. D near the best one teaches what there is to teach."
        section = _with(section, course("accuracy", "Accuracy", note, "share", rows, accuracy))
    wrong = {"calibration error": "bound/calibration_error"}
    note = "“70 % real” means that 70 % are, where it is 0; a little above by chance."
    section = _with(section, course("calibration", "Calibration error ↓", note, "share", rows, wrong, zero=True))
    section = _with(section, scatter.reliability(moments))
    behind = {"KL(D*‖D) ± 2 SE": "bound/regret"}
    note = "How far D as it is lies behind the best D there could be."
    section = _with(section, course("regret", "Regret ↓", note, "nats a sentence", rows, behind, zero=True))
    follows = {"rank correlation ± 2 SE": "truth/reward_correlation"}
    note = "Of D's score with log P/G, over samples. Near 0, what the generator is paid for leads nowhere."
    section = _with(
        section, course("reward-correlation", "Does the reward follow the truth? ↑", note, "−1 to 1", rows, follows)
    )
    target = {"standard deviation ± 2 SE": "truth/target_drift"}
    note = "How far the best reward, log P/G, moved since the evaluation before, on sentences written then."
    title = "The moving target"
    section = _with(section, course("target", title, note, "nats a sentence", rows, target, zero=True))
    stale = {"D's loss after a generator step − before": "game/staleness"}
    note = "By how much one generator step puts D behind."
    section = _with(section, course("staleness", "Staleness", note, "nats a sentence", record.rows, stale))
    k = {"discriminator steps before one of G": "schedule/k"}
    note = "How many steps the schedule gave to D before each generator step."
    return _with(section, course("k", "Steps of D to one of G", note, "steps", record.rows, k, zero=True))


def frontier(record: Record) -> Section:
    note = "Both generators at every temperature that was tried, on the same validation sentences."
    section = _with(Section("The frontier", note), scatter.frontier(record.frontier))
    return _with(section, scatter.frontier(record.frontier, scatter.SURFACE))


def proxies(record: Record) -> Section:
    note = "What can be said without knowing the truth; broken lines are real text's own numbers."
    return Section("Quality and diversity", note, [*quality.charts(record.rows)])


def sentences(record: Record, moments: list[Row]) -> Section:
    note = (
        "The same noise each time: one follows the same sentence. The stronger the colour, the less expected the token."
    )
    section = Section("Samples", note)
    found = [record.samples.get(row["steps/all"], []) for row in moments]
    if any(found):
        section.parts = [Sentences(found)]
    return section


def cost(record: Record) -> Section:
    """Seconds and tokens of each phase, from the last row before it to its own last row."""
    rows = record.rows or record.evaluations
    section = Section(
        "Cost", "Each phase from the last row before it to its own last; evaluations and held-out checks included."
    )
    if not all(key in row for row in rows for key in ("system/seconds", TOKENS)):
        return section
    phases = {"likelihood": [], "discriminator's pretraining": [], "game": []}
    for row in rows:
        playing, taught = row.get("steps/generator", 0) > 0, row.get("steps/discriminator", 0) > 0
        phases["game" if playing else "discriminator's pretraining" if taught else "likelihood"].append(row)
    lines, before = [], {}
    for name, those in phases.items():
        if those:
            lines.append([name, *_spent(before, those[-1])])
            before = those[-1]
    columns = ["phase", "steps", "seconds", "CPU seconds", "tokens", "tokens a second"]
    section.parts = [Table("Seconds by phase", columns, lines)]
    return section


def _spent(before: Row, after: Row) -> list[int | float]:
    keys = ("steps/all", "system/seconds", "system/cpu_seconds", TOKENS)
    steps, seconds, cpu, tokens = (after.get(key, 0) - before.get(key, 0) for key in keys)
    return [steps, seconds, cpu, tokens, tokens / seconds if seconds > 0 else 0.0]


def _with(section: Section, drawn: Chart | None) -> Section:
    section.parts += [] if drawn is None else [drawn]
    return section


def charts(report: Report) -> Iterator[Chart]:
    return (part for section in report.sections for part in section.parts if isinstance(part, Chart))
