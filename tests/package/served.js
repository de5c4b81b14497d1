// An issuer in this process, served over HTTP, which can be taken away; and raw requests.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { MASTER_KEY, register } from "../workerd/world.js";

/**
 * Serves a fetch handler on 127.0.0.1.
 * @param {(request: Request) => Response | Promise<Response>} handler
 */
export async function serve(handler) {
  const served = {
    url: "",
    /** The paths that were asked for. @type {string[]} */
    heard: [],
    /** What is answered instead. @type {((request: Request) => Response | "hang up" | undefined | void | Promise<Response | void>) | undefined} */
    instead: undefined,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer(async (incoming, outgoing) => {
    /** @type {Buffer[]} */
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method = "GET", url = "/", headers } = incoming;
    served.heard.push(url);
    const request = new Request(new URL(url, served.url), {
      method,
      headers: /** @type {Record<string, string>} */ (headers),
      body: chunks.length === 0 ? undefined : Buffer.concat(chunks),
    });
    const response = (await served.instead?.(request)) ?? (await handler(request));
    if (response === "hang up") return incoming.socket.destroy();
    outgoing.writeHead(response.status, [...response.headers].flat());
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  served.url = `http://127.0.0.1:${port}`;
  return served;
}

/** The service with a tenant `demo`, an API `api://orders`, and an application that may read there. */
export async function startIssuer() {
  /** @type {import("edgemint").Issuer} */
  let issuer;
  const served = await serve((request) => issuer.fetch(request));
  issuer = createIssuer({
    baseUrl: served.url,
    masterKey: MASTER_KEY,
    store: memoryStore(),
    cacheTtl: 0,
    onEvent() {},
  });
  const application = await register(issuer.admin);
  const { clientId, secret, scope } = application;
  return {
    ...application,
    issuer: `${served.url}/demo`,
    admin: issuer.admin,
    sessions: issuer.sessions,
    served,
    /**
     * A token by client credentials.
     * @param {Record<string, string>} [parameters] @param {string} [path] @returns {Promise<string>}
     */
    async token(parameters, path = "/demo/oauth2/token") {
      const body = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: clientId,
        client_secret: secret,
        scope,
        ...parameters,
      });
      const request = new Request(new URL(path, served.url), { method: "POST", body });
      const answer = /** @type {any} */ (await (await issuer.fetch(request)).json());
      if (answer.access_token === undefined) throw new Error(JSON.stringify(answer));
      return answer.access_token;
    },
    stop: () => served.stop(),
  };
}

/**
 * A request as it is written here: also with a header several times.
 * @param {string} url @param {[string, string][]} [headers] @param {{ method?: string, body?: string }} [more]
 */
export async function raw(url, headers = [], { method = "GET", body } = {}) {
  const asked = httpRequest(url, {
    method,
    headers: /** @type {any} */ (["host", new URL(url).host, ...headers.flat()]),
  });
  asked.end(body);
  const [response] = await once(asked, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}
