// The one error class of the package.

/** See `index.d.ts`. */
export class EdgemintError extends Error {
  /**
   * @param {import("./index.d.ts").EdgemintErrorCode} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "EdgemintError";
    this.code = code;
  }
}

/**
 * Why a request failed, with the code that `fetch` hides in the cause, such as a certificate's.
 * @param {unknown} error
 */
export function whyOf(error) {
  if (!(error instanceof Error)) return String(error);
  const { code } = /** @type {{ code?: unknown }} */ (error.cause ?? {});
  const isNew = typeof code === "string" && !error.message.includes(code);
  return isNew ? `${error.message} (${code})` : error.message;
}

/**
 * A module of the wasm is not there, or is not what it should be.
 * @param {string} name @param {unknown} cause
 */
export const wasmUnavailable = (name, cause) =>
  new EdgemintError("wasm_unavailable", `the wasm \`${name}\` could not be loaded: ${cause}`, { cause });
