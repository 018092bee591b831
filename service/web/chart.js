// Charts with uPlot. A chart takes columns by name; null is a gap.

import { $, element } from "./dom.js";

const size = (place) => ({ width: Math.max(place.clientWidth, 200), height: Math.max(Math.min(place.clientWidth * 0.5, 460), 280) });
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const shade = (alpha) => `rgba(${color("--band")}, ${alpha})`;

export function format(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e7 || magnitude < 1e-3)) return value.toExponential(3);
  const digits = magnitude >= 1000 || magnitude === 0 ? 0 : magnitude >= 10 ? 1 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// Places on the x axis: seconds for stamps, the number itself for steps.
export function places(ds) {
  return ds.map((stamp) => (typeof stamp === "number" ? stamp : Date.parse(/T/.test(stamp) ? (/(Z|[+-]\d\d:\d\d)$/.test(stamp) ? stamp : `${stamp}Z`) : `${stamp}T00:00Z`) / 1000));
}

// Rows of uPlot: step of the axis in seconds, text, text where a year, day or minute begins.
const second = (text) => [text, null, null, null, null, null, 1];
const DATES = [
  [3600 * 24 * 365, "{YYYY}", ...second(null)],
  [3600 * 24 * 28, "{MMM}", ...second("\n{YYYY}")],
  [3600 * 24, "{D} {MMM}", ...second("\n{YYYY}")],
  [3600, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

function axes(isTime) {
  const shared = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "12px system-ui" };
  return [{ ...shared, ...(isTime ? { values: DATES, space: 62 } : { values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? value : "")) }) },
    { ...shared, size: 64, values: (_, splits) => splits.map((value) => value.toLocaleString("en", { maximumSignificantDigits: 6 })) }];
}

const charts = new Map();

function put(place, options, data) {
  const old = charts.get(place);
  if (old) old.chart.destroy();
  place.replaceChildren();
  const chart = new uPlot({ ...size(place), ...options }, data, place);
  charts.set(place, { chart, options, data });
  return chart;
}

// lines: [{name, values, stroke, dash, points}], fans: [{name, lo, hi, alpha}] widest first.
export function draw(place, ds, lines, fans) {
  const isTime = typeof ds[0] !== "number";
  const series = [{}];
  const data = [places(ds)];
  const bands = [];
  for (const fan of fans) {
    const stroke = shade(Math.min(fan.alpha + 0.15, 1));
    for (const end of ["high", "low"]) series.push({ label: `${fan.name} ${end}`, stroke, width: 1, points: { show: false } });
    bands.push({ series: [series.length - 2, series.length - 1], fill: shade(fan.alpha) });
    data.push(fan.hi, fan.lo);
  }
  for (const line of lines) {
    const isDots = line.points === true;
    series.push({ label: line.name, stroke: color(line.stroke), width: isDots ? 0 : 2, dash: line.dash,
      paths: isDots ? () => null : undefined,
      points: isDots ? { show: true, size: 9, fill: color(line.stroke), stroke: color(line.stroke) } : { show: ds.length < 60, size: 4 } });
    data.push(line.values);
  }
  const items = [...lines.map((line) => ({ kind: line.points ? "dot" : "line", paint: color(line.stroke), name: line.name, at: (step) => one(line.values[step]) })),
    ...fans.map((fan) => ({ kind: "", paint: shade(fan.alpha + 0.15), name: `${fan.name} interval`, at: (step) => range(fan.lo[step], fan.hi[step]) }))];
  const read = (chart) => readout($("readout"), items, (step) => String(ds[step]), chart.cursor.idx);
  put(place, { series, bands, axes: axes(isTime), scales: { x: { time: isTime } }, tzDate: (x) => uPlot.tzDate(new Date(x * 1e3), "Etc/UTC"),
    cursor: { y: false }, legend: { show: false }, hooks: { setCursor: [read], ready: [read] } }, data);
}

const isThere = (value) => value !== null && value !== undefined;
const one = (value) => (isThere(value) ? format(value) : "");
const range = (lo, hi) => (isThere(lo) ? `${format(lo)} to ${format(hi)}` : "");

// Below a chart: what each mark means, and its value where the pointer is.
function readout(place, items, title, step) {
  const entries = items.map((item) => {
    const swatch = element("span", { class: `swatch ${item.kind}` });
    swatch.style.setProperty("background", item.paint);
    const value = isThere(step) ? item.at(step) : "";
    return element("span", {}, swatch, value ? `${item.name} ${value}` : item.name);
  });
  if (isThere(step)) entries.unshift(title(step));
  place.replaceChildren(...entries);
}

// Rows of [step, loss, score]. Where training begins anew on all points there is no score any more.
export function drawCurve(place, curve) {
  const steps = curve.map((row) => row[0]);
  const isAnew = curve.map((row) => !isThere(row[2]));
  const columns = [
    { name: "Training loss", stroke: "--second", values: curve.map((row, at) => (isAnew[at] ? null : row[1])) },
    { name: "Loss of points held back", stroke: "--accent", values: curve.map((row) => row[2]) },
    { name: "Training loss, anew on all points", stroke: "--soft", values: curve.map((row, at) => (isAnew[at] ? row[1] : null)) },
  ].filter((column) => column.values.some(isThere));
  const items = columns.map((column) => ({ kind: "line", paint: color(column.stroke), name: column.name, at: (step) => one(column.values[step]) }));
  const read = (chart) => readout($("curve-readout"), items, (step) => `Step ${steps[step]}`, chart.cursor.idx);
  put(place, { height: 190, width: Math.max(place.clientWidth, 200), scales: { x: { time: false } }, axes: axes(false), legend: { show: false }, cursor: { y: false },
    series: [{}, ...columns.map((column) => ({ label: column.name, stroke: color(column.stroke), width: 2, points: { show: curve.length < 60, size: 4 } }))],
    hooks: { setCursor: [read], ready: [read], draw: [(chart) => border(chart, steps[isAnew.indexOf(true) - 1])] } },
  [steps, ...columns.map((column) => column.values)]);
}

// A line where training begins anew.
function border(chart, step) {
  if (step === undefined) return;
  const { ctx, bbox } = chart;
  const x = Math.round(chart.valToPos(step, "x", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = color("--soft");
  ctx.setLineDash([6, 5]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const shown = charts.get(target);
    if (!shown || Math.abs(shown.chart.width - target.clientWidth) < 2) continue;
    shown.chart.setSize({ width: Math.max(target.clientWidth, 200), height: shown.options.height || size(target).height });
  }
});
export const watch = (place) => watcher.observe(place);
