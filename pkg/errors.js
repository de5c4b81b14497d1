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
 * A module of the wasm is not there, or is not what it should be.
 * @param {string} name @param {unknown} cause
 */
export const wasmUnavailable = (name, cause) =>
  new EdgemintError("wasm_unavailable", `the wasm \`${name}\` could not be loaded: ${cause}`, { cause });
