// Elements of the page, and what it says about itself.

import { key, Refused } from "./api.js";

const RESULTS = ["chart", "readout", "summary", "notes", "measures", "downloads", "table"];

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

export function say(text) { $("status").textContent = text; }

export function complain(error) {
  const place = $("error");
  place.textContent = sentenceOf(error);
  place.hidden = false;
  for (const name of RESULTS) $(name).classList.add("stale");
  reveal(place);
  say("");
  if (error.status === 401 || error.status === 403) { $("access").open = true; $("key").focus(); }
}

function sentenceOf(error) {
  if (error.status === 401) return key.get() ? "The server does not accept this key. Give another one under 'Key'." : "This server asks for a key. Give it under 'Key'.";
  return error instanceof Refused ? error.message : `Something went wrong on this page: ${error.message}`;
}

export function refresh() {
  $("error").hidden = true;
  for (const name of RESULTS) $(name).classList.remove("stale");
}

// On a phone the result is below the form.
export function reveal(place) {
  const { top } = place.getBoundingClientRect();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (top < 0 || top > innerHeight * 0.6) place.scrollIntoView({ behavior: isCalm ? "auto" : "smooth", block: "start" });
}

// Does what a button asks for; the button waits meanwhile.
export async function attempt(button, work) {
  $("error").hidden = true;
  if (button) button.disabled = true;
  try { await work(); } catch (error) { complain(error); } finally { if (button) button.disabled = false; }
}
