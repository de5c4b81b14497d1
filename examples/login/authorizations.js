// What a login page asks edgemint over HTTP: inspect, complete and deny an authorization. It is an
// application of its own, which holds the app role `Authorization.ReadWrite.All` of the administration
// API: whoever has its secret can sign in as anybody, so it stays on the server.

const ADMIN_API = "urn:edgemint:admin";
/** Seconds before its end at which a token is not used any more. */
const EARLY = 60;
/** Milliseconds that an answer may take. */
const PATIENCE = 10_000;

/** An act that was refused. `invalid_handle`: the user must start again at the application. */
export class AuthorizationError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * @param {{ issuer: string, clientId: string, clientSecret: string }} options
 * @returns {import("edgemint").Authorization}
 */
export function authorizations({ issuer, clientId, clientSecret }) {
  /**
   * One request for a token at a time; everybody who needs it waits for the same.
   * @type {Promise<{ token: string, ends: number }> | undefined}
   */
  let held;

  /**
   * @param {string} path @param {Record<string, string>} headers
   * @param {string | URLSearchParams} body
   */
  async function post(path, headers, body) {
    const signal = AbortSignal.timeout(PATIENCE);
    const request = {
      method: "POST",
      headers,
      body,
      signal,
      redirect: /** @type {const} */ ("error"),
    };
    const response = await fetch(issuer + path, request);
    const answer = /** @type {Record<string, any>} */ (await response.json());
    return { status: response.status, answer };
  }

  async function newToken() {
    const form = {
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: clientSecret,
      scope: `${ADMIN_API}/.default`,
    };
    const { status, answer } = await post("/oauth2/token", {}, new URLSearchParams(form));
    if (status !== 200) {
      throw new AuthorizationError(
        answer.error,
        `no token for the login page: ${answer.error_description}`,
      );
    }
    return { token: answer.access_token, ends: Date.now() / 1000 + answer.expires_in - EARLY };
  }

  async function token() {
    const asked = held;
    const known = await asked?.catch(() => undefined);
    // Whoever comes first asks anew; the others find that `held` is another by now.
    const spent = known === undefined || known.ends <= Date.now() / 1000;
    if (spent && held === asked) held = newToken();
    return (await /** @type {NonNullable<typeof held>} */ (held)).token;
  }

  /** @param {string} act @param {Record<string, unknown>} parameters @returns {Promise<any>} */
  async function call(act, parameters, again = true) {
    const headers = {
      authorization: `Bearer ${await token()}`,
      "content-type": "application/json",
    };
    const path = `/admin/v1/authorizations/${act}`;
    const { status, answer } = await post(path, headers, JSON.stringify(parameters));
    if (status === 200) return answer;
    // The token may have been good and be so no more: the tenant's keys were changed.
    if (status === 401 && again) {
      held = undefined;
      return call(act, parameters, false);
    }
    throw new AuthorizationError(answer.code, `${act}: ${answer.detail}`);
  }

  return {
    inspect: (handle) => call("inspect", { handle }),
    complete: (handle, consent) => call("complete", { handle, ...consent }),
    deny: (handle, denial) => call("deny", { handle, ...denial }),
  };
}
