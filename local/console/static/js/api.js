// Calls the console's API; an error has the message of the server.

class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Return the JSON of an address. Empty parameters are left out; lists repeat. */
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
    // After a change of the machine's network, one request fails and the next succeeds.
    answer = await ask().catch((error) =>
      error.name === "AbortError" ? Promise.reject(error) : ask(),
    );
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The console does not answer. Is the local mode running? (make status)", 0);
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

/** Query Prometheus; return the `data` of its answer. */
export async function prometheus(path, params, signal) {
  return (await getJson(`/api/prometheus/api/v1/${path}`, params, signal)).data;
}
