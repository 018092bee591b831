"use strict";

// Shows openapi.json of this server: routes by topic, fields, answers, and a form to try each.
// All text goes in through textContent, so nothing of the document is read as HTML.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return `${schema.$ref.split("/").pop()} (a name)`;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const type = [].concat(schema.type || "any").join(" or ");
  return schema.items ? `${type} of ${typeOf(schema.items)}` : type;
}

function limitsOf(schema) {
  const names = { minimum: "at least", maximum: "at most", exclusiveMinimum: "above", exclusiveMaximum: "below",
    minItems: "items at least", maxItems: "items at most", pattern: "pattern" };
  return Object.entries(names).filter(([key]) => key in schema).map(([key, text]) => `${text} ${schema[key]}`).join(", ");
}

function fieldTable(schema) {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => {
    const required = (schema.required || []).includes(name) ? "required" : "";
    return element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, typeOf(field)),
      element("td", {}, [required, limitsOf(field), field.description || ""].filter(Boolean).join("; ")));
  });
  if (!rows.length) return "";
  return element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Field"),
    element("th", { scope: "col" }, "Type"), element("th", { scope: "col" }, "Rules"))), element("tbody", {}, ...rows));
}

async function send(method, path, inputs, text, output) {
  let address = path;
  for (const [name, input] of inputs) address = address.replace(`{${name}}`, encodeURIComponent(input.value));
  output.textContent = "Waiting for the answer…";
  try {
    const options = { method: method.toUpperCase(), headers: {} };
    const key = sessionStorage.getItem("key"); // given on the page, in this tab
    if (key) options.headers.Authorization = `Bearer ${key}`;
    if (text) { options.body = text.value; options.headers["Content-Type"] = "application/json"; }
    const response = await fetch(address.replace(/^\//, ""), options);
    const body = await response.text();
    let shown = body;
    try { shown = JSON.stringify(JSON.parse(body), null, 1); } catch { /* not JSON: as it is */ }
    output.textContent = `${response.status} ${response.statusText}\n${shown.slice(0, 20000)}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function tryForm(method, path, operation) {
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const inputs = new Map((operation.parameters || []).filter((item) => item.in === "path").map((item) =>
    [item.name, element("input", { "aria-label": item.name, placeholder: item.name })]));
  const text = content ? element("textarea", { "aria-label": "Body of the request", spellcheck: "false" }) : null;
  if (text && content.example) text.value = JSON.stringify(content.example, null, 1);
  const output = element("pre", { "aria-live": "polite" });
  output.hidden = true;
  const button = element("button", { type: "button" }, "Try it");
  button.addEventListener("click", () => { output.hidden = false; send(method, path, inputs, text, output); });
  return element("div", {}, ...inputs.values(), ...(text ? [text] : []), button, output);
}

// The example as a line for a shell.
function curlOf(method, path, example) {
  const address = new URL(path.replace(/^\//, ""), document.baseURI);
  return `curl -s${method === "post" ? "" : ` -X ${method.toUpperCase()}`} ${address} -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(example).replaceAll("'", "'\\''")}'`;
}

function route(method, path, operation) {
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const body = element("div", { class: "body" });
  if (operation.description) body.append(element("p", {}, operation.description));
  if (content) body.append(fieldTable(content.schema));
  if (content && content.example && !path.includes("{")) body.append(element("pre", {}, curlOf(method, path, content.example)));
  const answers = Object.entries(operation.responses).map(([code, answer]) => `${code} ${answer.description}`);
  body.append(element("p", {}, `Answers: ${answers.join(", ")}`));
  if (method === "get" || content) body.append(tryForm(method, path, operation));
  return element("details", {}, element("summary", {}, element("b", { class: "method" }, method.toUpperCase()),
    element("code", {}, path), element("span", {}, operation.summary || "")), body);
}

async function show() {
  const about = document.getElementById("about");
  const places = document.getElementById("routes");
  const response = await fetch("openapi.json");
  if (!response.ok) { about.textContent = `The description could not be loaded (${response.status}).`; return; }
  const description = await response.json();
  about.textContent = description.info.description || description.info.title;
  const topics = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const topic = (operation.tags || ["other"])[0];
      if (!topics.has(topic)) topics.set(topic, []);
      topics.get(topic).push(route(method, path, operation));
    }
  }
  for (const [topic, routes] of topics) places.append(element("h2", {}, topic), ...routes);
}

show().catch((error) => { document.getElementById("about").textContent = `The description could not be shown: ${error.message}`; });
