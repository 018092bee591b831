// The page: data in, forecast out. Text from files and answers goes in through textContent only.

import { call, follow, key, Refused } from "./api.js";
import { draw, drawCurve, format, watch } from "./chart.js";

const $ = (id) => document.getElementById(id);
const state = { series: [], freq: null, rows: [], file: "forecast.csv", jobId: null, redraw: null };
const FLAG_LEVEL = 0.99;
const RESULTS = ["chart", "readout", "summary", "measures", "downloads", "table"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function say(text) { $("status").textContent = text; }

function complain(error) {
  const place = $("error");
  place.textContent = error instanceof Refused ? error.message : `Something went wrong on this page: ${error.message}`;
  place.hidden = false;
  for (const name of RESULTS) $(name).classList.add("stale");
  reveal(place);
  say("");
  if (error.status === 401 || error.status === 403) { $("access").open = true; $("key").focus(); }
}

// On a phone the result is below the form.
function reveal(place) {
  const { top } = place.getBoundingClientRect();
  if (top < 0 || top > innerHeight - 80) place.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
}

async function attempt(button, work) {
  $("error").hidden = true;
  if (button) button.disabled = true;
  try { await work(); } catch (error) { complain(error); } finally { if (button) button.disabled = false; }
}

// Data

function numbersOf(text) {
  const hasDecimalCommas = text.includes(";") && /\d,\d/.test(text); // 1,5; 2,5
  const parts = (hasDecimalCommas ? text.replaceAll(",", ".").split(/[\s;]+/) : text.split(/[\s,;]+/)).filter(Boolean);
  if (!parts.length || !parts.every((part) => /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|null|nan|na)$/i.test(part))) return null;
  return parts.map((part) => (/^(null|nan|na)$/i.test(part) ? null : Number(part)));
}

async function readText() {
  const text = $("text").value;
  if (!text.trim()) throw new Refused(0, "There is no data yet. Paste numbers, drop a CSV file or pick an example.");
  const numbers = numbersOf(text);
  if (numbers) {
    show({ source: `${numbers.length} numbers.`, freq: null, season_length: 1, series: [{ id: "series", start: 0, y: numbers, ds: numbers.map((_, step) => step) }] });
  } else {
    show(await call("POST", "v1/series", text, "text/csv"));
  }
}

function show(read) {
  state.series = read.series;
  state.freq = read.freq;
  state.text = $("text").value;
  $("source").textContent = read.source;
  $("series").replaceChildren(...read.series.slice(0, 1000).map((one, index) => element("option", { value: index }, one.id)));
  $("which").hidden = read.series.length < 2;
  if (read.season_length > 1) $("horizon").value = Math.min(read.season_length * (read.season_length < 10 ? 3 : 1), 96);
}

async function load(text) {
  $("text").value = text.length > 200000 ? text : text.trim();
  await readText();
  await forecast();
}

const chosen = () => state.series[Number($("series").value || 0)];
const ready = async () => { if (!state.series.length || state.text !== $("text").value) await readText(); };

function request(one, more) {
  const item = { id: one.id, y: one.y, start: one.start, ...(state.freq ? { freq: state.freq } : {}) };
  const season = Number($("season").value);
  return { series: [item], horizon: Number($("horizon").value), ...(season > 0 ? { season_length: season } : {}), ...more };
}

// Levels

const levels = () => [...document.querySelectorAll("input[name=level]:checked")].map((box) => Number(box.value)).sort((a, b) => b - a);
const low = (level) => Number(((100 - level) / 200).toFixed(4));
const high = (level) => Number((1 - low(level)).toFixed(4));
const quantileLevels = () => [...new Set([...levels().flatMap((level) => [low(level), high(level)]), 0.5])].sort((a, b) => a - b);

// Results

const gap = (count) => Array(count).fill(null);
const window_ = (one, horizon) => Math.max(0, one.y.length - Math.max(horizon * 6, 300));
const shownOf = (one, skip) => (skip ? ` The chart shows the last ${(one.y.length - skip).toLocaleString("en")} of ${one.y.length.toLocaleString("en")} values.` : "");

