// What both servers of this example need of the web and nothing more: HTML that escapes, the headers
// of a page that nobody may frame, forms, cookies.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

/** Bytes of the largest form that is read. */
const MAX_FORM = 16 * 1024;
const STYLE = readFileSync(new URL("style.css", import.meta.url));

/** @type {Record<string, string>} */
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Markup. Only `html` makes it, so whatever else is put into a page is escaped. */
class Html {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** @typedef {Html | string | number | false | null | undefined} Part */

/** @param {Part | Part[]} part @returns {string} */
function written(part) {
  if (Array.isArray(part)) return part.map(written).join("");
  if (part instanceof Html) return part.text;
  if (part === false || part === null || part === undefined) return "";
  return String(part).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/**
 * Markup in which every value is escaped.
 * @param {TemplateStringsArray} strings @param {(Part | Part[])[]} parts
 */
export function html(strings, ...parts) {
  return new Html(
    strings.map((text, at) => text + (at < parts.length ? written(parts[at]) : "")).join(""),
  );
}

/**
 * @typedef {object} Visit what a browser asks for
 * @property {URL} url
 * @property {URLSearchParams} form empty unless it was posted
 * @property {(name: string) => string | undefined} cookie
 *
 * @typedef {object} Answer what it gets
 * @property {number} [status]
 * @property {{ title: string, body: Html }} [page]
 * @property {string} [location] where to go instead
 * @property {string} [cookie] a whole `Set-Cookie`
 * @property {string} [formAction] an origin, beside this one, to which answers to a form may lead
 *
 * @typedef {(visit: Visit) => Answer | Promise<Answer>} Route
 */

/**
 * A page with a headline, a text and perhaps a link.
 * @param {number} status @param {string} title @param {Part} text @param {Part} [more]
 * @returns {Answer}
 */
export function notice(status, title, text, more) {
  return { status, page: { title, body: html`<h1>${title}</h1><p>${text}</p>${more}` } };
}

/**
 * A server of these routes, such as `GET /login`.
 * @param {Record<string, Route>} routes
 */
export function webServer(routes) {
  return createServer(async (request, response) => {
    /** @type {Answer} */
    let answer;
    try {
      // Any path makes a URL; what is no path (RFC 9112 section 3.2) leads nowhere here.
      const target = request.url?.startsWith("/") ? request.url : "/*";
      const url = new URL(`http://localhost${target}`);
      if (url.pathname === "/style.css") {
        response.writeHead(200, { "content-type": "text/css", "cache-control": "max-age=300" });
        response.end(STYLE);
        return;
      }
      const method = request.method === "HEAD" ? "GET" : request.method;
      const route = routes[`${method} ${url.pathname}`];
      if (route === undefined) {
        request.resume();
        answer = notice(404, "There is nothing here", "The address leads to no page.");
      } else {
        const form = method === "POST" ? await formOf(request) : new URLSearchParams();
        const cookies = cookiesOf(request);
        answer = await route({ url, form, cookie: (name) => cookies.get(name) });
      }
    } catch (error) {
      // The person is told nothing of what is inside.
      console.error(error);
      answer = notice(500, "Something went wrong", "It is not your fault. Please try again.");
    }
    send(response, answer);
  });
}

/** @param {import("node:http").ServerResponse} response @param {Answer} answer */
function send(response, { status, page, location, cookie, formAction = "" }) {
  response.setHeader("cache-control", "no-store");
  // Addresses here carry handles and codes: no other site is told of them.
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("x-content-type-options", "nosniff");
  // No script at all, and no frame around a page on which a click means consent. Chromium holds the
  // redirects after a form to `form-action` too, so it names where consent leads.
  response.setHeader(
    "content-security-policy",
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; " +
      `form-action 'self' ${formAction}`.trim(),
  );
  if (cookie !== undefined) response.setHeader("set-cookie", cookie);
  if (location !== undefined) {
    // 303: whatever the method was, the browser goes on with GET.
    response.writeHead(303, { location }).end();
    return;
  }
  const { title, body } = page ?? { title: "", body: html`` };
  const document = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<body><main>
${body}
</main></body>
</html>
`;
  response.writeHead(status ?? 200, { "content-type": "text/html; charset=utf-8" });
  response.end(document.text);
}

/** @param {import("node:http").IncomingMessage} request */
async function formOf(request) {
  /** @type {Buffer[]} */
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    // The rest is read and dropped, so that the answer arrives.
    if (length <= MAX_FORM) chunks.push(chunk);
  }
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  const whole = isForm && length <= MAX_FORM;
  return new URLSearchParams(whole ? Buffer.concat(chunks).toString() : "");
}

/** @param {import("node:http").IncomingMessage} request @returns {Map<string, string>} */
function cookiesOf(request) {
  const pairs = (request.headers.cookie ?? "").split("; ").map((pair) => pair.split("="));
  return new Map(pairs.map(([name, value = ""]) => [name, value]));
}

/**
 * A cookie that scripts do not see and that comes along when another site sends the browser here, but
 * not with a form of another site. `__Host-` keeps other hosts of the same domain from setting it.
 * @param {string} name @param {boolean} https
 */
export function cookieNamed(name, https) {
  const whole = https ? `__Host-${name}` : name;
  const flags = `Path=/; HttpOnly; SameSite=Lax${https ? "; Secure" : ""}`;
  return {
    name: whole,
    /** @param {string} value */
    set: (value) => `${whole}=${value}; ${flags}`,
    clear: `${whole}=; Max-Age=0; ${flags}`,
  };
}

/**
 * Resolves when it listens; rejects if the port cannot be had.
 * @param {import("node:http").Server} server @param {number} port
 */
export function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
}

/** A variable of the environment that must be there. @param {string} name */
export function setting(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(
    `error: ${name} is not set; \`cargo xtask dev\` starts this page with all it needs`,
  );
  process.exit(1);
}
