"use strict";
// The first page: settings, runs and their charts.
const SCHEMA = [
  ["Task", [["task", "Task"], ["data", "Data"], ["noise", "Noise"], ["seed", "Seed"]]],
  ["Network", [["hidden", "Hidden units"], ["activation", "Activation"], ["initializer", "Initial weights"], ["batch_norm", "Batch norm"], ["skip", "Skip connections"]]],
  ["Training", [["optimizer", "Optimizer"], ["lr", "Learning rate"], ["schedule", "Schedule"], ["horizon", "Schedule length"], ["batch", "Batch"]]],
  ["Regularization", [["dropout", "Dropout"], ["l1", "l1"], ["l2", "l2"], ["max_norm", "Max-norm (0: none)"]]],
];
const SHARED = ["task", "data", "noise", "seed", "points"]; // the same for both runs
const CLASSES = { classification: ["spirals", "circles", "moons", "xor", "own"], regression: ["plane", "hills", "own"] };

const playground = (pages.playground = {
  query: {}, running: false, started: false, stop: null, points: [], frames: null, history: [], cards: [], cursor: null, label: 1,

  start() {
    this.build();
    const groups = new Map();
    table.presets.forEach((preset, i) => {
      if (!groups.has(preset.section)) groups.set(preset.section, element("optgroup", { label: preset.section }));
      groups.get(preset.section).append(element("option", { value: i, textContent: preset.name }));
    });
    $("preset").append(...groups.values());
    $("preset").onchange = (event) => event.target.value !== "" && this.preset(table.presets[event.target.value]);
    $("train").onclick = () => this.toggle();
    $("step").onclick = () => this.single();
    $("reset").onclick = () => this.reset();
    $("speed").onchange = () => this.stop && control(`speed ${$("speed").value}`);
  },

  enter(query) {
    const same = JSON.stringify(query) === JSON.stringify(this.query) && this.cards.length;
    this.query = query;
    this.build();
    if (!same) this.reset();
    else this.redraw();
  },

  leave() { if (this.running) this.toggle(); },

  preset(preset) {
    this.query = Object.fromEntries(new URLSearchParams(preset.settings));
    $("note").textContent = preset.note;
    $("note").hidden = false;
    this.build();
    this.reset();
  },

  value(name, second) {
    const own = this.query[name] ?? table.defaults[name];
    return second ? this.query[`b.${name}`] ?? own : own;
  },

  compared() { return Object.keys(this.query).some((name) => name.startsWith("b.")); },

  set(name, value, second) {
    const key = second ? `b.${name}` : name;
    if (second ? value === this.value(name) && name !== "optimizer" : value === table.defaults[name]) delete this.query[key];
    else this.query[key] = value;
    if (name === "task") this.query.data = value === "regression" ? "hills" : "spirals";
    $("preset").value = "";
    $("note").hidden = true;
    this.build();
    this.reset();
  },

  build() {
    const focused = document.activeElement && document.activeElement.id, two = this.compared();
    const field = (name, title, second) => {
      const value = this.value(name, second), id = `${second ? "b-" : "a-"}${name}`;
      let input;
      if (table.choices[name]) {
        input = element("select", { id });
        options(input, name === "data" ? CLASSES[this.value("task")] : table.choices[name], value);
      } else if (["batch_norm", "skip"].includes(name)) input = element("input", { id, type: "checkbox", checked: value === "1" });
      else input = element("input", { id, value, inputMode: name === "hidden" ? "text" : "decimal" });
      input.setAttribute("aria-label", two && !SHARED.includes(name) ? `${title}, run ${second ? "B" : "A"}` : title);
      if (second && value !== this.value(name)) input.classList.add("differs");
      input.onchange = () => this.set(name, input.type === "checkbox" ? (input.checked ? "1" : "0") : input.value.trim(), second);
      return input;
    };
    const compare = element("input", { type: "checkbox", id: "compare", checked: two });
    compare.onchange = () => {
      if (compare.checked) this.query["b.optimizer"] = this.value("optimizer") === "SGD" ? "Adam" : "SGD";
      else Object.keys(this.query).filter((name) => name.startsWith("b.")).forEach((name) => delete this.query[name]);
      this.build();
      this.reset();
    };
    const groups = SCHEMA.map(([legend, rows]) => element("fieldset", { className: "group" }, element("legend", { textContent: legend }),
      ...rows.map(([name, title]) => {
        const both = two && !SHARED.includes(name);
        const row = element("div", { className: `setting${both ? " two" : ""}` }, element("label", { textContent: title, htmlFor: `a-${name}` }), field(name, title, false));
        if (both) row.append(field(name, title, true));
        return row;
      })));
    const head = two ? [element("div", { className: "setting two heads" }, element("span"), element("b", { textContent: "Run A" }), element("b", { textContent: "Run B" }))] : [];
    const drawn = ["1", "0"].map((label) => {
      const radio = element("input", { type: "radio", name: "drawn", checked: this.label === +label, onchange: () => (this.label = +label) });
      return element("label", { className: "check" }, radio, element("span", { className: `dot ${label === "1" ? "b" : "a"}` }), label === "1" ? "blue" : "orange");
    });
    const clear = element("button", { type: "button", textContent: "Clear points", onclick: () => { this.query.data = "own"; this.query.points = ""; this.build(); this.reset(); } });
    $("settings").replaceChildren(
      element("label", { className: "check" }, compare, "Compare two settings"), ...head, ...groups,
      element("fieldset", { className: "group" }, element("legend", { textContent: "Own points" }),
        element("span", { className: "note", textContent: "Click in the picture; or focus it, move with the arrow keys, and add with Enter." }),
        element("div", { className: "bar" }, ...drawn, clear)));
    $("settings").onsubmit = (event) => event.preventDefault();
    if (focused && $(focused)) $(focused).focus();
  },

  cardsFor(count) {
    if (this.cards.length === count) return;
    this.cards = Array.from({ length: count }, (_, i) => {
      const field = element("canvas", { className: "field", tabIndex: 0 }), network = element("canvas"), stats = element("div", { className: "stats" });
      const title = element("h2", { textContent: count === 1 ? "The network" : `Run ${"AB"[i]}` }), what = element("span", { className: "note" });
      network.setAttribute("aria-label", "The network");
      field.setAttribute("role", "application");
      network.setAttribute("role", "img");
      field.setAttribute("aria-label", `Plane of run ${"AB"[i]}. Arrow keys move a cross, Enter adds a point.`);
      field.onpointerdown = (event) => {
        const box = field.getBoundingClientRect();
        this.add(((event.clientX - box.left) / box.width) * 2 * SPAN - SPAN, SPAN - ((event.clientY - box.top) / box.height) * 2 * SPAN);
      };
      field.onkeydown = (event) => this.key(event);
      field.onblur = () => { this.cursor = null; this.redraw(); };
      return { root: element("article", { className: "panel run" }, element("div", { className: "head" }, title, what), field, network, stats), field, network, stats, what };
    });
    $("runs").className = `runs${count === 1 ? " one" : ""}`;
    $("runs").replaceChildren(...this.cards.map((card) => card.root));
  },

  key(event) {
    const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (moves[event.key]) {
      const [x, y] = this.cursor || [0, 0], [dx, dy] = moves[event.key], keep = (v) => Math.max(-1.1, Math.min(1.1, v));
      this.cursor = [keep(x + dx), keep(y + dy)];
      this.redraw();
    } else if (event.key === "Enter" || event.key === " ") this.add(...(this.cursor || [0, 0]));
    else return;
    event.preventDefault();
  },

  add(x, y) {
    if (window.RECORDING) return;
    const before = this.value("data") === "own" ? this.query.points || "" : "";
    this.query.data = "own";
    this.query.points = `${before ? `${before};` : ""}${x.toFixed(2)},${y.toFixed(2)},${this.label}`;
    this.build();
    this.reset();
  },

  // Restarts the run, paused at its first frame.
  reset() {
    if (window.RECORDING) return this.replay();
    this.end();
    say("playground", this.query);
    problem("");
    this.history = [];
    this.frames = null;
    this.cardsFor(this.compared() ? 2 : 1);
    const own = this.value("data") === "own" ? (this.query.points || "").split(";").filter(Boolean).map((text) => text.split(",").map(Number)) : null;
    if (own && own.length < 2) {
      this.points = this.cards.map(() => ({ train: own.map((p) => p.slice(0, 2)), labels: own.map((p) => p[2]) }));
      $("status").textContent = "Click in the picture to add at least two points.";
      this.buttons(false);
      return this.redraw();
    }
    const query = { ...this.query, paused: "1", speed: $("speed").value };
    this.stop = stream("/stream", query, (frame) => this.take(frame), (error) => { this.stop = null; this.running = false; this.buttons(true); problem(error); });
    this.running = false;
    this.buttons(true);
  },

  end() { if (this.stop) this.stop(); this.stop = null; this.running = false; },

  toggle() {
    if (window.RECORDING) return this.play(!this.running);
    if (!this.stop) this.reset();
    if (!this.stop) return;
    this.running = !this.running;
    this.buttons(true);
    this.redraw();
    this.when(() => control(this.running ? "resume" : "pause"));
  },

  single() {
    if (window.RECORDING) return this.seek(+$("frame").value + 1);
    if (!this.stop) this.reset();
    this.running = false;
    this.buttons(true);
    if (this.stop) this.when(() => control("step"));
  },

  // Runs the command once the run has sent its first frame.
  when(command) { if (this.frames) command(); else this.waiting = command; },

  buttons(enabled) {
    $("train").textContent = this.running ? "Pause" : "Train";
    $("train").disabled = $("step").disabled = !enabled;
  },

  take(frame) {
    if (frame.points) return (this.points = frame.points);
    this.frames = frame.runs;
    this.history.push(frame.runs.map((run) => [run.step, run.train_loss, run.test_loss]));
    if (this.history.length > 1200) this.history = this.history.filter((_, i) => i % 2 === 0);
    if (!this.drawn) this.drawn = requestAnimationFrame(() => { this.drawn = 0; this.redraw(); });
    if (this.waiting) { this.waiting(); this.waiting = null; }
  },

  series() {
    const colours = [style("--a"), style("--b")], one = this.cards.length === 1;
    return this.cards.flatMap((_, i) => [1, 2].map((k) => ({
      x: this.history.map((h) => h[i][0]), y: this.history.map((h) => h[i][k]), dash: k === 2, colour: one ? colours[k === 2 ? 0 : 1] : colours[i],
      name: `${one ? "" : `${"AB"[i]} `}${k === 1 ? "training" : "test"}`,
    })));
  },

  description(i) {
    const names = SCHEMA.flatMap(([, rows]) => rows).filter(([name]) => !SHARED.includes(name));
    const differs = names.filter(([name]) => this.value(name, false) !== this.value(name, true));
    const show = (name, title) => (["batch_norm", "skip"].includes(name) ? (this.value(name, i === 1) === "1" ? title : `no ${title.toLowerCase()}`) : ["optimizer", "activation", "schedule"].includes(name) ? this.value(name, i === 1) : `${title} ${this.value(name, i === 1)}`);
    return this.cards.length === 1 ? `2, ${this.value("hidden")}, ${this.value("activation")}; ${this.value("optimizer")}, rate ${this.value("lr")}` : differs.map(([name, title]) => show(name, title)).join(", ") || "the same settings";
  },

  redraw() {
    if (!this.cards.length || $("page-playground").hidden) return;
    const percent = (v) => `${(100 * v).toFixed(1)} %`, loss = (v) => (v === null ? "not finite" : v.toFixed(4));
    this.cards.forEach((card, i) => {
      const run = this.frames && this.frames[i];
      card.what.textContent = this.description(i);
      drawField(card.field, run, this.points[i], this.cursor);
      card.network.hidden = !run;
      if (!run) return card.stats.replaceChildren();
      drawNetwork(card.network, run);
      const rows = [["training loss", loss(run.train_loss)], ["test loss", loss(run.test_loss)], ...(run.accuracy === null ? [] : [["test accuracy", percent(run.accuracy)]]), ["rate", run.lr.toPrecision(3)], ["parameters", this.points[i].parameters]];
      card.stats.replaceChildren(...rows.map(([name, value]) => element("span", {}, `${name} `, element("b", { textContent: value }))));
      card.network.setAttribute("aria-label", `Network of run ${"AB"[i]}: ${this.description(i)}`);
    });
    const series = this.series();
    drawLoss($("loss"), series);
    $("legend").replaceChildren(...series.flatMap((s) => { const mark = element("i", { className: s.dash ? "dash" : "" }); mark.style.borderColor = s.colour; return [mark, s.name]; }));
    if (!this.frames) return;
    const broken = this.frames.some((run) => run.train_loss === null);
    $("status").textContent = `Update ${this.frames[0].step.toLocaleString("en")}${broken ? ": the run has diverged; use a smaller learning rate" : this.running ? "" : this.frames[0].step ? ", paused" : ". Press Train."}`;
    $("loss").setAttribute("aria-label", `Loss after ${this.frames[0].step} updates: ${this.frames.map((run, i) => `run ${"AB"[i]} training ${loss(run.train_loss)}, test ${loss(run.test_loss)}`).join("; ")}`);
  },

  // Replays the frames that a recorded page contains.
  replay() {
    this.points = window.RECORDING.frames[0].points;
    this.cardsFor(this.points.length);
    this.recorded = window.RECORDING.frames.slice(1);
    $("replay").hidden = false;
    $("frame").max = this.recorded.length - 1;
    $("frame").oninput = () => this.seek(+$("frame").value);
    $("settings").querySelectorAll("input,select,button").forEach((input) => (input.disabled = true));
    this.seek(0);
  },

  seek(place) {
    const at = Math.max(0, Math.min(place, this.recorded.length - 1));
    $("frame").value = at;
    this.frames = this.recorded[at].runs;
    this.history = this.recorded.slice(0, at + 1).map((frame) => frame.runs.map((run) => [run.step, run.train_loss, run.test_loss]));
    this.redraw();
  },

  play(on) {
    this.running = on;
    this.buttons(true);
    clearInterval(this.timer);
    if (!on) return this.redraw();
    if (+$("frame").value >= this.recorded.length - 1) this.seek(0);
    this.timer = setInterval(() => {
      if (+$("frame").value >= this.recorded.length - 1) return this.play(false);
      this.seek(+$("frame").value + 1);
    }, 60);
  },
});
