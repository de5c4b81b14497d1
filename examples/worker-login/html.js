// What the login page needs of HTML: markup that escapes, and the headers of a page that nobody may frame.

/** @type {Record<string, string>} */
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

const STYLE = `body { font: 1rem/1.5 system-ui; max-width: 26rem; margin: 2rem auto; padding: 0 1rem }
label, fieldset { display: block; margin: .75rem 0 } [role=alert] { color: #a4161a }
small { color: #566173 } :root { color-scheme: light dark }`;

/** Markup. Only `html` makes it, so whatever else is put into a page is escaped. */
class Html {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** @typedef {Html | string | false | undefined} Part */

/** @param {Part | Part[]} part @returns {string} */
function written(part) {
  if (Array.isArray(part)) return part.map(written).join("");
  if (part instanceof Html) return part.text;
  return (part || "").replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/**
 * Markup in which every value is escaped.
 * @param {TemplateStringsArray} strings @param {(Part | Part[])[]} parts
 */
export const html = (strings, ...parts) =>
  new Html(strings.map((text, at) => text + (at < parts.length ? written(parts[at]) : "")).join(""));

/** The browser goes on with GET. @param {string} location */
export const redirect = (location) => new Response(null, { status: 303, headers: headers({ location }) });

/**
 * @param {number} status @param {string} title @param {Html} body
 * @param {string} [formAction] an origin, beside this one, to which answers to a form may lead
 */
export function page(status, title, body, formAction = "") {
  // Only this page's own style sheet is applied.
  const nonce = crypto.randomUUID();
  const document = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style nonce="${nonce}">${new Html(STYLE)}</style>
<h1>${title}</h1>
${body}
</html>
`;
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `form-action 'self' ${formAction}`.trimEnd(),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  const own = { "content-type": "text/html; charset=utf-8", "content-security-policy": policy.join("; ") };
  return new Response(document.text, { status, headers: headers(own) });
}

/** The handle is in the address: it goes into no cache and no `Referer`. @param {Record<string, string>} own */
const headers = (own) => ({ "cache-control": "no-store", "referrer-policy": "no-referrer", ...own });
