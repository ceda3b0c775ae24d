"use strict";
// Start: loads the choices from the server or the recording, then shows the page of the address.
let current = null;

function go() {
  const { page, query } = address();
  if (current && current !== page && pages[current].leave) pages[current].leave();
  current = page;
  document.querySelectorAll("nav a").forEach((link) => (link.dataset.page === page ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
  Object.keys(pages).forEach((name) => ($(`page-${name}`).hidden = name !== page));
  problem("");
  pages[page].enter(query);
}

async function begin() {
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("theme").onclick = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  if (window.RECORDING) {
    table = window.RECORDING.choices;
    history.replaceState(null, "", `#playground?${window.RECORDING.query}`);
    document.querySelector("nav").hidden = true;
    $("preset").closest("label").hidden = $("speed").closest("label").hidden = true;
  } else {
    try {
      table = await ask("/choices");
    } catch (error) {
      return problem(error.message);
    }
  }
  $("about").textContent = `minidnn ${table.version}, kernels ${table.isa}${window.RECORDING ? "; a recording" : "; everything runs on this machine"}`;
  Object.values(pages).forEach((page) => page.start());
  addEventListener("hashchange", go);
  addEventListener("resize", () => pages[current].redraw && pages[current].redraw());
  go();
  document.body.dataset.ready = "1";
}

begin();
