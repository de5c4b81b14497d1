// Upstash's REST protocol in front of a real Redis, as far as its client needs it here: a command
// or a pipeline as a JSON array, answers in base64 if asked for. A stand-in: the service itself is
// not to be had.

import { once } from "node:events";
import { createServer } from "node:http";
import { createClient } from "redis";

/** @param {string} url of the Redis */
export async function startBridge(url) {
  const client = createClient({ url, disableOfflineQueue: true });
  client.on("error", () => {});
  await client.connect();
  /** How many answers are still to be lost. */
  let lost = 0;
  const requests = { evalsha: 0, eval: 0, pipelines: 0 };

  /** @param {(string | number)[]} command @param {boolean} encoded */
  async function execute(command, encoded) {
    const name = String(command[0]).toLowerCase();
    if (name === "eval" || name === "evalsha") requests[name] += 1;
    try {
      const result = await client.sendCommand(command.map(String));
      return { result: encoded ? base64(result) : result };
    } catch (error) {
      return { error: error instanceof Error ? error.message : "ERR" };
    }
  }

  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const encoded = request.headers["upstash-encoding"] === "base64";
    const answer = (/** @type {number} */ status, /** @type {unknown} */ content) => {
      response.writeHead(status, { "content-type": "application/json", "upstash-sync-token": "1" });
      response.end(JSON.stringify(content));
    };
    if (request.headers.authorization !== "Bearer secret") return answer(401, { error: "Unauthorized" });
    const commands = JSON.parse(body);
    /** @type {unknown} */
    let content;
    let status = 200;
    if (request.url === "/pipeline") {
      requests.pipelines += 1;
      content = await Promise.all(commands.map((/** @type {string[]} */ one) => execute(one, encoded)));
    } else {
      const done = await execute(commands, encoded);
      if (done.error !== undefined) status = 400;
      content = done;
    }
    if (lost > 0) {
      lost -= 1;
      return request.socket.destroy();
    }
    answer(status, content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    /** The next answers get lost on the way, after the command was carried out. @param {number} count */
    lose(count) {
      lost = count;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      client.destroy();
    },
  };
}

/** @param {unknown} result @returns {unknown} */
function base64(result) {
  if (Array.isArray(result)) return result.map(base64);
  return typeof result === "string" && result !== "OK" ? Buffer.from(result).toString("base64") : result;
}
