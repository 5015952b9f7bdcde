// The camera's picture: the next one is asked for when the last one is drawn, so none queue up.

export class Picture {
  #canvas = document.getElementById("camera");
  #ask;
  #waiting = false;

  constructor(ask) {
    this.#ask = ask;
    document.addEventListener("visibilitychange", () => this.#next());
  }

  // after a new connection, nothing is on its way
  begin() {
    this.#waiting = false;
    this.#next();
  }

  async show(blob) {
    try {
      const image = await createImageBitmap(blob);
      const canvas = this.#canvas;
      if (canvas.width !== image.width || canvas.height !== image.height) {
        canvas.width = image.width;
        canvas.height = image.height;
      }
      canvas.getContext("2d").drawImage(image, 0, 0);
      image.close();
      document.getElementById("no-picture").hidden = true;
    } finally {
      this.#waiting = false;
      this.#next();
    }
  }

  // a page that nobody sees asks for none, and then none is encoded
  #next() {
    if (this.#waiting || document.hidden) return;
    this.#waiting = true;
    this.#ask();
  }
}
