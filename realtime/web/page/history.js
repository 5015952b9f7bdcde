// The last seconds, by frame: what was said, and what came true.

const SKIP = Symbol("skip");

export class History {
  #span;
  #points = [];
  #labels = new Map();
  newest = null; // the newest frame
  known = null; // the newest frame whose label is known

  constructor(fps, seconds) {
    this.fps = fps;
    this.seconds = seconds;
    this.#span = Math.round(fps * seconds);
  }

  // points: [frame, probability, motion energy, reason, alarm]; truths: [frame, label]
  add(points, truths) {
    for (const [frame, probability, motion, reason, alarm] of points) {
      this.#points.push({ frame, probability, motion, reason, alarm: alarm === 1 });
      this.newest = frame;
    }
    for (const [frame, label] of truths) {
      this.#labels.set(frame, label);
      this.known = frame;
    }
    const first = this.#points.findIndex((point) => point.frame >= this.oldest);
    if (first > 0) this.#points.splice(0, first);
    for (const frame of this.#labels.keys()) {
      if (frame >= this.oldest) break; // a map keeps its order
      this.#labels.delete(frame);
    }
  }

  get oldest() {
    return this.newest === null ? 0 : this.newest - this.#span;
  }

  // the probability in stretches without a hole; frames that were not due are no hole
  probabilities() {
    return stretches(this.#points, ({ reason, probability }) => {
      if (reason === "skipped") return SKIP;
      return reason === null ? probability : null;
    });
  }

  motion() {
    return stretches(this.#points, (point) => point.motion);
  }

  // spans [from, to] of frames with an alarm
  alarms() {
    return spans(this.#points.filter((point) => point.alarm).map((point) => point.frame));
  }

  // spans [from, to] of frames after which a burst did follow
  bursts() {
    return spans([...this.#labels].filter(([, label]) => label === 1).map(([frame]) => frame));
  }
}

// valueOf gives null where there is a hole; lost frames, which have no point, are one, too
function stretches(points, valueOf) {
  const all = [];
  let current = null;
  let before = null;
  for (const point of points) {
    if (before !== null && point.frame - before > 1) current = null;
    before = point.frame;
    const value = valueOf(point);
    if (value === SKIP) continue;
    if (value === null) {
      current = null;
      continue;
    }
    if (current === null) all.push((current = []));
    current.push([point.frame, value]);
  }
  return all;
}

function spans(frames) {
  const all = [];
  for (const frame of frames) {
    const last = all.at(-1);
    if (last && frame - last[1] <= 1) last[1] = frame;
    else all.push([frame, frame]);
  }
  return all;
}
