"""Builds or updates a saved workspace of a W&B project: the course of its runs, panel by panel.

Run again, it brings the workspace back to what this command says; runs and other workspaces are left alone.
See docs/dashboard.md.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # what Hydra writes with, and brings

from textgan_lit.errors import UserError, shown
from textgan_lit.run import wandb_account
from textgan_lit.run.folder import holds_a_run
from textgan_lit.run.keys import clock

NAME, VIEW = "textgan_lit", "nw-textganlit-v"  # what people see; by what the workspace is found again
PLACE = re.compile(r"[\w.-]+/[\w.-]+")


class Panel(NamedTuple):
    """Lines of ``keys``, or of all that ``match`` (a regular expression), over the clock ``x``: by default their own.

    ``kind`` "summary" is a bar for each run; "table" is a table that runs have logged.
    """

    title: str
    keys: tuple[str, ...] = ()
    match: str | None = None
    x: str | None = None
    kind: str = "lines"

    @property
    def clock(self) -> str:
        return self.x or clock(self.keys[0] if self.keys else self.match) or "steps/all"


STORY = {
    "Truth against proxies": (
        Panel("True JSD, and what D says of it", ("truth/jsd", "bound/value", "bound/raw")),
        Panel("True JSD: best evaluation", ("truth/jsd.min",), kind="summary"),
        Panel(
            "True JSD on the test sentences: pretraining, its best temperature, game",
            tuple(f"closing/{name}.truth/jsd" for name in ("likelihood", "likelihood_best_temperature", "game")),
            kind="summary",
        ),
        Panel("What D does not see", ("bound/gap",)),
        Panel("NLL_oracle = H(G) + KL(G‖P)", ("truth/nll_oracle", "truth/entropy_g", "truth/kl_gp_token")),
        Panel("NLL_test = H(P) + KL(P‖G)", ("truth/nll_test", "truth/entropy_p", "truth/kl_pg_token")),
        Panel("Left after re-weighting by D", ("truth/jsd", "bound/reweighted_jsd")),
    ),
    "Is D ahead?": (
        Panel("Steps of D before one of G: k_t", ("schedule/k",)),
        Panel("Why: the rule's answers", match="schedule/why/.+"),
        Panel("Accuracy against Bayes", ("bound/accuracy", "truth/bayes_accuracy")),
        Panel("Regret: how far behind the best D", ("bound/regret",)),
        Panel("Regret, at held-out checks", ("game/regret",)),
        Panel("Staleness: what one step of G costs D", ("game/staleness",)),
        Panel("Bound, at held-out checks", ("game/bound", "game/bound_raw")),
        Panel("Calibration error", ("bound/calibration_error",)),
    ),
    "Exposure bias": (
        Panel("Excess KL after G's own prefixes, %", ("truth/exposure_error",)),
        Panel("Excess total variation after G's own prefixes, %", ("truth/exposure_tv",)),
        Panel("Tokens until prefixes give G away", ("truth/horizon",)),
    ),
    "Quality and diversity": (
        Panel("BLEU", match="quality/bleu[0-9]+_[0-9]+"),
        Panel("Self-BLEU, beside real text's", match="quality/self_bleu[0-9]+_[0-9]+(_real)?"),
        Panel("Different n-grams, beside real text's", match="quality/distinct[0-9]+_[0-9]+(_real)?"),
        Panel("Different sentences", ("health/distinct", "health/distinct_real")),
        Panel("Entropy of G and of P", ("truth/entropy_g", "truth/entropy_p")),
        Panel("JSD of n-grams, beside its floor", match="quality/ngram_jsd[0-9]+_[0-9]+(_real)?"),
        Panel("MS-Jaccard, beside its ceiling", match="quality/ms_jaccard[0-9]+_[0-9]+(_real)?"),
        Panel("Longest copied span, beside real text's", match="quality/copied_span_[0-9]+(_real)?"),
        Panel("Sentences that keep the world's rules", match="truth/valid_.+"),
    ),
    "Samples": (Panel("The same noise at every evaluation", ("samples/table",), kind="table"),),
    "Cost": (
        Panel("True JSD over seconds", ("truth/jsd",), x="system/seconds"),
        Panel("True JSD over tokens written", ("truth/jsd",), x="tokens/sampled"),
        Panel("Seconds", ("system/seconds", "system/cpu_seconds")),
        Panel("Tokens read and written", ("tokens/real", "tokens/sampled")),
        Panel("Steps of each update", ("steps/pretrain", "steps/discriminator", "steps/generator")),
        Panel("Steps at fault", ("faults/left_out", "faults/rollbacks")),
    ),
}
COLUMNS = ("run:displayName", "summary:truth/jsd.min", "summary:truth/jsd.last", "summary:bound/gap.last")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan dashboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="where the runs are")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be saved, as YAML: asks nobody")
    return parser


def run(options: argparse.Namespace) -> int:
    if not PLACE.fullmatch(options.project):
        raise UserError(f"{shown(options.project)}: wanted ENTITY/PROJECT, such as my-team/textgan_lit.")
    here = Path(options.project)
    if here.is_file() or holds_a_run(here):
        what = "a file" if here.is_file() else "a run's folder"
        raise UserError(
            f"{shown(options.project)} is {what} here. Wanted W&B's ENTITY/PROJECT, such as my-team/textgan_lit."
        )
    if options.dry_run:
        print(yaml.safe_dump(specification(options.project), sort_keys=False, allow_unicode=True, width=120), end="")
        return 0
    print(save(*options.project.split("/")))
    return 0


def specification(project: str) -> dict[str, Any]:
    """The workspace as plain containers."""
    sections = [{"section": title, "panels": [_plain(panel) for panel in panels]} for title, panels in STORY.items()]
    return {"workspace": NAME, "project": project, "columns": list(COLUMNS), "sections": sections}


def _plain(panel: Panel) -> dict[str, Any]:
    what = {"match": panel.match} if panel.match else {"keys": list(panel.keys)}
    return {"title": panel.title, "kind": panel.kind} | what | ({"x": panel.clock} if panel.kind == "lines" else {})


def save(entity: str, project: str) -> str:
    """Saves the workspace in the project, in place of its older self; returns its address.

    Raises:
        UserError: without wandb-workspaces, a login, the project, or an answer.
    """
    try:
        from wandb_workspaces.workspaces import internal
    except ImportError as error:
        raise UserError('Dashboards take wandb-workspaces: pip install "textgan_lit[dashboard]".') from error
    made = workspace(entity, project)
    # There is no public way to ask for a view by its name: a second run would make a second one.
    made._internal_name = VIEW
    try:
        wandb_account.set_up()
        made._internal_id = _id(internal, entity, project)
        return made.save().url
    except Exception as error:  # whatever a server, or the way to it, may raise
        line = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{entity}/{project}: W&B did not save the workspace ({line}). Is the name right, and has `wandb login` "
            "been said? --dry-run prints it without asking anybody."
        ) from error


def _id(internal: Any, entity: str, project: str) -> str:
    """Of the workspace as it was saved before; empty where it was not."""
    try:
        return internal.View.from_name(entity, project, VIEW).id
    except ValueError as error:
        if "Workspace" in str(error):
            return ""
        raise


def workspace(entity: str, project: str) -> Any:
    """The course as wandb-workspaces writes it."""
    from wandb_workspaces import workspaces

    sections = [
        workspaces.Section(name=title, panels=[_drawn(panel) for panel in panels], is_open=True)
        for title, panels in STORY.items()
    ]
    runs = workspaces.RunsetSettings(pinned_columns=list(COLUMNS))
    return workspaces.Workspace(entity=entity, project=project, name=NAME, sections=sections, runset_settings=runs)


def _drawn(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    if panel.kind == "table":
        return v2.WeavePanelSummaryTable(table_name=panel.keys[0], layout=v2.Layout(w=24, h=12))
    if panel.kind == "summary":
        return v2.BarPlot(title=panel.title, metrics=[v2.SummaryMetric(key) for key in panel.keys])
    if panel.match:
        return v2.LinePlot(title=panel.title, x=panel.clock, metric_regex=f"^{panel.match}$")
    return v2.LinePlot(title=panel.title, x=panel.clock, y=list(panel.keys))
