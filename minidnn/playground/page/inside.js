"use strict";
// The fourth page: the kernel calls of a step.
const inner = (pages.inside = {
  data: null, ask: latest(),

  start() {
    options($("inside-optimizer"), table.choices.optimizer, "Momentum");
    $("inside-form").onsubmit = (event) => { event.preventDefault(); this.measure(); };
    $("inside-optimizer").onchange = () => this.measure();
  },

  enter(query) {
    if (table.choices.optimizer.includes(query.optimizer)) $("inside-optimizer").value = query.optimizer;
    if (!this.data || query.optimizer) this.measure();
  },

  async measure() {
    const optimizer = $("inside-optimizer").value;
    say("inside", { optimizer });
    $("inside-status").textContent = "Measuring ...";
    try {
      const answer = await this.ask(`/inside?${new URLSearchParams({ optimizer })}`);
      if (!answer) return;
      this.data = answer;
      problem("");
    } catch (error) {
      $("inside-status").textContent = "";
      return problem(error.message);
    }
    const { rows, replay, peak, threads } = this.data;
    $("inside-status").textContent = `${rows.length} calls, ${replay} µs per step; fastest matrix product of this machine ${peak} GFLOP/s (${threads} thread${threads > 1 ? "s" : ""}).`;
    const most = Math.max(...rows.map((row) => row.share));
    $("calls").tBodies[0].replaceChildren(...rows.map((row, i) => {
      const fill = element("i"), button = element("button", { type: "button", textContent: row.kernel, onclick: () => this.choose(i) });
      fill.style.width = `${(100 * row.share) / most}%`;
      return element("tr", {},
        element("td", { className: "num", textContent: i }),
        element("td", {}, button, element("span", { className: "flow", textContent: `${row.flow} ${row.settings}` })),
        element("td", { className: "num", textContent: row.microseconds.toFixed(1) }),
        element("td", {}, element("div", { className: "share" }, element("span", {}, fill), `${(100 * row.share).toFixed(1)} %`)),
        element("td", { className: "num", textContent: row.rate }),
        element("td", { className: "num", textContent: row.floor === null ? "" : row.floor.toFixed(2) }));
    }));
    this.choose(0);
  },

  choose(place) {
    const row = this.data.rows[place];
    [...$("calls").tBodies[0].rows].forEach((tr, i) => {
      tr.className = i === place ? "chosen" : "";
      tr.querySelector("button").setAttribute("aria-pressed", String(i === place));
    });
    showExplained($("inside-explain"), this.data.kernels[row.kernel].filter((part) => part.kernel === row.kernel), false);
  },
});
