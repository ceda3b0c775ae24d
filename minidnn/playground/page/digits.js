"use strict";
// The third page: training on MNIST, and a drawing pad.
const digits = (pages.digits = {
  frame: null, running: false, stop: null, ink: false, last: null, pen: [140, 140], prediction: null,

  start() {
    $("d-train").onclick = () => this.toggle();
    $("d-step").onclick = () => { this.running = false; this.begin(); this.when(() => control("step")); this.buttons(); };
    $("d-reset").onclick = () => this.reset();
    $("d-speed").onchange = () => this.stop && control(`speed ${$("d-speed").value}`);
    $("d-clear").onclick = () => this.clear();
    const pad = $("pad"), at = (event) => { const box = pad.getBoundingClientRect(); return [((event.clientX - box.left) / box.width) * 280, ((event.clientY - box.top) / box.height) * 280]; };
    pad.onpointerdown = (event) => { this.ink = true; this.last = at(event); pad.setPointerCapture(event.pointerId); this.line(this.last); };
    pad.onpointermove = (event) => this.ink && this.line(at(event));
    pad.onpointerup = pad.onpointercancel = () => { this.ink = false; this.ask(); };
    pad.onkeydown = (event) => this.key(event);
    this.clear();
  },

  enter() { this.begin(); this.buttons(); this.redraw(); },
  leave() { if (this.running) this.toggle(); },

  begin() {
    if (this.stop) return;
    problem("");
    this.frame = null;
    this.stop = stream("/digits", { paused: "1", speed: $("d-speed").value, seed: "1" }, (frame) => this.take(frame), (error) => { this.stop = null; this.running = false; this.buttons(); problem(error); });
  },

  reset() {
    if (this.stop) this.stop();
    this.stop = null;
    this.running = false;
    this.begin();
    this.buttons();
  },

  toggle() {
    this.begin();
    this.running = !this.running;
    this.buttons();
    this.redraw();
    this.when(() => control(this.running ? "resume" : "pause"));
  },

  when(command) { if (this.frame) command(); else this.waiting = command; },
  buttons() { $("d-train").textContent = this.running ? "Pause" : "Train"; },

  take(frame) {
    if (frame.parameters) return (this.parameters = frame.parameters);
    this.frame = frame;
    if (!this.drawn) this.drawn = requestAnimationFrame(() => { this.drawn = 0; this.redraw(); });
    if (this.waiting) { this.waiting(); this.waiting = null; }
  },

  redraw() {
    const f = this.frame;
    if ($("page-digits").hidden) return;
    this.bars();
    if (!f) return;
    $("d-accuracy").textContent = `${(100 * f.accuracy).toFixed(1)} %`;
    $("d-examples").textContent = f.examples.toLocaleString("en");
    $("d-seconds").textContent = `${f.seconds.toFixed(2)} s`;
    $("d-loss").textContent = f.loss === null ? "–" : f.loss.toFixed(3);
    $("d-status").textContent = `Update ${f.step.toLocaleString("en")}${this.running ? "" : f.step ? ", paused" : ". Press Train."}`;
    this.sheet($("filters"), f.filters.map((text) => ({ image: picture(bytes(text), 28, ...strong()) })), 6);
    const grey = [[0, 0, 0], [128, 128, 128], [255, 255, 255]];
    this.sheet($("wrong"), f.wrong.map((w) => ({ image: picture(bytes(w.pixels), 28, ...grey), guess: w.guess, label: w.label })), 6);
    $("wrong").setAttribute("aria-label", `Wrong digits, prediction and label: ${f.wrong.map((w) => `${w.guess}, ${w.label}`).join("; ")}`);
    this.matrix(f.confusion);
  },

  sheet(canvas, cells, columns) {
    const caption = cells.some((cell) => cell.label !== undefined) ? 18 : 0;
    const side = (canvas.parentElement.clientWidth - 30) / columns, rows = Math.max(1, Math.ceil(24 / columns));
    const { c } = fit(canvas, 1, rows * (side + caption));
    c.imageSmoothingEnabled = false;
    c.font = "600 13px system-ui, 'DejaVu Sans', sans-serif";
    c.textAlign = "center";
    cells.forEach((cell, i) => {
      const x = (i % columns) * side, y = Math.floor(i / columns) * (side + caption);
      c.drawImage(cell.image, x, y, side - 5, side - 5);
      c.strokeStyle = style("--line");
      c.strokeRect(x + 0.5, y + 0.5, side - 6, side - 6);
      if (!caption) return;
      c.fillStyle = style("--a");
      c.fillText(cell.guess, x + side / 2 - 12, y + side + 9);
      c.fillStyle = style("--b");
      c.fillText(cell.label, x + side / 2 + 7, y + side + 9);
    });
  },

  matrix(counts) {
    const canvas = $("confusion"), { c, width } = fit(canvas, 1), cell = (width - 22) / 10;
    const most = Math.max(1, ...counts.flatMap((row, i) => row.filter((_, j) => i !== j)));
    const empty = rgb(style("--panel")), good = rgb(style("--field-b")), bad = rgb(style("--field-a"));
    c.textAlign = "center";
    c.textBaseline = "middle";
    counts.forEach((row, i) => {
      c.fillStyle = style("--soft");
      c.fillText(i, 9, 22 + (i + 0.5) * cell);
      c.fillText(i, 22 + (i + 0.5) * cell, 10);
      const total = row.reduce((a, b) => a + b, 0) || 1;
      row.forEach((n, j) => {
        c.fillStyle = `rgb(${i === j ? mix(empty, good, n / total) : mix(empty, bad, Math.sqrt(n / most))})`;
        c.fillRect(22 + j * cell, 22 + i * cell, cell - 1.5, cell - 1.5);
        c.fillStyle = style("--ink");
        if (n) c.fillText(n, 22 + (j + 0.5) * cell, 22 + (i + 0.5) * cell);
      });
    });
    const wrong = counts.flatMap((row, i) => row.map((n, j) => [n, i, j])).filter(([, i, j]) => i !== j).sort((a, b) => b[0] - a[0]).slice(0, 3);
    canvas.setAttribute("aria-label", `Confusion matrix. Most frequent: ${wrong.map(([n, i, j]) => `${i} classified as ${j}, ${n} times`).join("; ")}`);
  },

  clear() {
    const c = $("pad").getContext("2d", { willReadFrequently: true });
    c.fillStyle = "#000";
    c.fillRect(0, 0, 280, 280);
    this.last = null;
    this.prediction = null;
    $("d-latency").textContent = "Draw with the mouse or a finger.";
    this.bars();
  },

  line(to) {
    const c = $("pad").getContext("2d", { willReadFrequently: true }), from = this.last || to;
    c.strokeStyle = "#fff";
    c.lineWidth = 22;
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    c.moveTo(...from);
    c.lineTo(to[0] + 0.01, to[1]);
    c.stroke();
    this.last = to;
  },

  key(event) {
    const moves = { ArrowLeft: [-14, 0], ArrowRight: [14, 0], ArrowUp: [0, -14], ArrowDown: [0, 14] };
    if (moves[event.key]) {
      this.pen = this.pen.map((v, i) => Math.max(10, Math.min(270, v + moves[event.key][i])));
      if (this.ink) this.line(this.pen);
      $("d-latency").textContent = `Pen ${this.ink ? "down" : "up"} at ${this.pen.map((v) => Math.round(v / 10)).join(", ")}`;
    } else if (event.key === " " || event.key === "Enter") {
      this.ink = !this.ink;
      this.last = this.pen;
      if (this.ink) this.line(this.pen);
      else this.ask();
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  },

  // Like MNIST: the ink is scaled into 20 x 20, and its centre of mass is in the middle of 28 x 28.
  pixels() {
    const data = $("pad").getContext("2d", { willReadFrequently: true }).getImageData(0, 0, 280, 280).data;
    let [x0, y0, x1, y1] = [280, 280, -1, -1];
    for (let y = 0; y < 280; ++y) for (let x = 0; x < 280; ++x) if (data[4 * (280 * y + x)] > 40) { x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = Math.max(y1, y); }
    if (x1 < 0) return null;
    const scale = 20 / Math.max(x1 - x0 + 1, y1 - y0 + 1), w = (x1 - x0 + 1) * scale, h = (y1 - y0 + 1) * scale;
    const place = (left, top) => {
      const small = element("canvas", { width: 28, height: 28 }), c = small.getContext("2d", { willReadFrequently: true });
      c.fillStyle = "#000";
      c.fillRect(0, 0, 28, 28);
      c.imageSmoothingQuality = "high";
      c.drawImage($("pad"), x0, y0, x1 - x0 + 1, y1 - y0 + 1, left, top, w, h);
      return Uint8Array.from({ length: 784 }, (_, i) => c.getImageData(i % 28, Math.floor(i / 28), 1, 1).data[0]);
    };
    const first = place((28 - w) / 2, (28 - h) / 2);
    let [mass, mx, my] = [0, 0, 0];
    first.forEach((v, i) => { mass += v; mx += v * (i % 28); my += v * Math.floor(i / 28); });
    return place((28 - w) / 2 + 13.5 - mx / mass, (28 - h) / 2 + 13.5 - my / mass);
  },

  async ask() {
    const pixels = this.pixels();
    if (!pixels) return;
    try {
      this.prediction = await ask(`/answer?client=${CLIENT}`, { method: "POST", body: pixels });
    } catch (error) {
      $("d-latency").textContent = error.message;
      return;
    }
    const p = this.prediction.probabilities, best = p.indexOf(Math.max(...p));
    $("d-latency").textContent = `A ${best} (${(100 * p[best]).toFixed(1)} %), predicted in ${this.prediction.microseconds} µs`;
    this.bars();
  },

  bars() {
    if ($("page-digits").hidden) return;
    const { c, width, height } = fit($("bars"), 1, 120), cell = width / 10, p = this.prediction ? this.prediction.probabilities : Array(10).fill(0);
    const best = p.indexOf(Math.max(...p));
    c.textAlign = "center";
    p.forEach((v, i) => {
      c.fillStyle = style("--grid");
      c.fillRect(i * cell + 3, 4, cell - 6, height - 26);
      c.fillStyle = style(i === best && v > 0 ? "--b" : "--soft");
      c.fillRect(i * cell + 3, 4 + (1 - v) * (height - 26), cell - 6, v * (height - 26));
      c.fillStyle = style("--ink");
      c.fillText(i, (i + 0.5) * cell, height - 6);
    });
    if (this.prediction) $("bars").setAttribute("aria-label", `Probabilities: ${p.map((v, i) => `${i} ${(100 * v).toFixed(1)} %`).join(", ")}`);
  },
});
