"use strict";
// The second page: paths of the optimizers on a surface.
const COLOURS = ["#8a8f98", "#e11d48", "#ea8a00", "#b08968", "#0ea5a0", "#1d8fe0", "#65a30d", "#c026d3", "#a16207", "#475bd8", "#059669", "#8b5cf6", "#0891b2", "#b45309", "#4d7c0f", "#9333ea", "#be185d", "#64748b", "#0f766e", "#ca8a04"];
const FIRST = ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam"];

const racing = (pages.race = {
  data: null, shown: null, timer: 0, ask: latest(), askExplained: latest(),

  start() {
    const names = table.choices.optimizer;
    this.shown = new Set(FIRST.filter((name) => names.includes(name)));
    options($("surface"), Object.keys(table.surfaces), "bowl");
    options($("explained"), names, "Momentum");
    $("surface").onchange = () => { this.rates(); this.run(); };
    $("condition").oninput = $("momentum").oninput = () => this.labels();
    $("condition").onchange = $("momentum").onchange = $("race-lr").onchange = $("race-alr").onchange = () => this.run();
    $("race-form").onsubmit = (event) => { event.preventDefault(); this.run(); };
    $("race-step").oninput = () => { cancelAnimationFrame(this.timer); this.redraw(); };
    $("explained").onchange = () => this.explain();
  },

  rates() {
    const rates = table.surfaces[$("surface").value];
    $("race-lr").value = rates.lr;
    $("race-alr").value = rates.adaptive_lr;
  },

  momentum: () => Number((1 - 10 ** -$("momentum").value).toPrecision(5)),
  condition: () => Math.round(10 ** $("condition").value),

  labels() {
    $("condition-out").textContent = this.condition();
    $("momentum-out").textContent = this.momentum();
    $("condition-label").hidden = $("surface").value !== "bowl";
  },

  enter(query) {
    if (query.surface && table.surfaces[query.surface]) $("surface").value = query.surface;
    this.rates();
    if (query.lr) $("race-lr").value = query.lr;
    if (query.adaptive_lr) $("race-alr").value = query.adaptive_lr;
    if (query.condition) $("condition").value = Math.log10(query.condition);
    if (query.momentum) $("momentum").value = -Math.log10(1 - query.momentum);
    this.run();
    this.explain();
  },

  leave() { cancelAnimationFrame(this.timer); },

  async run() {
    this.labels();
    const query = { surface: $("surface").value, condition: this.condition(), momentum: this.momentum() || 0.01, lr: $("race-lr").value, adaptive_lr: $("race-alr").value, steps: 200 };
    say("race", query);
    cancelAnimationFrame(this.timer);
    try {
      const answer = await this.ask(`/race?${new URLSearchParams(query)}`);
      if (!answer) return;
      this.data = answer;
      problem("");
    } catch (error) {
      return problem(error.message);
    }
    this.rows();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) { $("race-step").value = 200; return this.redraw(); }
    let begun = null;
    const tick = (now) => {
      begun = begun ?? now;
      const at = Math.min(200, Math.round((now - begun) / 30));
      $("race-step").value = at;
      this.redraw();
      if (at < 200) this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
  },

  rows() {
    $("racers").tBodies[0].replaceChildren(...Object.keys(this.data.paths).map((name, i) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.borderColor = COLOURS[i % COLOURS.length];
      const box = element("input", { type: "checkbox", checked: this.shown.has(name), onchange: () => { box.checked ? this.shown.add(name) : this.shown.delete(name); this.redraw(); } });
      box.setAttribute("aria-label", `Show ${name}`);
      return element("tr", {}, element("td", {}, box), element("td", {}, swatch, name), element("td", { className: "num" }), element("td", { className: "num" }));
    }));
  },

  async explain() {
    const name = $("explained").value;
    try {
      const parts = await this.askExplained(`/explain?name=${encodeURIComponent(table.kernels[name])}`);
      if (parts) showExplained($("race-explain"), parts, true);
    } catch (error) {
      problem(error.message);
    }
  },

  redraw() {
    if (!this.data || $("page-race").hidden) return;
    const at = +$("race-step").value, { span, paths, least } = this.data;
    $("race-step-out").textContent = at;
    const { c, width, height } = fit($("surface-map"), 0.82);
    const values = bytes(this.data.heights).map((v) => Math.floor(v / 16) * 17);
    const low = mix(rgb(style("--field-b")), rgb(style("--b")), 0.45), high = rgb(style("--field-0"));
    const image = picture(values, Math.sqrt(values.length), low, mix(low, high, 0.62), high);
    c.imageSmoothingEnabled = true;
    c.drawImage(image, 0, 0, width, height);
    const place = ([x, y]) => [((x - span[0]) / (span[1] - span[0])) * width, ((span[3] - y) / (span[3] - span[2])) * height];
    const [mx, my] = place(least);
    c.strokeStyle = style("--ink");
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(mx - 8, my); c.lineTo(mx + 8, my); c.moveTo(mx, my - 8); c.lineTo(mx, my + 8);
    c.stroke();
    Object.entries(paths).forEach(([name, path], i) => {
      const row = $("racers").tBodies[0].rows[i], gone = at >= path.length, end = path[Math.min(at, path.length - 1)];
      row.cells[2].textContent = gone ? "diverged" : end[2].toPrecision(3);
      row.cells[3].textContent = gone ? "" : `${end[0].toFixed(2)}, ${end[1].toFixed(2)}`;
      if (!this.shown.has(name)) return;
      c.strokeStyle = c.fillStyle = COLOURS[i % COLOURS.length];
      c.lineWidth = 2.4;
      c.lineJoin = "round";
      c.beginPath();
      path.slice(0, at + 1).forEach((point, k) => (k ? c.lineTo(...place(point)) : c.moveTo(...place(point))));
      c.stroke();
      c.beginPath();
      c.arc(...place(end), 5, 0, 7);
      c.fill();
      c.strokeStyle = style("--panel");
      c.lineWidth = 1.5;
      c.stroke();
    });
    $("surface-map").setAttribute("aria-label", `Step ${at} on the ${this.data.surface}; the table lists the heights.`);
  },
});
