// Calls to the service this page came from. Every refusal is a Refused with the server's sentence.

export class Refused extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors || [];
  }
}

export const key = {
  get: () => sessionStorage.getItem("key") || "",
  set: (value) => sessionStorage.setItem("key", value.trim()),
};

function headers(more) {
  return key.get() ? { ...more, Authorization: `Bearer ${key.get()}` } : more;
}

async function refusal(response) {
  let problem = {};
  try { problem = await response.json(); } catch { /* no JSON: the status must do */ }
  return new Refused(response.status, problem.detail || `The server answered ${response.status}.`, problem.errors);
}

export async function call(method, path, body, type = "application/json") {
  const options = { method, headers: headers(body === undefined ? {} : { "Content-Type": type }) };
  if (body !== undefined) options.body = type === "application/json" ? JSON.stringify(body) : body;
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, "The server does not answer. Is it running?");
  }
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

// Follows a job; EventSource cannot send a key, so the stream is read by hand.
export async function follow(jobId, onJob) {
  const response = await fetch(`v1/jobs/${jobId}/events`, { headers: headers({}) });
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const name = /^event: (.*)$/m.exec(part);
      const data = /^data: (.*)$/m.exec(part);
      if (name && data) onJob(name[1], JSON.parse(data[1]));
    }
  }
}
