// The stream: one WebSocket that comes back by itself.

const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const SILENT_MS = 4000; // the server speaks many times a second, so silence means that it is gone
const RUN_ENDED = 1001;
const REFUSED = [401, 403, 503];

export class Connection {
  #socket = null;
  #wait = SHORTEST_WAIT_MS;
  #timer = null;
  #heard = 0;
  #isOpen = false;
  #on;

  // on: { message(object), picture(Blob), open(), lost(ended), refused(why) }; lost comes once, not at
  // every try
  constructor(on) {
    this.#on = on;
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#retryNow();
    });
    setInterval(() => this.#watch(), 1000);
    this.#connect();
  }

  ask(what) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(what);
  }

  #connect() {
    clearTimeout(this.#timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/stream`);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.onopen = () => {
      this.#wait = SHORTEST_WAIT_MS;
      this.#isOpen = true;
      this.#on.open();
    };
    socket.onmessage = ({ data }) => {
      this.#heard = performance.now();
      if (typeof data === "string") this.#on.message(JSON.parse(data));
      else this.#on.picture(data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#lost(event.code === RUN_ENDED);
    };
  }

  #lost(ended) {
    this.#socket = null;
    if (this.#isOpen) this.#on.lost(ended);
    else this.#askWhy();
    this.#isOpen = false;
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  // a WebSocket that is refused does not say why, a plain request does
  async #askWhy() {
    try {
      const answer = await fetch("/stream");
      if (REFUSED.includes(answer.status)) this.#on.refused(await answer.text());
    } catch {
      // nobody is there
    }
  }

  // a phone that changed networks is not told that its connection is gone
  #watch() {
    const socket = this.#socket;
    if (socket === null || performance.now() - this.#heard < SILENT_MS) return;
    this.#lost(false);
    socket.close();
  }

  #retryNow() {
    if (this.#socket !== null) return;
    this.#wait = SHORTEST_WAIT_MS;
    this.#connect();
  }
}
