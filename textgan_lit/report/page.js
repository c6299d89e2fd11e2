// Draws the plots, updates them with the controls, and shows the sentences. A run's texts become text nodes, never markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const last = data.moments.length - 1;
  const views = new Map();
  const chosen = { at: last };
  let heat = "logs";

  const tip = document.body.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.hidden = true;

  function tell(handler, event, item, value) {
    tip.hidden = value === null || value === undefined;
    if (tip.hidden) return;
    tip.textContent = Object.entries(value).map(([name, seen]) => `${name}: ${seen}`).join("\n");
    const room = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - room.width - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - room.height - 8))}px`;
  }

  const knows = (spec, name) => (spec.signals || []).some((signal) => signal.name === name);

  async function draw(place) {
    const spec = data.charts[place.dataset.chart];
    const config = data.themes[dark.matches ? "dark" : "light"];
    if (views.has(place)) views.get(place).finalize();
    try {
      const { view } = await vegaEmbed(place, spec, {
        mode: "vega", renderer: "svg", actions: false, ast: true, tooltip: tell, config,
      });
      views.set(place, view);
      const wanted = { ...chosen, ink: config.legend.labelColor };
      const obeys = ["ink", ...place.dataset.obeys.split(" ")];
      for (const name of obeys) if (name in wanted && knows(spec, name)) view.signal(name, wanted[name]);
      await view.runAsync();
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `This plot could not be drawn (${error.message}); its numbers stand below.`;
      console.error(error);
    }
  }

  function choose(name, value) {
    chosen[name] = value;
    for (const [place, view] of views) {
      if (place.dataset.obeys.split(" ").includes(name)) view.signal(name, value).runAsync();
    }
  }

  function moment(at) {
    for (const slider of document.querySelectorAll("input[data-at]")) {
      slider.value = at;
      slider.setAttribute("aria-valuetext", data.moments[at]);
      slider.parentElement.querySelector("output").textContent = data.moments[at];
    }
    choose("at", at);
    sentences(at);
  }

  function element(kind, name, text) {
    const made = document.createElement(kind);
    made.className = name;
    made.textContent = text;
    return made;
  }

  function sentence(sample) {
    const item = document.createElement("li");
    const line = item.appendChild(element("span", sample.gap ? "tokens" : "tokens pieces", ""));
    sample.tokens.forEach((token, place) => {
      const seen = sample[heat][place];
      const shown = element("span", "", token);
      if (typeof seen === "number") {
        shown.style.setProperty("--seen", Math.min(0.6, -seen / 8).toFixed(2));
        shown.title = `log ${heat === "logs" ? "G" : "P"} = ${seen <= -99 ? "−∞" : seen.toFixed(2)}`;
      }
      line.append(shown, sample.gap);
    });
    item.append(element("span", "judged", sample.judged));
    if (sample.near) item.append(element("span", "judged near", sample.near));
    return item;
  }

  function sentences(at) {
    for (const list of document.querySelectorAll(".sentences")) {
      const found = data.samples[at].map(sentence);
      list.replaceChildren(...(found.length ? found : [element("li", "judged", "No samples were kept here.")]));
    }
  }

  for (const select of document.querySelectorAll("select[data-clock]")) {
    select.addEventListener("change", () => {
      for (const other of document.querySelectorAll("select[data-clock]")) {
        if ([...other.options].some((option) => option.value === select.value)) other.value = select.value;
      }
      choose("clock", select.value);
    });
  }
  for (const select of document.querySelectorAll("select[data-heat]")) {
    select.addEventListener("change", () => {
      heat = select.value;
      sentences(chosen.at);
    });
  }
  for (const slider of document.querySelectorAll("input[data-at]")) {
    slider.addEventListener("input", () => moment(Number(slider.value)));
  }
  const all = () => Promise.all([...document.querySelectorAll("[data-chart]")].map(draw));
  dark.addEventListener("change", all);
  all();
  if (last >= 0) moment(last);
})();
