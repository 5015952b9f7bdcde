// The panels beside the charts: state, recording, events, timing.

const by = (id) => document.getElementById(id);
const set = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const SIGN = { alarm: "\u25B2 ", trouble: "\u26A0 ", rising: "\u25B3 " };
const TONES = {
  "alarm-start": "alarm",
  burst: "burst",
  "camera-lost": "warn",
  frozen: "warn",
  rate: "warn",
  drift: "warn",
  "sink-failed": "warn",
  warning: "warn",
  "camera-back": "good",
  running: "good",
  "rate-right": "good",
  "sink-back": "good",
};
const SHOWN_EVENTS = 100;

export function showRun(hello) {
  set(by("run"), `camera ${hello.camera} \u00B7 bundle ${hello.bundle}`);
  by("run").title = by("run").textContent;
  set(by("horizon"), `burst within ${+(hello.horizon / hello.fps).toFixed(2)} s`);
  set(by("threshold"), `threshold ${hello.threshold.toFixed(2)}`);
  by("gauge-notch").style.left = `calc(${hello.threshold * 100}% - 1px)`;
}

export function showState({ state, probability, alarm }) {
  const panel = by("state");
  panel.dataset.mood = state.mood;
  panel.classList.toggle("filling", state.progress !== null);
  set(by("state-name"), state.name);
  set(by("state-text"), state.text);
  set(by("probability"), probability === null ? "\u2013" : probability.toFixed(2));
  by("probability").classList.toggle("faint", probability === null);
  const share = probability ?? state.progress ?? 0;
  by("gauge-fill").style.width = `${share * 100}%`;
  const gauge = by("gauge");
  if (probability === null) gauge.removeAttribute("aria-valuenow");
  else gauge.setAttribute("aria-valuenow", probability.toFixed(2));
  by("gauge-notch").hidden = state.progress !== null;
  by("frame").classList.toggle("alarm", alarm);
  document.title = `${SIGN[state.mood] ?? ""}${state.name} \u00B7 fishrt live`;
}

export function showLive() {
  set(by("link"), "Live");
  by("link").dataset.link = "live";
  document.body.classList.remove("lost");
  by("banner").hidden = true;
}

// what was last known is not passed off as what is
export function showLost({ name, text }) {
  set(by("link"), "Offline");
  by("link").dataset.link = "lost";
  document.body.classList.add("lost");
  by("banner").hidden = false;
  set(by("banner"), `${name}. ${text}`);
  by("record").disabled = true;
  const state = { mood: "trouble", name, text: `Offline since ${clock(new Date())}.`, progress: null };
  showState({ state, probability: null, alarm: false });
}

export function showRecording(recording, busy) {
  const button = by("record");
  button.setAttribute("aria-pressed", String(recording.active));
  button.disabled = busy;
  set(button.querySelector("span"), recording.active ? "Stop recording" : "Start recording");
  const text = by("record-text");
  text.classList.toggle("problem", Boolean(recording.problem));
  if (recording.problem) set(text, recording.problem);
  else if (busy) set(text, recording.active ? "Finishing the video \u2026" : "Starting \u2026");
  else if (recording.file) set(text, recorded(recording));
}

function recorded({ active, file, seconds, dropped }) {
  const left = dropped ? `, ${dropped} pictures left out` : "";
  return `${active ? "Recording" : "Saved"} ${file} (${length(seconds)}${left})`;
}

export function addEvents(events, isBacklog) {
  const list = by("events");
  for (const event of events) {
    const row = document.createElement("li");
    row.dataset.tone = TONES[event.kind] ?? "plain";
    row.dataset.kind = event.kind;
    const text = document.createElement("span");
    text.textContent = event.text;
    const time = document.createElement("time");
    const moment = new Date(event.time * 1000);
    time.dateTime = moment.toISOString();
    time.textContent = clock(moment);
    row.append(text, time);
    list.prepend(row);
    if (!isBacklog && event.kind !== "burst") set(by("announce"), event.text);
  }
  while (list.children.length > SHOWN_EVENTS) list.lastChild.remove();
  by("no-events").hidden = list.children.length > 0;
}

export function clearEvents() {
  by("events").replaceChildren();
  by("no-events").hidden = false;
}

export function showTiming(stats) {
  const rows = [
    ["frame rate", stats.fps.toFixed(1), "fps"],
    ["latency, median", stats.latency.p50.toFixed(0), "ms"],
    ["latency, p99", stats.latency.p99.toFixed(0), "ms"],
    ["frame budget", (stats.budget * 100).toFixed(0), "%"],
    ["frames", String(stats.frames), ""],
    ["running", length(stats.seconds), ""],
    ["lost", String(stats.lost), "", stats.lost > 0],
    ["dropped", String(stats.dropped), "", stats.dropped > 0],
    ["late", String(stats.late), "", stats.late > 0],
  ];
  if (stats.camera_fps != null) rows.splice(1, 0, ["camera gives", stats.camera_fps.toFixed(1), "fps"]);
  if (stats.losses > 0) rows.push(["camera lost", String(stats.losses), stats.losses === 1 ? "time" : "times", true]);
  if (stats.behind_s > 0.5) rows.push(["behind the file", stats.behind_s.toFixed(1), "s", true]);
  fillList(by("timing"), rows);
}

// rows: [name, value, unit, warn]; reuses what is there, so that nothing flickers
export function fillList(list, rows) {
  while (list.children.length > rows.length) list.lastChild.remove();
  rows.forEach(([name, value, unit, warn], index) => {
    let row = list.children[index];
    if (!row) {
      row = document.createElement("div");
      row.append(document.createElement("dt"), document.createElement("dd"));
      row.lastChild.append("", document.createElement("small"));
      list.append(row);
    }
    const [term, definition] = row.children;
    set(term, name);
    if (definition.firstChild.data !== value) definition.firstChild.data = value;
    set(definition.lastChild, unit);
    definition.classList.toggle("warn", Boolean(warn));
  });
}

function clock(moment) {
  return moment.toLocaleTimeString([], { hour12: false });
}

export function length(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
