"use strict";
// Shared by all pages: elements, requests, streams, errors, theme, address.
const $ = (id) => document.getElementById(id);
const CLIENT = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const pages = {};
let table = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function options(select, names, chosen) {
  select.replaceChildren(...names.map((name) => element("option", { value: name, textContent: name, selected: name === chosen })));
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text || "";
}

const GONE = "The server does not answer. Start it again with: minidnn playground";

async function ask(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Error(GONE);
  }
  const document_ = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) throw new Error(document_.error);
  return document_;
}

// Reads server-sent events until the run ends; returns a function that ends it. `ended` gets "" or an error text.
function stream(path, query, frame, ended) {
  const abort = new AbortController();
  (async () => {
    let response;
    try {
      response = await fetch(`${path}?${new URLSearchParams({ ...query, client: CLIENT })}`, { signal: abort.signal });
    } catch {
      return abort.signal.aborted || ended(GONE);
    }
    if (!response.ok) return ended((await response.json().catch(() => ({}))).error || `The server answered ${response.status}.`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", done = false;
    try {
      for (;;) {
        const part = await reader.read();
        if (part.done) break;
        const events = (rest + part.value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          if (event.startsWith("event: done")) done = true;
          else if (event.startsWith("data: ") && !abort.signal.aborted) frame(JSON.parse(event.slice(6)));
        }
      }
    } catch (error) {
      if (!abort.signal.aborted && !(error instanceof TypeError) && !(error instanceof DOMException)) throw error;
    }
    if (!abort.signal.aborted) ended(done ? "" : GONE);
  })();
  return () => abort.abort();
}

// Returns a request function that ignores the answers to all but its latest request.
function latest() {
  let count = 0;
  return async (path) => {
    const mine = ++count;
    try {
      const answer = await ask(path);
      return mine === count ? answer : null;
    } catch (error) {
      if (mine === count) throw error;
      return null;
    }
  };
}

const control = (text) => ask(`/control?client=${CLIENT}`, { method: "POST", body: text }).catch((error) => problem(error.message));

function theme(name) {
  document.documentElement.dataset.theme = name;
  Object.values(pages).forEach((page) => page.redraw && page.redraw());
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The address: #page?settings
function address() {
  const [page, query] = location.hash.slice(1).split("?");
  return { page: pages[page] ? page : "playground", query: Object.fromEntries(new URLSearchParams(query || "")) };
}

function say(page, query) {
  const text = new URLSearchParams(query).toString().replaceAll("%2C", ",").replaceAll("%3B", ";");
  history.replaceState(null, "", `#${page}${text ? `?${text}` : ""}`);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function showExplained(into, parts, wide) {
  into.replaceChildren(
    ...parts.map((part) =>
      element("div", { className: `panel explained${wide ? " wide" : ""}` },
        element("div", { className: "formula" }, element("h3", { textContent: `${part.kernel}: formula` }), element("pre", { textContent: part.formula, tabIndex: 0 })),
        element("div", {}, element("h3", { textContent: "NumPy" }), element("pre", { textContent: part.numpy, tabIndex: 0 })),
        element("div", {}, element("h3", { textContent: "C++" }), element("pre", { textContent: part.cpp, tabIndex: 0 })))));
}
