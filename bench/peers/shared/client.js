// What every peer is asked for: the same client, the same API with the same roles, the same claims.

import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { ROOT } from "../../servers.js";

export const API = "api://orders";
export const ROLES = ["Orders.Read.All", "Orders.Write.All"];
/** What a user has consented to, where users' refresh tokens are measured. */
export const SCOPES = ["Orders.Read", "Orders.Write"];
const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** A client with a secret about as long as ours, new in each run. */
export function newClient() {
  return { id: randomUUID(), secret: `ems_${randomBytes(36).toString("base64url")}` };
}

/** A signing key for a server that is given one. */
export async function newKey() {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const kid = randomBytes(32).toString("base64url");
  return { ...(await exportJWK(privateKey)), alg: "ES256", kid, use: "sig" };
}

/** The version that is installed. @param {string} name of a package */
export function versionOf(name) {
  const text = readFileSync(`${ROOT}bench/node_modules/${name}/package.json`, "utf8");
  return /** @type {string} */ (JSON.parse(text).version);
}

/**
 * The form that asks for a token of the client's own.
 * @param {{ id: string, secret: string }} client @param {Record<string, string>} asked
 */
export function credentialsForm({ id, secret }, asked) {
  const client = { grant_type: "client_credentials", client_id: id, client_secret: secret };
  return new URLSearchParams({ ...client, ...asked }).toString();
}

/** A refresh request, up to the token. @param {{ id: string, secret: string }} client */
export function refreshForm({ id, secret }) {
  const client = new URLSearchParams({ client_id: id, client_secret: secret });
  return `grant_type=refresh_token&${client}&refresh_token=`;
}

/**
 * Posts a form outside of what is measured.
 * @param {string} url @param {string} body
 */
export async function post(url, body) {
  const response = await fetch(url, { method: "POST", headers: FORM, body });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${text}`);
  return JSON.parse(text);
}

/**
 * Verifies the access token in an answer against the keys that the server publishes.
 * @param {string} jwks
 * @param {import("jose").JWTVerifyOptions} expected
 * @param {string[]} [roles]
 * @returns {(answer: string) => Promise<import("jose").JWTPayload>}
 */
export function verifier(jwks, expected, roles) {
  const keys = createRemoteJWKSet(new URL(jwks));
  const options = { algorithms: ["ES256"], requiredClaims: ["exp"], ...expected };
  return async (answer) => {
    const { payload } = await jwtVerify(JSON.parse(answer).access_token, keys, options);
    if (roles !== undefined && `${payload.roles}` !== `${roles}`) {
      throw new Error(`the token has the roles ${payload.roles}`);
    }
    return payload;
  };
}

/**
 * How refresh tokens are made for a contestant, with a check that an answer brings another one.
 * @param {(count: number) => Promise<string[]>} make
 */
export function rotation(make) {
  /** @type {Set<string>} */
  const given = new Set();
  return {
    /** @param {number} count */
    async tokens(count) {
      const made = await make(count);
      if (made.length !== count) throw new Error(`${made.length} refresh tokens, not ${count}`);
      for (const token of made) given.add(token);
      return made;
    },
    /** @param {string} answer */
    verifyRotated(answer) {
      const { refresh_token: token } = JSON.parse(answer);
      if (typeof token !== "string" || given.has(token)) throw new Error(`not rotated: ${answer}`);
    },
  };
}