async function forecast() {
  await ready();
  const one = chosen();
  say("Forecasting…");
  const began = performance.now();
  const names = [$("model").value, $("other").value].filter(Boolean);
  const answers = await Promise.all(names.map((model) => call("POST", "v1/forecast", request(one, { model, quantile_levels: quantileLevels() }))));
  say(`Forecast in ${Math.round(performance.now() - began)} ms.`);
  const [first, second] = answers.map((answer) => answer.forecasts[0]);
  const skip = window_(one, first.mean.length);
  const past = { ds: one.ds.slice(skip), y: one.y.slice(skip) };
  const last = past.y.length - 1;
  const join = (values) => [...gap(last), past.y[last], ...values];
  const fans = levels().map((level, index) => ({ name: `${level} %`, alpha: 0.12 + 0.1 * index, lo: join(first.quantiles[low(level)]), hi: join(first.quantiles[high(level)]) }));
  const lines = [{ name: "History", values: [...past.y, ...gap(first.mean.length)], stroke: "--history" }, { name: answers[0].model, values: join(first.quantiles["0.5"]), stroke: "--accent" }];
  if (second) lines.push({ name: answers[1].model, values: join(second.quantiles["0.5"]), stroke: "--second", dash: [6, 4] });
  state.redraw = () => draw($("chart"), [...past.ds, ...first.ds], lines, fans);
  state.redraw();
  const columns = ["Time", "Mean", ...quantileLevels().map((level) => `${Number((level * 100).toFixed(2))} %`), ...(second ? [`Mean of ${answers[1].model}`] : [])];
  const rows = first.ds.map((stamp, step) => [stamp, first.mean[step], ...quantileLevels().map((level) => first.quantiles[level][step]), ...(second ? [second.mean[step]] : [])]);
  table(`Forecast of ${one.id}`, columns, rows);
  $("measures").replaceChildren();
  const end = first.mean.length - 1;
  $("summary").textContent = `${one.id}: after ${format(past.y[last])}, the median is ${format(first.quantiles["0.5"][0])} next and ${format(first.quantiles["0.5"][end])} at ${first.ds[end]}.${shownOf(one, skip)}`;
}

async function backtest() {
  await ready();
  const one = chosen();
  say("Measuring…");
  const names = [...new Set([$("model").value, $("other").value].filter(Boolean))];
  const [answer, second] = await Promise.all(names.map((model) => call("POST", "v1/backtest", request(one, { model, quantile_levels: quantileLevels(), n_windows: 3 }))));
  say("");
  const index = new Map(one.ds.map((stamp, place) => [stamp, place]));
  const column = () => gap(one.y.length);
  const [median, other] = [answer, second].map((found) => {
    const values = column();
    for (const part of found ? found.forecasts : []) part.ds.forEach((stamp, step) => { values[index.get(stamp)] = part.quantiles["0.5"][step]; });
    return values;
  });
  const fans = levels().map((level, order) => ({ name: `${level} %`, alpha: 0.12 + 0.1 * order, lo: column(), hi: column(), level }));
  for (const part of answer.forecasts) {
    part.ds.forEach((stamp, step) => {
      const place = index.get(stamp);
      for (const fan of fans) { fan.lo[place] = part.quantiles[low(fan.level)][step]; fan.hi[place] = part.quantiles[high(fan.level)][step]; }
    });
  }
  const skip = window_(one, answer.horizon * 3);
  const cut = (values) => values.slice(skip);
  const lines = [{ name: "History", values: cut(one.y), stroke: "--history" }, { name: `Forecasts of ${answer.model}`, values: cut(median), stroke: "--accent" }];
  if (second) lines.push({ name: second.model, values: cut(other), stroke: "--second", dash: [6, 4] });
  state.redraw = () => draw($("chart"), cut(one.ds), lines,
    fans.map((fan) => ({ ...fan, lo: cut(fan.lo), hi: cut(fan.hi) })));
  state.redraw();
  const titles = { forecaster: answer.model, seasonal_naive: "seasonal naive", naive: "last value", drift: "drift" };
  const measured = levels().find((level) => level <= 80); // what the server calls coverage
  const inside = measured ? `In ${measured} % interval, %` : "In interval, %";
  const measures = { ...answer.measures, ...(second ? { [second.model]: second.measures.forecaster } : {}) };
  const rows = Object.entries(measures).sort((a, b) => (a[1].mae ?? Infinity) - (b[1].mae ?? Infinity))
    .map(([method, found]) => [titles[method] || method, found.mase, found.mae, found.rmse, found.smape === null ? null : found.smape * 100, found.coverage === null ? null : found.coverage * 100]);
  $("measures").replaceChildren(tableOf("Beside the baselines, over three windows; lower is better", ["Method", "MASE", "MAE", "RMSE", "sMAPE %", inside], rows));
  table(`Backtest of ${one.id}`, ["Time", "Value", "Median"], answer.forecasts.flatMap((part) => part.ds.map((stamp, step) => [stamp, part.y[step], part.quantiles["0.5"][step]])));
  $("summary").textContent = `${rows[0][0]} is best by mean absolute error: ${format(rows[0][2])}.${shownOf(one, skip)}`;
}

