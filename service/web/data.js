// Data of the page: what was pasted or opened becomes series, and series become requests.

import { call, Refused } from "./api.js";
import { $, element } from "./dom.js";
import { numbersOf, oddOne } from "./numbers.js";

const SHOWN = 200_000; // characters of a large file that the text field shows
const KEPT = 500_000; // characters that a page loaded again finds
const ROLES = { values: "values", future: "known ahead", past: "known so far", static: "constant", unused: "not used", time: "time", id: "name of the series" };
const OPTIONS = { values: "target_col", future: "future_covariates", past: "past_covariates", static: "static_covariates", time: "time_col", id: "id_col" };
const KINDS = ["past_covariates", "future_covariates", "static_covariates"];

export const data = { series: [], freq: null, read: null };
const source = { whole: "", shown: null }; // a file that the text field shows only the beginning of

const textOf = () => ($("text").value === source.shown ? source.whole : $("text").value);
export const chosen = () => data.series[Number($("series").value || 0)];

export function setText(text) {
  const trimmed = text.length > SHOWN ? text : text.trim();
  $("text").value = trimmed.length > SHOWN ? `${trimmed.slice(0, SHOWN)}\n… (the file goes on)` : trimmed;
  source.whole = trimmed;
  source.shown = $("text").value;
  data.read = null;
}

// Spreadsheets also write UTF-16 (with its mark) and Windows-1252.
export function decoded(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try { return new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch { return new TextDecoder("windows-1252").decode(bytes); }
}

export function remember() {
  const text = textOf();
  try { sessionStorage.setItem("text", text.length > KEPT ? "" : text); } catch { /* full or forbidden */ }
}

export const remembered = () => sessionStorage.getItem("text") || "";

// Reads the text unless the series are those of it.
export async function ready() {
  if (data.read === null || data.read !== textOf()) await readText();
}

async function readText() {
  const text = textOf();
  if (!text.trim()) throw new Refused(0, "There is no data yet. Paste numbers, drop a CSV file or pick an example.");
  const numbers = numbersOf(text);
  const odd = numbers ? undefined : oddOne(text);
  if (odd !== undefined) throw new Refused(0, `'${odd}' is not a number. Write null for a missing value.`);
  const found = numbers ? seriesOf(numbers) : await call("POST", "v1/series", text, "text/csv");
  show(found);
  showColumns(found.columns);
  data.read = text;
  remember();
}

// Reads the table again with the columns as they are chosen.
export async function readColumns() {
  const text = textOf();
  const query = new URLSearchParams();
  for (const [role, option] of Object.entries(OPTIONS)) {
    const names = [...document.querySelectorAll("#columns select")].filter((select) => select.value === role).map((select) => select.dataset.name);
    if (names.length) query.set(option, names.join(","));
  }
  if (!query.has("target_col")) throw new Refused(0, "Choose a column as 'values'.");
  show(await call("POST", `v1/series?${query}`, text, "text/csv"));
  data.read = text;
}

function seriesOf({ values, name, note }) {
  const count = values.length === 1 ? "One number." : `${values.length.toLocaleString("en")} numbers.`;
  return { source: [count, note].filter(Boolean).join(" "), freq: null, season_length: 1, series: [{ id: name || "series", start: 0, y: values, ds: values.map((_, step) => step) }] };
}

function show(found) {
  data.series = found.series;
  data.freq = found.freq;
  const notes = [found.source];
  if (found.columns && found.columns.unused.length) notes.push("Columns that are known ahead help: name them under 'Columns'.");
  const open = Math.max(...found.series.map(withoutEmptyEnd));
  if (open) notes.push(`The last ${open === 1 ? "row has" : `${open} rows have`} no value: the forecast begins there.`);
  $("source").textContent = notes.join(" ");
  $("series").replaceChildren(...found.series.slice(0, 1000).map((one, index) => element("option", { value: index }, one.id)));
  $("which").hidden = found.series.length < 2;
  const season = found.season_length;
  const known = knownAhead();
  if (known || open) $("horizon").value = known || open;
  else if (season > 1) $("horizon").value = Math.min(season * (season < 10 ? 3 : 1), 96);
}

// Rows without a value at the end are those to forecast. Returns how many there were.
function withoutEmptyEnd(one) {
  let end = one.y.length;
  while (end > 1 && one.y[end - 1] === null) end -= 1;
  const open = one.y.length - end;
  one.y.length = end;
  one.ds.length = end;
  for (const values of Object.values(one.past_covariates || {})) values.length = end;
  return open;
}

function showColumns(columns) {
  const place = $("columns");
  const roles = columns ? [["time", columns.time], ["id", columns.id], ...columns.values.map((name) => ["values", name]), ...columns.unused.map((name) => ["unused", name])].filter(([, name]) => name !== null) : [];
  const isFree = roles.length > 1 && roles.length <= 24 && !roles.some(([, name]) => name.includes(","));
  place.hidden = !isFree;
  if (!isFree) return;
  $("roles").replaceChildren(...roles.map(([role, name], index) => {
    const select = element("select", { id: `role${index}`, "data-name": name }, ...Object.entries(ROLES).map(([value, text]) => element("option", { value }, text)));
    select.value = role;
    return element("div", {}, element("label", { for: `role${index}` }, name), select);
  }));
}

// Steps beyond the values for which every future covariate of every series is known.
function knownAhead() {
  const ahead = data.series.flatMap((one) => Object.values(one.future_covariates || {}).map((values) => values.length - one.y.length));
  return ahead.length ? Math.min(...ahead) : 0;
}

// One series as requests have it, with future covariates for `reach` steps beyond its values.
export function item(one, reach) {
  const made = { id: one.id, y: one.y, start: one.start, ...(data.freq ? { freq: data.freq } : {}) };
  for (const kind of KINDS) {
    if (one[kind] && Object.keys(one[kind]).length) made[kind] = { ...one[kind] };
  }
  for (const [name, values] of Object.entries(made.future_covariates || {})) {
    const known = values.length - one.y.length;
    if (known < reach) throw new Refused(0, `'${name}' is known for ${known} steps beyond the values; ${reach} are to be forecast. Add rows without a value at the end of the file, take fewer steps, or say that it is 'known so far'.`);
    made.future_covariates[name] = values.slice(0, one.y.length + reach);
  }
  return made;
}
