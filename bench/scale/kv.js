// Workers KV as raw workerd knows it, in a process of its own: what millions of records cost is not to be
// found in the figures of the worker that reads them. It answers reads, from files of `directories.js`, a
// record a line, which it holds in memory.
//
//   PORT=8080 node bench/scale/kv.js FILE...

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [TAB, NEWLINE] = [0x09, 0x0a];
const METADATA = JSON.stringify({ version: "1" });

/** Where a record is. @type {Map<string, { file: Buffer, from: number, to: number }>} */
const records = new Map();
for (const path of process.argv.slice(2)) {
  const file = readFileSync(path);
  for (let at = 0; at < file.length; ) {
    const from = file.indexOf(TAB, at) + 1;
    const to = file.indexOf(NEWLINE, from);
    records.set(file.toString("latin1", at, from - 1), { file, from, to });
    at = to + 1;
  }
}

createServer((request, response) => {
  const { method, url = "" } = request;
  if (method !== "GET") {
    response.writeHead(405).end();
    return;
  }
  const record = records.get(decodeURIComponent(url.slice(1).split("?")[0]));
  if (record === undefined) {
    response.writeHead(404, { "content-length": 0 }).end();
    return;
  }
  const { file, from, to } = record;
  response.writeHead(200, { "CF-KV-Metadata": METADATA, "content-length": to - from });
  response.end(file.subarray(from, to));
}).listen(Number(process.env.PORT), "127.0.0.1");
