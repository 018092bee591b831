// Tables under the chart, and their download.

import { format } from "./chart.js";
import { $, element } from "./dom.js";

const MOST = 2000; // rows that are shown; all are downloaded
const shown = { rows: [], file: "forecast.csv" };

export function tableOf(caption, columns, rows, isFlagged = () => false) {
  const isStep = typeof (rows[0] || [])[0] === "number";
  const text = (cell, place) => (isStep && place === 0 ? String(cell) : typeof cell === "number" || cell === null ? format(cell) : String(cell));
  const line = (row) => element("tr", isFlagged(row) ? { class: "flagged" } : {}, ...row.map((cell, place) => element("td", {}, text(cell, place))));
  const head = element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name))));
  const more = rows.length > MOST ? ` (the first ${MOST.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows)` : "";
  return element("table", {}, element("caption", {}, caption + more), head, element("tbody", {}, ...rows.slice(0, MOST).map(line)));
}

export function table(caption, columns, rows, isFlagged) {
  shown.rows = [columns, ...rows];
  shown.file = `${caption.split(" ")[0].toLowerCase()}.csv`;
  $("table").replaceChildren(tableOf(caption, columns, rows, isFlagged));
  $("downloads").hidden = false;
}

// A cell that a spreadsheet would run as a formula gets a quote in front.
function csvCell(value) {
  const text = value === null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function downloadShown() { download(shown.rows, shown.file); }

export function download(rows, file) {
  const text = rows.map((row) => row.map(csvCell).join(",")).join("\n");
  const link = element("a", { href: URL.createObjectURL(new Blob([text + "\n"], { type: "text/csv" })), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