async function anomalies() {
  await ready();
  const one = chosen();
  say("Looking…");
  const wanted = request(one, { model: $("model").value, level: FLAG_LEVEL, horizon: Math.max(1, Math.ceil(one.y.length / 400)), detection_length: Math.max(1, Math.min(one.y.length - 2, Math.floor(one.y.length * 0.6))) });
  const [found] = (await call("POST", "v1/anomalies", wanted)).series;
  say("");
  if (!found) throw new Refused(0, "The series is too short to look for anomalies.");
  const flagged = found.y.map((value, place) => (found.anomaly[place] ? value : null));
  state.redraw = () => draw($("chart"), found.ds, [{ name: "Values", values: found.y, stroke: "--history" }, { name: "Anomalies", values: flagged, stroke: "--flag", points: true }], [{ name: "99 %", lo: found.lo, hi: found.hi, alpha: 0.18 }]);
  state.redraw();
  $("measures").replaceChildren();
  const rows = found.ds.map((stamp, place) => [stamp, found.y[place], found.lo[place], found.hi[place], found.score[place], found.anomaly[place] ? "anomaly" : ""]);
  table(`Anomalies of ${one.id}: values and what was expected`, ["Time", "Value", "Low", "High", "Score", ""], rows, (row) => row[5] !== "");
  const count = found.anomaly.filter(Boolean).length;
  $("summary").textContent = `${count} of ${found.y.length} points of ${one.id} lie outside their 99 % interval.`;
}

function tableOf(caption, columns, rows, isFlagged = () => false) {
  const cells = (row) => row.map((cell) => element("td", {}, typeof cell === "number" || cell === null ? format(cell) : String(cell)));
  const head = element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name))));
  const body = element("tbody", {}, ...rows.slice(0, 2000).map((row) => element("tr", isFlagged(row) ? { class: "flagged" } : {}, ...cells(row))));
  const stepIsFirst = typeof (rows[0] || [])[0] === "number";
  if (stepIsFirst) [...body.rows].forEach((line, place) => { line.cells[0].textContent = rows[place][0]; });
  return element("table", {}, element("caption", {}, caption), head, body);
}

function table(caption, columns, rows, isFlagged) {
  state.rows = [columns, ...rows];
  state.file = `${caption.split(" ")[0].toLowerCase()}.csv`;
  $("table").replaceChildren(tableOf(caption, columns, rows, isFlagged));
  $("downloads").hidden = false;
  for (const name of RESULTS) $(name).classList.remove("stale");
  reveal($("result"));
  document.body.dataset.shown = String(Number(document.body.dataset.shown || 0) + 1);
}

