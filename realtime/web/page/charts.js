// Charts as SVG: crisp at every size, coloured by the style sheet.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 40;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const STRIP = 5;

function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

class Chart {
  constructor(place, title) {
    this.place = place;
    this.svg = element("svg", { role: "img", "aria-label": title }, place);
    this.axes = element("g", {}, this.svg);
    this.data = element("g", {}, this.svg);
    this.front = element("g", {}, this.svg);
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(place);
    this.history = null;
    this.#resize();
  }

  leave() {
    this.observer.disconnect();
    this.svg.remove();
  }

  show(history) {
    this.history = history;
    this.draw();
  }

  #resize() {
    this.width = Math.max(this.place.clientWidth, 120);
    this.height = Math.max(this.place.clientHeight, 80);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.bottom = this.height - BOTTOM;
    this.right = this.width - RIGHT;
    this.drawAxes();
    if (this.history) this.draw();
  }

  x(frame) {
    const { newest, fps, seconds } = this.history;
    return this.right - ((newest - frame) / fps / seconds) * (this.right - LEFT);
  }

  y(share) {
    return this.bottom - share * (this.bottom - TOP);
  }

  drawAxes() {
    this.axes.replaceChildren();
    const width = this.right - LEFT;
    element("rect", { class: "well", x: LEFT, y: TOP, width, height: this.bottom - TOP }, this.axes);
    const step = width < 420 ? 10 : 5;
    for (let ago = 0; ago <= 30; ago += step) {
      const x = this.right - (ago / 30) * width;
      element("line", { class: "grid", x1: x, x2: x, y1: TOP, y2: this.bottom }, this.axes);
      const anchor = ago === 0 ? "end" : "middle";
      const text = element("text", { x: ago === 0 ? x + 4 : x, y: this.height - 6, "text-anchor": anchor }, this.axes);
      text.textContent = ago === 0 ? "now" : `\u2212${ago} s`;
    }
  }

  tick(share, label, parent) {
    const y = this.y(share);
    element("line", { class: "grid", x1: LEFT, x2: this.right, y1: y, y2: y }, parent);
    element("text", { x: LEFT - 7, y: y + 4, "text-anchor": "end" }, parent).textContent = label;
  }

  // what came true, behind the line; and where that is not known yet
  drawLabels() {
    const { history } = this;
    for (const [from, to] of history.bursts()) {
      const [x, width] = this.#between(from, to);
      const span = { x, width, "data-from": from, "data-to": to };
      element("rect", { class: "burst-label", ...span, y: TOP, height: this.bottom - TOP }, this.data);
      element("rect", { class: "burst-strip", x, width, y: this.bottom - STRIP, height: STRIP }, this.data);
    }
    if (history.known !== null && history.newest > history.known) {
      const [x, width] = this.#between(history.known + 1, history.newest);
      element("rect", { class: "unknown", x, width, y: this.bottom - STRIP, height: STRIP }, this.data);
    }
  }

  drawAlarms() {
    for (const [from, to] of this.history.alarms()) {
      const [x, width] = this.#between(from, to);
      element("rect", { class: "alarm-strip", x, width, y: TOP, height: STRIP }, this.data);
    }
  }

  #between(from, to) {
    const half = 0.5;
    const left = Math.max(this.x(from - half), LEFT);
    const right = Math.min(this.x(to + half), this.right);
    return [left, Math.max(right - left, 1)];
  }

  drawLine(stretches, shareOf, style) {
    let line = "";
    let area = "";
    for (const stretch of stretches) {
      const corners = stretch.map(([frame, value]) => `${this.x(frame).toFixed(1)} ${this.y(shareOf(value)).toFixed(1)}`);
      const first = this.x(stretch[0][0]).toFixed(1);
      const last = this.x(stretch.at(-1)[0]).toFixed(1);
      line += `M${corners.join("L")}`;
      if (stretch.length === 1) line += "h0.1"; // a point alone is seen, too
      area += `M${first} ${this.bottom}L${corners.join("L")}L${last} ${this.bottom}Z`;
    }
    if (style.fill) element("path", { class: "area", d: area, fill: style.fill }, this.data);
    const colour = style.stroke ? { stroke: style.stroke } : {};
    element("path", { class: `line ${style.name}`, d: line, ...colour }, this.data);
  }

  say(text) {
    const at = { class: "empty", x: (LEFT + this.right) / 2, y: (TOP + this.bottom) / 2 + 4 };
    element("text", at, this.data).textContent = text;
  }
}

export class ProbabilityChart extends Chart {
  #threshold;

  constructor(place, threshold) {
    super(place, "Probability of a burst over the last 30 seconds, with the threshold");
    this.#threshold = threshold;
    this.#define();
    this.drawAxes();
  }

  // blue below the threshold and red above it, whatever the size
  #define() {
    const defs = element("defs", {}, this.svg);
    const hatch = element("pattern", { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, defs);
    element("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 5 }, hatch);
    this.gradient = element("linearGradient", { id: "by-threshold", gradientUnits: "userSpaceOnUse", x1: 0, x2: 0 }, defs);
    for (const name of ["below", "below", "above", "above"]) element("stop", { class: name }, this.gradient);
  }

  drawAxes() {
    super.drawAxes();
    for (const share of [0, 0.5, 1]) this.tick(share, share.toFixed(1), this.axes);
    if (!this.gradient) return;
    this.gradient.setAttribute("y1", this.bottom);
    this.gradient.setAttribute("y2", TOP);
    [0, this.#threshold, this.#threshold, 1].forEach((at, i) => this.gradient.children[i].setAttribute("offset", at));
    const y = this.y(this.#threshold);
    this.front.replaceChildren();
    element("line", { class: "threshold", x1: LEFT, x2: this.right, y1: y, y2: y }, this.front);
  }

  draw() {
    this.data.replaceChildren();
    this.drawLabels();
    this.drawAlarms();
    const stretches = this.history.probabilities();
    const paint = "url(#by-threshold)";
    if (stretches.length) this.drawLine(stretches, (p) => p, { name: "probability", stroke: paint, fill: paint });
    else this.say("No forecast yet");
  }
}

export class MotionChart extends Chart {
  constructor(place) {
    super(place, "Motion energy over the last 30 seconds");
  }

  draw() {
    this.data.replaceChildren();
    const stretches = this.history.motion();
    if (!stretches.length) {
      this.say("No motion measured yet");
      return;
    }
    let most = 1e-4;
    for (const stretch of stretches) for (const [, value] of stretch) most = Math.max(most, value);
    const top = roundUp(most);
    for (const share of [0, 0.5, 1]) {
      this.tick(share, String(Number((top * share * 100).toPrecision(2))), this.data);
    }
    this.drawLabels();
    this.drawLine(stretches, (value) => value / top, { name: "motion" });
  }
}

// the next of 1, 2, 4, 6, 8, 10 times a power of ten, so that the axis seldom jumps
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 6, 8, 10].find((step) => step * power >= value * 0.9999);
}
