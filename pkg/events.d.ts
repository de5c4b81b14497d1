/** Where events go: sinks for `onEvent` of `createIssuer`. */

import type { IssuerEvent } from "./index.js";

/** What takes events. What it throws, or rejects with, is printed, and disturbs no request. */
export type EventSink = (event: IssuerEvent) => void | Promise<void>;

/** What is used of a binding to Cloudflare's Analytics Engine. */
export interface AnalyticsDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/** Prints an event as a line of JSON, `{"edgemint": {...}}`; a failure as an error. The default,
 * where several access tokens may share a line. */
export declare function logSink(event: IssuerEvent): void;

/**
 * Writes a data point for each event: the tenant is the index, the blobs are kind, reason, client id,
 * detail and location, and the double is 1. What is absent is empty.
 */
export declare function analyticsEngine(dataset: AnalyticsDataset): EventSink;

/** Hands each event to each sink. One that fails keeps it from no other. */
export declare function everySink(...sinks: EventSink[]): EventSink;
