// Where events go: sinks for `onEvent` of `createIssuer`.

/** @typedef {import("./index.d.ts").IssuerEvent} IssuerEvent */

/** A line of structured log: what `createIssuer` does by default. @param {IssuerEvent} event */
export function logSink(event) {
  const line = JSON.stringify({ edgemint: event });
  if (event.kind === "failed") console.error(line);
  else console.log(line);
}

/** A data point for each event. @param {import("./events.d.ts").AnalyticsDataset} dataset */
export function analyticsEngine(dataset) {
  return (/** @type {IssuerEvent} */ { tenant = "", kind, reason, clientId = "", detail = "", location = "" }) =>
    // One index is all there is; it may have 96 bytes, and a tenant's name has 63 at most.
    dataset.writeDataPoint({
      indexes: [tenant],
      blobs: [kind, reason, clientId, detail, location],
      doubles: [1],
    });
}

/**
 * Each event to each of them: one that fails keeps it from no other.
 * @param {...((event: IssuerEvent) => unknown)} sinks
 */
export function everySink(...sinks) {
  return (/** @type {IssuerEvent} */ event) => {
    /** @type {unknown[]} */
    const pending = [];
    for (const sink of sinks) {
      try {
        const done = sink(event);
        if (done !== undefined) pending.push(done);
      } catch (error) {
        pending.push(Promise.reject(error));
      }
    }
    return pending.length === 0 ? undefined : Promise.all(pending).then(() => {});
  };
}
