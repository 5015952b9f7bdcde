// The page: connects the stream to the picture, the charts and the panels.

import { MotionChart, ProbabilityChart } from "./charts.js";
import { Connection } from "./connection.js";
import { History } from "./history.js";
import * as panels from "./panels.js";
import { Picture } from "./picture.js";
import { showScores } from "./scores.js";

const LOST = { name: "Connection lost", text: "Trying again. The run may well go on." };
const ENDED = { name: "Run ended", text: "Waiting for the next one at this address." };

let history = null;
let charts = [];
let recording = null;
let busy = false;
let isFirst = true;

// the server gave us a cookie; the token need not stay in the address
if (location.search) window.history.replaceState(null, "", location.pathname);

const connection = new Connection({
  open: () => {
    isFirst = true;
    picture.begin();
  },
  message: (message) => (message.type === "hello" ? begin(message) : renew(message)),
  picture: (blob) => picture.show(blob),
  lost: (ended) => panels.showLost(ended ? ENDED : LOST),
  refused: (why) => panels.showLost({ name: "Not let in", text: why }),
});
const picture = new Picture(() => connection.ask("picture"));

function begin(hello) {
  history = new History(hello.fps, hello.seconds);
  charts.forEach((chart) => chart.leave());
  const places = ["probability-chart", "motion-chart"].map((id) => document.getElementById(id));
  charts = [new ProbabilityChart(places[0], hello.threshold), new MotionChart(places[1])];
  panels.showRun(hello);
  panels.clearEvents();
}

function renew(news) {
  history.add(news.points, news.truths);
  panels.showLive();
  panels.showState(news);
  panels.showTiming(news.stats);
  panels.addEvents(news.events, isFirst);
  recording = news.recording;
  panels.showRecording(recording, busy);
  showScores(news.scores);
  if (!document.hidden && (news.points.length || isFirst)) charts.forEach((chart) => chart.show(history));
  isFirst = false;
}

document.getElementById("record").addEventListener("click", async () => {
  busy = true;
  panels.showRecording(recording, busy);
  try {
    const action = recording.active ? "stop" : "start";
    const answer = await fetch(`/api/recording/${action}`, { method: "POST" });
    recording = { ...recording, ...(await answer.json()) };
  } catch {
    recording = { ...recording, problem: "The button could not be heard; try again." };
  } finally {
    busy = false;
    panels.showRecording(recording, busy);
  }
});
