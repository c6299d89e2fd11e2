"""The page: whole in itself, and deaf to what a run's texts would like it to do."""

import json
import re
import shutil

import pytest

from tests.helpers.runs import MOMENTS, evaluation, lines, made, sampled
from textgan_lit.errors import UserError
from textgan_lit.report import comparison, sections, sweep
from textgan_lit.report import page as pages
from textgan_lit.report.record import read

PLOTS = 33  # of a run with everything
EVIL = "</script><img src=x onerror=document.title='taken'><!-- \" ' ${7*7} \u2028"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return pages.page(sections.of(read(made(tmp_path_factory.mktemp("run") / "run"))))


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A page of a run that has the same text wherever a run has any."""
    folder = made(tmp_path_factory.mktemp("evil") / "run", overrides=(f"name={EVIL}",))
    (folder / ".hydra" / "config.yaml").write_text(json.dumps({"name": EVIL, "seed": EVIL}))
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": {"choices": {"model": EVIL}}}}))
    lines(folder / "samples.jsonl", [sampled(steps, EVIL) for steps in MOMENTS])
    told = {"commit": EVIL, "machine": EVIL, "versions": {EVIL: EVIL}, "configuration": {EVIL: EVIL}}
    (folder / "provenance.json").write_text(json.dumps(told))
    columns = json.loads((folder / "closing.json").read_text())
    (folder / "closing.json").write_text(json.dumps({EVIL: columns["game"] | {f"truth/valid_{EVIL}": 1.0}}))
    return pages.page(sections.of(read(folder)))


def test_nothing_is_fetched(page):
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"\b(src|href)=(?!\"#)|@import|url\(", own)
    assert "default-src 'none'" in own
    assert "eval" not in own.split("<body>")[0]
    assert len(page) < 1.3e6


def test_every_number_is_there_for_those_who_do_not_see_the_plots(page):
    assert page.count("<summary>Numbers</summary>") == page.count("data-chart=") == PLOTS
    assert "<td>0.48</td>" not in page  # ends of bands are the plot's own
    for number in ("0.5", "0.01", "100", "0.4"):
        assert f"<td>{number}</td>" in page


def test_what_a_run_says_is_never_markup(evil):
    body = re.sub(r"<script>.*?</script>", "", evil, flags=re.DOTALL)
    assert "onerror" in body  # it is shown
    assert "<img" not in body
    assert body.count("</script>") == body.count("<script") == 1  # of the data
    told = json.loads(re.search(r'id="data">(.*?)</script>', evil, re.DOTALL)[1])
    assert told["samples"][0][0]["tokens"][0].startswith("</script><img src=x")


def test_a_list_leads_to_every_section(page):
    links = re.findall(r'<a href="#([^"]+)">', page)
    assert links == re.findall(r'<section id="([^"]+)">', page)
    assert len(set(links)) == 11


def test_no_script_of_ours_ends_early(page):
    assert page.count("<script>") == 2
    assert page.count("</script>") == 3
    assert "</script" not in pages._inside("const end = '</script>';")


def test_a_missing_library_is_said_with_the_way_to_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(UserError, match=r'pip install "textgan_lit\[report\]"'):
        pages.converter()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser with")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as player:
        yield player.chromium.launch(executable_path=path, args=["--no-sandbox"])


def opened(browser, text, folder, width=1280, scheme="light"):
    """The page in a window, and all that it complained of or asked for."""
    (folder / "report.html").write_text(text, encoding="utf-8")
    window, said = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("request", lambda request: request.url.startswith("file:") or said.append(request.url[:99]))
    window.goto((folder / "report.html").as_uri())
    window.wait_for_function("[...document.querySelectorAll('[data-chart]')].every((place) => place.dataset.drawn)")
    return window, said


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_in_a_browser_without_a_token_and_without_overflow(browser, page, width, scheme, tmp_path):
    window, said = opened(browser, page, tmp_path, width, scheme)
    assert window.locator(".plot svg").count() == PLOTS
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []


CUT = """() => [...document.querySelectorAll(".plot svg")].flatMap((svg) => {
  const room = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => {
    const seen = text.getBoundingClientRect();
    return seen.width && (seen.left < room.left - 1 || seen.right > room.right + 1);
  }).map((text) => `${svg.closest("[data-chart]").dataset.chart}: ${text.textContent}`);
})"""


@pytest.mark.slow
def test_no_token_of_a_plot_is_cut_off_on_a_telephone(browser, tmp_path):
    folder = made(tmp_path / "run")
    both = {f"quality/self_bleu{n}_1000{side}": 0.5 + n / 20 for n in (2, 3, 4, 5) for side in ("", "_real")}
    text = (folder / "metrics.csv").read_text().splitlines()
    text[0] += "".join(f",{key}" for key in both)
    text[1:] = [line + "".join(f",{value}" for value in both.values()) for line in text[1:]]
    (folder / "metrics.csv").write_text("\n".join(text) + "\n")
    window, _ = opened(browser, pages.page(sections.of(read(folder))), tmp_path, width=400)
    assert window.locator("[data-chart=quality-self-bleu]").count() == 1
    assert window.evaluate(CUT) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_so_is_a_sweep_whose_links_lead_to_pages(browser, width, scheme, tmp_path):
    folders = [made(tmp_path / "sweep" / f"{n}", (f"a={n % 8}", f"seed={n}"), jsd=0.04 * n) for n in range(1, 10)]
    for folder in folders:
        (folder / "report.html").write_text("a page")
    text = pages.page(sweep.of(tmp_path / "sweep", comparison.of(folders), tmp_path / "sweep"))
    window, said = opened(browser, text, tmp_path / "sweep", width, scheme)
    assert {place.get_attribute("data-chart") for place in window.locator("[data-chart]").all()} == {
        *("seeds", "scorecard"),
    }
    assert window.locator(".plot svg").count() == 2
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    window.locator("a", has_text="3").first.click()
    assert window.url == (folders[2] / "report.html").as_uri()


def unknown(key: str) -> bool:
    """Whether a run logs it that does not know P."""
    truth = key.startswith(("truth/", "curve/")) and not key.startswith(("truth/nll_test", "curve/reliability"))
    return not truth and not key.startswith("bound/regret")


@pytest.mark.slow
def test_a_run_without_the_truth_is_drawn_too(browser, tmp_path):
    folder = made(tmp_path / "run")
    rows = [{key: row[key] for row in [evaluation(steps)] for key in row if unknown(key)} for steps in MOMENTS]
    lines(folder / "evaluations.jsonl", rows)
    seen = {"temperature": 1.0, "frontier/bleu5_1000": 0.5, "frontier/self_bleu5_1000": 0.6}
    (folder / "frontier.json").write_text(json.dumps({"game": [seen, seen | {"temperature": 0.5}]}))
    window, said = opened(browser, pages.page(sections.of(read(folder))), tmp_path)
    shown = {place.get_attribute("data-chart") for place in window.locator("[data-chart]").all()}
    assert {"truth", "reliability", "frontier-bleu", "quality-plane", "quality-frechet"} <= shown
    assert not {"frontier", "prefix-jsd", "exposure", "regret"} & shown
    assert said == []


@pytest.mark.slow
def test_the_colour_of_a_token_is_what_g_or_the_data_make_of_it(browser, page, tmp_path):
    window, said = opened(browser, page, tmp_path)
    second = window.locator(".sentences .tokens span").nth(1)
    assert second.get_attribute("title") == "log G = -0.50"
    window.locator("select[data-heat]").select_option("real")
    assert second.get_attribute("title") == "log P = -3.00"
    assert window.locator(".sentences .tokens span").nth(2).get_attribute("title") == "log P = −∞"
    assert "nearest in training, 2 edits away: a b" in window.locator(".sentences li").inner_text()
    assert said == []


@pytest.mark.slow
def test_the_slider_obeys_the_keyboard_and_moves_plots_and_sentences(browser, page, tmp_path):
    window, said = opened(browser, page, tmp_path)
    slider, *_, other = window.locator("input[data-at]").all()
    before = window.locator("[data-chart=prefix-jsd]").inner_html()
    assert slider.get_attribute("aria-valuetext") == "after 30 generator steps"
    slider.focus()
    window.keyboard.press("Home")
    window.wait_for_timeout(200)
    assert other.input_value() == "0"
    assert slider.get_attribute("aria-valuetext") == "after 100 pretraining steps"
    assert window.locator("[data-chart=prefix-jsd]").inner_html() != before
    assert window.locator(".sentences li").count() == 1
    assert said == []


@pytest.mark.slow
def test_the_clock_changes_every_plot_over_training(browser, page, tmp_path):
    window, said = opened(browser, page, tmp_path)
    window.locator("select[data-clock]").first.select_option("seconds")
    window.wait_for_timeout(200)
    for name in ("truth", "nll_test", "accuracy", "staleness"):
        assert "seconds" in window.locator(f"[data-chart={name}] svg").text_content()
    assert said == []


@pytest.mark.slow
def test_an_evil_text_does_nothing_in_a_browser(browser, evil, tmp_path):
    window, said = opened(browser, evil, tmp_path)
    assert window.title() != "taken"
    assert window.locator("img").count() == 0
    assert said == []


@pytest.mark.slow
def test_a_sweep_of_evil_tokens_is_drawn_and_does_nothing(browser, tmp_path):
    folders = [made(tmp_path / "sweep" / str(n), (f"+{EVIL}{n}=datum{EVIL}", f"a={n}"), jsd=0.1 * n) for n in (1, 2)]
    window, said = opened(
        browser, pages.page(sweep.of(tmp_path / "sweep", comparison.of(folders))), tmp_path, width=400
    )
    assert window.title() != "taken"
    assert window.evaluate("document.documentElement.scrollWidth") <= 400
    assert said == []