// A cell that a spreadsheet would run as a formula gets a quote in front.
function csvCell(value) {
  const text = value === null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function download() {
  const text = state.rows.map((row) => row.map(csvCell).join(",")).join("\n");
  const link = element("a", { href: URL.createObjectURL(new Blob([text + "\n"], { type: "text/csv" })), download: state.file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Models and training

async function models(wanted) {
  const answer = await call("GET", "v1/models");
  const names = [...Object.keys(answer.aliases), ...answer.models.filter((model) => model.status === "ready").map((model) => model.name)];
  const options = () => names.map((name) => element("option", { value: name }, name));
  const kept = { model: $("model").value, other: $("other").value };
  $("model").replaceChildren(...options());
  $("other").replaceChildren(element("option", { value: "" }, "nothing"), ...options());
  $("start").replaceChildren(...options(), element("option", { value: "none" }, "random weights"));
  $("model").value = wanted || kept.model || answer.default;
  if (!$("model").value && names.length) $("model").value = names[0];
  $("other").value = kept.other;
  if (names.includes(answer.default)) $("start").value = answer.default;
}

async function train() {
  await ready();
  const start = $("start").value;
  const series = state.series.map((one) => ({ id: one.id, y: one.y, start: one.start, ...(state.freq ? { freq: state.freq } : {}) }));
  await watchJob(await call("POST", "v1/train", { name: $("name").value, horizon: Number($("horizon").value), series, start: start === "none" ? null : start, train: { max_epochs: Number($("epochs").value) } }));
}

// The tab keeps the id of its job, so that a page loaded again still shows it.
async function watchJob(job) {
  state.jobId = job.id;
  sessionStorage.setItem("job", job.id);
  $("cancel").disabled = false;
  $("curve").replaceChildren();
  $("job").textContent = "Waiting for a runner…";
  $("progress").hidden = false;
  reveal($("progress"));
  await follow(job.id, onJob);
  $("cancel").disabled = true;
}

async function findJob() {
  const id = sessionStorage.getItem("job");
  if (!id) return;
  const job = await call("GET", `v1/jobs/${id}`).catch(() => null);
  if (job && (job.status === "pending" || job.status === "running")) attempt($("train"), () => watchJob(job));
  else sessionStorage.removeItem("job");
}

function onJob(event, job) {
  const progress = job.progress;
  if (progress && progress.curve && progress.curve.length > 1) drawCurve($("curve"), progress.curve);
  if (event === "shutdown" || event === "error") { $("job").textContent = job.detail; return; }
  const at = progress ? ` ${progress.step} of ${progress.steps} steps, best score ${format(progress.best ?? progress.score)}` : "";
  const texts = { pending: "Waiting for a runner…", running: `Training:${at}`, cancelled: "Cancelled.", failed: `Failed: ${job.error}` };
  if (job.status === "succeeded") {
    $("job").textContent = `Done: ${job.result.model}${at ? `,${at}` : ""}.`;
    models(job.result.model).catch(complain);
  } else {
    $("job").textContent = texts[job.status];
  }
}

// Wiring

function readFile(file) {
  $("example").value = "";
  if (file.size > 30 * 2 ** 20) throw new Refused(0, "The file is larger than 30 MiB. Use the API or the command line for it.");
  return file.arrayBuffer().then(decoded).then(load);
}

// Spreadsheets also write UTF-16 (with its mark) and Windows-1252.
function decoded(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try { return new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch { return new TextDecoder("windows-1252").decode(bytes); }
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); attempt($("go"), forecast); });
$("backtest").addEventListener("click", (event) => attempt(event.target, backtest));
$("anomalies").addEventListener("click", (event) => attempt(event.target, anomalies));
$("train").addEventListener("click", (event) => attempt(event.target, train));
$("cancel").addEventListener("click", (event) => attempt(event.target, () => call("POST", `v1/jobs/${state.jobId}/cancel`)));
$("download").addEventListener("click", download);
$("text").addEventListener("input", () => { $("example").value = ""; $("source").textContent = ""; });
$("series").addEventListener("change", () => attempt(null, forecast));
$("file").addEventListener("change", (event) => { const [file] = event.target.files; if (file) attempt(null, () => readFile(file)); event.target.value = ""; });
$("example").addEventListener("change", (event) => {
  const name = event.target.value;
  if (name) attempt(event.target, async () => load(await (await fetch(`web/${name}`)).text()));
});
$("key").addEventListener("change", (event) => { key.set(event.target.value); attempt(null, () => models()); });
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("text").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) attempt(null, () => readFile(event.dataTransfer.files[0]));
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.redraw && state.redraw());

$("key").value = key.get();
$("chart").append(element("div", { class: "empty" }, "Paste numbers, drop a CSV file or pick an example to see its forecast."));
watch($("chart"));
watch($("curve"));
attempt(null, () => models()).then(() => { document.body.dataset.ready = "yes"; return findJob(); });
