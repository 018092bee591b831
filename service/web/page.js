// The page: data in, forecast out. Text from files and answers goes in through textContent only.

import { call, key, Refused } from "./api.js";
import { draw, format, watch } from "./chart.js";
import { chosen, data, decoded, item, readColumns, ready, remembered, setText } from "./data.js";
import { $, attempt, complain, element, refresh, reveal, say } from "./dom.js";
import { download, downloadShown, table, tableOf } from "./tables.js";
import { cancel, chooseTrained, findJob, models, train } from "./training.js";

const FLAG_LEVEL = 0.99;
const AT_ONCE = 200; // series in one request of many
const state = { work: null, turn: 0, redraw: null, isWhole: false };

// What is asked for

const horizon = () => Number($("horizon").value);
const season = () => (Number($("season").value) > 0 ? { season_length: Number($("season").value) } : {});
const request = (series, more) => ({ series, horizon: horizon(), ...season(), ...more });

const levels = () => [...document.querySelectorAll("input[name=level]:checked")].map((box) => Number(box.value)).sort((a, b) => b - a);
const low = (level) => Number(((100 - level) / 200).toFixed(4));
const high = (level) => Number((1 - low(level)).toFixed(4));
const quantileLevels = () => [...new Set([...levels().flatMap((level) => [low(level), high(level)]), 0.5])].sort((a, b) => a - b);
const nameOf = (level) => (level === 0.5 ? "Median" : `${Number((level * 100).toFixed(2))} %`);

// Work that ends in a result: only what was asked for last is shown.
async function run(work) {
  const turn = ++state.turn;
  const isLast = () => turn === state.turn;
  $("error").hidden = true;
  $("result").setAttribute("aria-busy", "true");
  try {
    await ready();
    const put = await work();
    if (!isLast()) return;
    state.work = work;
    refresh();
    put();
    reveal($("result"));
    document.body.dataset.shown = String(Number(document.body.dataset.shown || 0) + 1);
  } catch (error) {
    if (isLast()) complain(error);
  } finally {
    if (isLast()) $("result").removeAttribute("aria-busy");
  }
}

function again() {
  if (state.work && $("form").checkValidity()) run(state.work);
}

// Parts of a result

const gap = (count) => Array(count).fill(null);

// How many of the values before `span` steps are left out of the chart.
function leftOut(one, span) {
  const newest = Math.max(5 * span, 60);
  const skip = state.isWhole ? 0 : Math.max(0, one.y.length - newest);
  $("whole").hidden = one.y.length <= newest;
  $("whole").textContent = skip ? `Show all ${one.y.length.toLocaleString("en")} values` : `Show the newest ${newest.toLocaleString("en")} values`;
  return skip;
}

function paint(drawing) {
  state.redraw = drawing;
  drawing();
}

function warn(answers) {
  $("notes").textContent = [...new Set(answers.flatMap((answer) => (answer ? answer.warnings || [] : [])))].join(" ");
}

// Forecast

async function forecast() {
  say("Forecasting…");
  const began = performance.now();
  const one = chosen();
  const names = [$("model").value, $("other").value].filter(Boolean);
  const asked = request([item(one, horizon())], { quantile_levels: quantileLevels() });
  const answers = await Promise.all(names.map((model) => call("POST", "v1/forecast", { ...asked, model })));
  const took = Math.round(performance.now() - began);
  return () => { say(`Forecast in ${took} ms.`); showForecast(one, answers); };
}

