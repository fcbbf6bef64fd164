// Asks the console's API; an error carries the sentence that the server gave.

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Return the JSON behind an address. Parameters that are empty are left out; lists repeat. */
export async function getJson(address, params = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined) query.append(name, one);
    }
  }
  const text = query.toString();
  let answer;
  const ask = () => fetch(text ? `${address}?${text}` : address, { signal });
  try {
    // A machine whose network just changed fails one request and answers the next.
    answer = await ask().catch((error) =>
      error.name === "AbortError" ? Promise.reject(error) : ask(),
    );
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The console does not answer; is the local mode still up? (make status)", 0);
  }
  return read(answer);
}

async function read(answer) {
  let document;
  try {
    document = await answer.json();
  } catch {
    throw new ApiError(`The console answered ${answer.status} without JSON.`, answer.status);
  }
  if (!answer.ok) throw new ApiError(document.error ?? `status ${answer.status}`, answer.status);
  return document;
}

/** Ask Prometheus; returns its `data`. */
export async function prometheus(path, params, signal) {
  return (await getJson(`/api/prometheus/api/v1/${path}`, params, signal)).data;
}
