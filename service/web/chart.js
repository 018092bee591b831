// Charts with uPlot. A chart takes columns by name; null is a gap.

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

function axes(isTime) {
  const shared = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "12px system-ui" };
  return [{ ...shared, ...(isTime ? {} : { values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? value : "")) }) },
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
  const read = (chart) => readout(ds, lines, fans, chart.cursor.idx);
  put(place, { series, bands, axes: axes(isTime), scales: { x: { time: isTime } }, tzDate: (x) => uPlot.tzDate(new Date(x * 1e3), "Etc/UTC"),
    cursor: { y: false }, legend: { show: false }, hooks: { setCursor: [read], ready: [read] } }, data);
}

// Below the chart: what each mark means, and its value where the pointer is.
function readout(ds, lines, fans, place) {
  const isAt = place !== null && place !== undefined;
  const entry = (kind, paint, name, value) => {
    const swatch = document.createElement("span");
    swatch.className = `swatch ${kind}`;
    swatch.style.setProperty("background", paint);
    const made = document.createElement("span");
    made.append(swatch, value ? `${name} ${value}` : name);
    return made;
  };
  const has = (values) => isAt && values[place] !== null && values[place] !== undefined;
  const entries = lines.map((line) => entry(line.points ? "dot" : "line", color(line.stroke), line.name, has(line.values) ? format(line.values[place]) : ""));
  for (const fan of fans) entries.push(entry("", shade(fan.alpha + 0.15), `${fan.name} interval`, has(fan.lo) ? `${format(fan.lo[place])} to ${format(fan.hi[place])}` : ""));
  if (isAt) entries.unshift(String(ds[place]));
  document.getElementById("readout").replaceChildren(...entries);
}

export function drawCurve(place, curve) {
  const data = [curve.map((row) => row[0]), curve.map((row) => row[1]), curve.map((row) => row[2])];
  const options = { height: 190, width: Math.max(place.clientWidth, 200), scales: { x: { time: false } }, axes: axes(false),
    series: [{ label: "Step" }, { label: "Training loss", stroke: color("--second"), width: 2, value: (_, y) => format(y) },
      { label: "Validation", stroke: color("--accent"), width: 2, value: (_, y) => format(y) }] };
  put(place, options, data);
}

const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const shown = charts.get(target);
    if (!shown || Math.abs(shown.chart.width - target.clientWidth) < 2) continue;
    shown.chart.setSize({ width: Math.max(target.clientWidth, 200), height: shown.options.height || size(target).height });
  }
});
export const watch = (place) => watcher.observe(place);