function showForecast(one, answers) {
  const [first, second] = answers.map((answer) => answer.forecasts[0]);
  const skip = leftOut(one, first.mean.length);
  const past = { ds: one.ds.slice(skip), y: one.y.slice(skip) };
  const last = past.y.length - 1;
  const join = (values) => [...gap(last), past.y[last], ...values];
  const fans = levels().map((level, order) => ({ name: `${level} %`, alpha: 0.12 + 0.1 * order, lo: join(first.quantiles[low(level)]), hi: join(first.quantiles[high(level)]) }));
  const lines = [{ name: "History", values: [...past.y, ...gap(first.mean.length)], stroke: "--history" }, { name: answers[0].model, values: join(first.quantiles["0.5"]), stroke: "--accent" }];
  if (second) lines.push({ name: answers[1].model, values: join(second.quantiles["0.5"]), stroke: "--second", dash: [6, 4] });
  paint(() => draw($("chart"), [...past.ds, ...first.ds], lines, fans));
  const columns = ["Time", "Mean", ...quantileLevels().map(nameOf), ...(second ? [`Mean of ${answers[1].model}`] : [])];
  table(`Forecast of ${one.id}`, columns, first.ds.map((stamp, step) => [stamp, ...valuesAt(first, step), ...(second ? [second.mean[step]] : [])]));
  $("measures").replaceChildren();
  $("all").hidden = data.series.length < 2;
  $("all").textContent = `Download all ${data.series.length.toLocaleString("en")} series`;
  warn(answers);
  const end = first.mean.length - 1;
  const median = first.quantiles["0.5"];
  $("summary").textContent = `${one.id}: after ${format(past.y[last])}, the median is ${format(median[0])} next${end ? ` and ${format(median[end])} at ${first.ds[end]}` : ""}.`;
}

const valuesAt = (found, step) => [found.mean[step], ...quantileLevels().map((level) => found.quantiles[level][step])];

async function downloadAll() {
  await ready();
  const rows = [["Series", "Time", "Mean", ...quantileLevels().map(nameOf)]];
  for (let begin = 0; begin < data.series.length; begin += AT_ONCE) {
    say(`Forecasting series ${begin + 1} of ${data.series.length}…`);
    const series = data.series.slice(begin, begin + AT_ONCE).map((one) => item(one, horizon()));
    const answer = await call("POST", "v1/forecast", request(series, { model: $("model").value, quantile_levels: quantileLevels() }));
    for (const found of answer.forecasts) rows.push(...found.ds.map((stamp, step) => [found.id, stamp, ...valuesAt(found, step)]));
  }
  say("");
  download(rows, "forecasts.csv");
}

// Backtest

async function backtest() {
  say("Measuring…");
  const one = chosen();
  const names = [...new Set([$("model").value, $("other").value].filter(Boolean))];
  const asked = request([item(one, 0)], { quantile_levels: quantileLevels(), n_windows: 3 });
  const answers = await Promise.all(names.map((model) => call("POST", "v1/backtest", { ...asked, model })));
  return () => { say(""); showBacktest(one, answers); };
}

function showBacktest(one, [answer, second]) {
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
  const skip = leftOut(one, answer.horizon * 2);
  const cut = (values) => values.slice(skip);
  const lines = [{ name: "History", values: cut(one.y), stroke: "--history" }, { name: `Forecasts of ${answer.model}`, values: cut(median), stroke: "--accent" }];
  if (second) lines.push({ name: second.model, values: cut(other), stroke: "--second", dash: [6, 4] });
  paint(() => draw($("chart"), cut(one.ds), lines, fans.map((fan) => ({ ...fan, lo: cut(fan.lo), hi: cut(fan.hi) }))));
  const best = showMeasures(answer, second);
  table(`Backtest of ${one.id}`, ["Time", "Value", "Median"], answer.forecasts.flatMap((part) => part.ds.map((stamp, step) => [stamp, part.y[step], part.quantiles["0.5"][step]])));
  $("all").hidden = true;
  warn([answer, second]);
  $("summary").textContent = `${best[0]} is best by mean absolute error: ${format(best[2])}.`;
}

