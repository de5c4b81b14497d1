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
