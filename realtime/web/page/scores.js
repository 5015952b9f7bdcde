// The scoreboard: how good the forecasts were, by what came true.

import { fillList } from "./panels.js";

const SVG = "http://www.w3.org/2000/svg";
const by = (id) => document.getElementById(id);
const NOTHING = "\u2013";
const plain = (value, digits = 2) => (value === null ? NOTHING : value.toFixed(digits));
const signed = (value) => (value === null ? NOTHING : `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`);

let shown = "";

export function showScores(scores) {
  const text = JSON.stringify(scores);
  if (text === shown) return;
  shown = text;
  const isEmpty = scores.overall.labelled === 0 && !scores.drift.length;
  by("no-scores").hidden = !isEmpty;
  by("scores").hidden = isEmpty;
  if (isEmpty) {
    const delay = scores.delay_s ? `${+scores.delay_s.toFixed(1)} s` : "a while";
    by("no-scores").textContent = `No scores yet. What came true is known ${delay} after a forecast.`;
  } else {
    showEventFigures(scores.events);
    showSkill(scores);
    showReliability(scores.overall.reliability);
    showDrift(scores);
  }
}

function showEventFigures(events) {
  fillList(by("score-events"), [
    ["bursts caught", String(events.caught), `of ${events.bursts}`],
    [events.caught === 1 ? "lead" : "median lead", plain(events.median_lead_s), "s"],
    ["false alarms", plain(events.false_alarms_per_minute), "a minute"],
  ]);
}

function showSkill({ rolling, overall, window_minutes }) {
  by("rolling-head").textContent = `last ${+window_minutes.toFixed(1)} min`;
  // of a handful of forecasts an AUC says nothing
  const auc = (figures, value) => plain(figures.enough ? value : null, 3);
  const rows = [
    ["AUC", (figures) => auc(figures, figures.auc)],
    ["AUC, motion baseline", (figures) => auc(figures, figures.baseline_auc)],
    ["Brier skill over climatology", (figures) => signed(figures.skill_climatology)],
    ["Brier skill over motion baseline", (figures) => signed(figures.skill_baseline)],
    ["minutes scored", (figures) => plain(figures.minutes, figures.minutes < 9.95 ? 1 : 0)],
  ];
  const body = by("skill");
  body.replaceChildren();
  for (const [name, value] of rows) {
    const texts = [rolling, overall].map(value);
    if (texts.every((text) => text === NOTHING)) continue;
    const row = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    for (const text of texts) row.insertCell().textContent = text;
  }
}

// what was said against what happened; on the diagonal, a forecast can be taken at its word
function showReliability(points) {
  const figure = by("reliability");
  figure.hidden = points.length === 0;
  const svg = figure.querySelector("svg");
  svg.querySelector("g").replaceChildren();
  const most = Math.max(...points.map((point) => point.count));
  const at = (share) => 10 + share * 100;
  const path = points.map((point) => `${at(point.mean_probability)} ${120 - at(point.burst_share)}`);
  const draw = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    svg.querySelector("g").append(made);
  };
  draw("path", { class: "said", d: `M${path.join("L")}` });
  for (const point of points) {
    const r = 2 + 3 * Math.sqrt(point.count / most);
    draw("circle", { class: "bin", cx: at(point.mean_probability), cy: 120 - at(point.burst_share), r });
  }
}

function showDrift({ drift, drift_from, drift_warning }) {
  const list = by("drift");
  list.replaceChildren();
  for (const { name, now, reference, outside } of drift) {
    const row = document.createElement("li");
    row.classList.toggle("warn", outside);
    const usual = drift_from === "training" ? "in training" : "at the start";
    row.textContent = `${name} ${+now.toPrecision(3)}, ${+reference.toPrecision(3)} ${usual}${outside ? ": outside the usual" : ""}`;
    list.append(row);
  }
  by("drift-block").hidden = drift.length === 0;
  by("drift-warning").hidden = !drift_warning;
  by("drift-warning").textContent = drift_warning ?? "";
}