function showMeasures(answer, second) {
  const titles = { forecaster: answer.model, seasonal_naive: "seasonal naive", naive: "last value", drift: "drift" };
  const measured = levels().find((level) => level <= 80); // what the server calls coverage
  const inside = measured ? `In ${measured} % interval, %` : "In interval, %";
  const percent = (share) => (share === null ? null : share * 100);
  const measures = { ...answer.measures, ...(second ? { [second.model]: second.measures.forecaster } : {}) };
  const rows = Object.entries(measures).sort((a, b) => (a[1].mae ?? Infinity) - (b[1].mae ?? Infinity))
    .map(([method, found]) => [titles[method] || method, found.mase, found.mae, found.rmse, percent(found.smape), percent(found.coverage)]);
  $("measures").replaceChildren(tableOf("Beside the baselines, over three windows; lower is better", ["Method", "MASE", "MAE", "RMSE", "sMAPE %", inside], rows));
  return rows[0];
}

// Anomalies

async function anomalies() {
  say("Looking…");
  const one = chosen();
  const length = Math.max(1, Math.min(one.y.length - 2, Math.floor(one.y.length * 0.6)));
  const asked = request([item(one, 0)], { model: $("model").value, level: FLAG_LEVEL, horizon: Math.max(1, Math.ceil(one.y.length / 400)), detection_length: length });
  const answer = await call("POST", "v1/anomalies", asked);
  const [found] = answer.series;
  if (!found) throw new Refused(0, "The series is too short to look for anomalies.");
  return () => { say(""); showAnomalies(one, found); warn([answer]); };
}

function showAnomalies(one, found) {
  const flagged = found.y.map((value, place) => (found.anomaly[place] ? value : null));
  $("whole").hidden = $("all").hidden = true;
  paint(() => draw($("chart"), found.ds, [{ name: "Values", values: found.y, stroke: "--history" }, { name: "Anomalies", values: flagged, stroke: "--flag", points: true }], [{ name: "99 %", lo: found.lo, hi: found.hi, alpha: 0.18 }]));
  $("measures").replaceChildren();
  const rows = found.ds.map((stamp, place) => [stamp, found.y[place], found.lo[place], found.hi[place], found.score[place], found.anomaly[place] ? "anomaly" : ""]);
  table(`Anomalies of ${one.id}: values and what was expected`, ["Time", "Value", "Low", "High", "Score", "Flag"], rows, (row) => row[5] !== "");
  const count = found.anomaly.filter(Boolean).length;
  $("summary").textContent = `${count} of the newest ${found.y.length} points of ${one.id} ${count === 1 ? "lies" : "lie"} outside ${count === 1 ? "its" : "their"} 99 % interval; where nothing is odd, one in a hundred does.`;
}

// Wiring

async function load(text) {
  setText(text);
  await run(forecast);
}

function readFile(file) {
  $("example").value = "";
  if (file.size > 30 * 2 ** 20) throw new Refused(0, "The file is larger than 30 MiB. Use the API or the command line for it.");
  return file.arrayBuffer().then(decoded).then(load);
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); run(forecast); });
$("backtest").addEventListener("click", () => run(backtest));
$("anomalies").addEventListener("click", () => run(anomalies));
for (const name of ["series", "horizon", "season", "model", "other"]) $(name).addEventListener("change", again);
for (const box of document.querySelectorAll("input[name=level]")) box.addEventListener("change", again);
$("roles").addEventListener("change", () => attempt(null, async () => { await readColumns(); await run(state.work || forecast); }));
$("whole").addEventListener("click", () => { state.isWhole = !state.isWhole; again(); });
$("train").addEventListener("click", (event) => attempt(event.target, train));
$("cancel").addEventListener("click", (event) => attempt(event.target, cancel));
$("see").addEventListener("click", () => { chooseTrained(); run(forecast); });
$("download").addEventListener("click", downloadShown);
$("all").addEventListener("click", (event) => attempt(event.target, downloadAll));
$("text").addEventListener("input", () => { $("example").value = ""; $("source").textContent = ""; $("columns").hidden = true; });
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
const before = $("text").value || remembered(); // of this tab, before it was loaded again
$("text").value = before;
$("chart").append(element("div", { class: "empty" }, "Paste numbers, drop a CSV file or pick an example to see its forecast."));
watch($("chart"));
watch($("curve"));
attempt(null, () => models()).then(() => { document.body.dataset.ready = "yes"; if (before) run(forecast); return findJob(); });
