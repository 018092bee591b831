// Models to choose from, and the training of new ones.

import { call, follow } from "./api.js";
import { drawCurve, format } from "./chart.js";
import { data, item, ready } from "./data.js";
import { $, attempt, complain, element, reveal } from "./dom.js";

const watched = { id: null, curve: [] };
const done = { model: null, before: null };

export async function models(wanted) {
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

export async function train() {
  await ready();
  const start = $("start").value;
  const series = data.series.map((one) => item(one, 0));
  const order = { name: $("name").value, horizon: Number($("horizon").value), series, start: start === "none" ? null : start, train: { max_epochs: Number($("epochs").value) } };
  watchJob(await call("POST", "v1/train", order));
}

// The model that was trained, beside the one that was chosen before.
export function chooseTrained() {
  $("model").value = done.model;
  if (done.before !== done.model) $("other").value = done.before;
}

// The tab keeps the id of its job, so that a page loaded again still shows it.
function watchJob(job) {
  watched.id = job.id;
  watched.curve = [];
  sessionStorage.setItem("job", job.id);
  $("cancel").hidden = $("cancel").disabled = false;
  $("see").hidden = true;
  $("curve").replaceChildren();
  $("curve-readout").replaceChildren();
  $("job").textContent = sentenceOf(job);
  $("progress").hidden = false;
  reveal($("progress"));
  const onJob = (event, found) => { if (watched.id === job.id) onEvent(event, found); };
  follow(job.id, onJob).catch(complain).finally(() => { if (watched.id === job.id) $("cancel").hidden = true; });
}

export const cancel = () => call("POST", `v1/jobs/${watched.id}/cancel`);

// Shows the job of this tab, or one that another tab began.
export async function findJob() {
  const id = sessionStorage.getItem("job");
  const own = id && (await call("GET", `v1/jobs/${id}`).catch(() => null));
  const { jobs } = own ? { jobs: [own] } : await call("GET", "v1/jobs").catch(() => ({ jobs: [] }));
  const running = jobs.find((job) => job.status === "pending" || job.status === "running");
  if (running) watchJob(running);
  else sessionStorage.removeItem("job");
}

function onEvent(event, job) {
  if (event === "shutdown" || event === "error") { $("job").textContent = job.detail; return; }
  const progress = job.progress;
  if (progress && progress.curve && progress.curve.length > 1) {
    watched.curve = progress.curve;
    drawCurve($("curve"), progress.curve);
  }
  $("job").textContent = sentenceOf(job);
  if (job.status === "succeeded") attempt(null, () => finish(job.result.model));
}

async function finish(model) {
  done.before = $("model").value;
  done.model = model;
  await models($("model").value);
  $("see").hidden = false;
}

const heldBack = (loss) => (typeof loss === "number" ? ` Loss of points held back: ${format(loss)}.` : "");

function sentenceOf({ status, model, progress, error, result }) {
  if (status === "succeeded") return `Done: ${result.model}.${heldBack(result.validation_loss)}`;
  if (status === "failed") return `Failed: ${error}`;
  if (status === "cancelled") return "Cancelled.";
  if (status === "pending") return `${model}: waiting for a runner…`;
  if (!progress) return `${model}: training has begun…`;
  if (progress.phase === "all_points") return `${model}: training anew, now on all points; step ${progress.step} of ${progress.steps}.`;
  return `${model}: step ${progress.step} of ${progress.steps} at most.${heldBack(progress.score)}`;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => watched.curve.length > 1 && drawCurve($("curve"), watched.curve));
