"use strict";
// Charts on canvas; each adapts to the theme and to the width of its container.
function fit(canvas, ratio, height) {
  const width = Math.max(120, canvas.clientWidth || canvas.parentElement.clientWidth || 300);
  const tall = height || Math.round(width * ratio), scale = window.devicePixelRatio || 1;
  canvas.style.height = `${tall}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(tall * scale);
  const c = canvas.getContext("2d");
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.font = "12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
  return { c, width, height: tall };
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (u, v, t) => u.map((x, i) => Math.round(x + (v[i] - x) * t));

// Bytes as colours: from 0 (low) over 128 (middle) to 255 (high).
function picture(values, side, low, middle, high) {
  const image = new ImageData(side, values.length / side), colours = [];
  for (let i = 0; i < 256; ++i) colours.push(i < 128 ? mix(low, middle, i / 127.5) : mix(middle, high, i / 127.5 - 1));
  values.forEach((value, i) => image.data.set([...colours[value], 255], 4 * i));
  const small = element("canvas", { width: side, height: image.height });
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

const diverging = () => [rgb(style("--field-a")), rgb(style("--field-0")), rgb(style("--field-b"))];
const strong = () => [rgb(style("--a")), rgb(style("--panel")), rgb(style("--b"))];

const SPAN = 1.2;
function drawField(canvas, frame, points, cursor) {
  const { c, width, height } = fit(canvas, 1);
  c.imageSmoothingEnabled = true;
  if (frame) {
    const values = bytes(frame.grid);
    c.drawImage(picture(values, Math.sqrt(values.length), ...diverging()), 0, 0, width, height);
  } else {
    c.fillStyle = style("--field-0");
    c.fillRect(0, 0, width, height);
  }
  const at = (x, y) => [((x + SPAN) / (2 * SPAN)) * width, ((SPAN - y) / (2 * SPAN)) * height];
  const [low, middle, high] = strong();
  const dots = (list, labels, radius, edge) => (list || []).forEach((point, i) => {
    const label = labels[i], regression = !Number.isInteger(label) || label < 0;
    const t = regression ? (Math.max(-1, Math.min(1, label)) + 1) / 2 : label;
    c.fillStyle = `rgb(${t < 0.5 ? mix(low, middle, 2 * t) : mix(middle, high, 2 * t - 1)})`;
    c.strokeStyle = edge;
    c.lineWidth = 1.3;
    c.beginPath();
    c.arc(...at(...point), radius, 0, 7);
    c.fill();
    c.stroke();
  });
  if (points) dots(points.train, points.labels, Math.max(3.2, width / 95), style("--panel"));
  if (cursor) {
    const [x, y] = at(...cursor);
    c.strokeStyle = style("--ink");
    c.lineWidth = 1.5;
    c.beginPath();
    c.moveTo(x - 10, y); c.lineTo(x + 10, y); c.moveTo(x, y - 10); c.lineTo(x, y + 10);
    c.stroke();
  }
}

// Hidden units as pictures of their outputs over the plane; lines are weights, thicker for larger ones.
function drawNetwork(canvas, frame) {
  const layers = frame.units, sizes = [2, ...layers.map((units) => units.length), frame.weights.at(-1)[0].length];
  const most = Math.max(...sizes);
  const { c, width, height } = fit(canvas, 1, Math.min(420, Math.max(150, 40 * Math.min(most, 9))));
  const unit = Math.max(5, Math.min(30, (height - 8) / most - 3, width / (1.9 * sizes.length)));
  const x = (layer) => unit / 2 + 4 + (layer * (width - unit - 8)) / (sizes.length - 1);
  const y = (layer, i) => height / 2 + (i - (sizes[layer] - 1) / 2) * Math.min(unit + 12, (height - unit - 4) / Math.max(1, sizes[layer] - 1));
  const [low, middle, high] = diverging(), colours = [style("--a"), style("--b")];
  frame.weights.forEach((rows, layer) => {
    const largest = Math.max(0.3, ...rows.flat().map(Math.abs));
    rows.forEach((row, i) => row.forEach((weight, j) => {
      const size = Math.abs(weight) / largest;
      if (size < 0.03) return;
      c.globalAlpha = 0.1 + 0.75 * size;
      c.strokeStyle = colours[weight > 0 ? 1 : 0];
      c.lineWidth = 0.4 + 2.4 * size * Math.min(1, 10 / most);
      c.beginPath();
      const x0 = x(layer), x1 = x(layer + 1), y0 = y(layer, i), y1 = y(layer + 1, j);
      c.moveTo(x0, y0);
      c.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
      c.stroke();
    }));
  });
  c.globalAlpha = 1;
  const box = (layer, i, image) => {
    const left = x(layer) - unit / 2, top = y(layer, i) - unit / 2;
    c.fillStyle = style("--panel");
    c.fillRect(left, top, unit, unit);
    if (image) c.drawImage(image, left, top, unit, unit);
    c.strokeStyle = style("--line");
    c.lineWidth = 1;
    c.strokeRect(left, top, unit, unit);
  };
  const side = layers.length ? Math.sqrt(bytes(layers[0][0]).length) : 14;
  [0, 1].forEach((i) => {
    const ramp = Uint8Array.from({ length: side * side }, (_, k) => (255 * (i ? side - 1 - Math.floor(k / side) : k % side)) / (side - 1));
    box(0, i, picture(ramp, side, low, middle, high));
  });
  layers.forEach((units, layer) => units.forEach((values, i) => box(layer + 1, i, picture(bytes(values), side, low, middle, high))));
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (let i = 0; i < sizes.at(-1); ++i) {
    box(sizes.length - 1, i);
    c.fillStyle = sizes.at(-1) === 1 ? style("--ink") : style(i ? "--b" : "--a");
    c.fillRect(x(sizes.length - 1) - unit / 4, y(sizes.length - 1, i) - unit / 4, unit / 2, unit / 2);
  }
}

function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw)), unit = [1, 2, 5, 10].find((u) => u * power >= raw) * power;
  const found = [];
  for (let t = Math.ceil(low / unit) * unit; t <= high + 1e-9; t += unit) found.push(Math.abs(t) < 1e-12 ? 0 : t);
  return found;
}

// series: {x: [...], y: [...], colour, dash}; y on a logarithmic axis.
function drawLoss(canvas, series) {
  const { c, width, height } = fit(canvas, 0.3, Math.max(190, Math.min(270, canvas.clientWidth * 0.45)));
  const left = 52, right = 10, top = 8, bottom = 28;
  const values = series.flatMap((s) => s.y).filter((v) => v !== null && v > 0);
  let low = Math.log10(Math.max(1e-6, Math.min(...values, 1))), high = Math.log10(Math.max(...values, 0.1));
  if (!values.length) [low, high] = [-2, 0];
  if (high - low < 0.6) low = high - 0.6;
  [low, high] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
  const last = Math.max(10, ...series.map((s) => s.x.at(-1) || 0));
  const X = (x) => left + (x / last) * (width - left - right), Y = (v) => top + ((high - Math.log10(Math.max(v, 1e-9))) / (high - low)) * (height - top - bottom);
  c.strokeStyle = style("--grid");
  c.fillStyle = style("--soft");
  c.lineWidth = 1;
  c.textAlign = "right";
  c.textBaseline = "middle";
  const decades = [];
  for (let d = Math.floor(low); d <= high; ++d) for (const m of high - low > 2.5 ? [1] : high - low > 1.7 ? [1, 3] : [1, 2, 5]) decades.push(m * 10 ** d);
  decades.filter((v) => Math.log10(v) >= low && Math.log10(v) <= high).forEach((v) => {
    c.beginPath(); c.moveTo(left, Y(v)); c.lineTo(width - right, Y(v)); c.stroke();
    c.fillText(v >= 0.001 ? String(+v.toPrecision(1)) : v.toExponential(0), left - 7, Y(v));
  });
  c.textAlign = "center";
  c.textBaseline = "top";
  ticks(0, last, width > 500 ? 8 : 4).forEach((t) => {
    c.beginPath(); c.moveTo(X(t), top); c.lineTo(X(t), height - bottom); c.stroke();
    c.fillText(t.toLocaleString("en"), Math.min(X(t), width - 18), height - bottom + 7);
  });
  series.forEach((s) => {
    c.strokeStyle = s.colour;
    c.lineWidth = 2;
    c.setLineDash(s.dash ? [5, 4] : []);
    c.beginPath();
    let pen = false;
    s.x.forEach((x, i) => {
      if (s.y[i] === null) return (pen = false);
      pen ? c.lineTo(X(x), Y(s.y[i])) : c.moveTo(X(x), Y(s.y[i]));
      pen = true;
    });
    c.stroke();
  });
  c.setLineDash([]);
}
