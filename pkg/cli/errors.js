// What can go wrong, and the exit code that says so to a script.

/** The exit codes, as `--help` and docs/cli.md list them. */
export const EXIT = Object.freeze({
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  forbidden: 5,
  differences: 6,
  interrupted: 130,
});

/** @type {readonly (readonly [number, string])[]} */
export const EXIT_MEANINGS = [
  [EXIT.ok, "done; of apply: done, or nothing to do"],
  [EXIT.failed, "failed at the server or on the way to it, or you answered no"],
  [EXIT.usage, "the command, the file or a value in it is not right"],
  [EXIT.notFound, "there is no such thing"],
  [EXIT.conflict, "it exists already, or someone else changed it meanwhile"],
  [EXIT.forbidden, "not permitted: wrong credentials, or an app role is missing"],
  [EXIT.differences, "apply --dry-run found something to do"],
  [EXIT.interrupted, "interrupted with Ctrl-C"],
];

/** A failure that is told in one line. Nothing else is expected to reach the user. */
export class CliError extends Error {
  /**
   * @param {string} message what happened, and why; no full stop
   * @param {{ exit?: number, code?: string, hint?: string }} [more] the exit code, the stable name
   * of the failure, and what to do
   */
  constructor(message, { exit = EXIT.failed, code, hint } = {}) {
    super(message);
    this.name = "CliError";
    this.exit = exit;
    this.code = code;
    this.hint = hint;
  }
}

/** @param {string} message @param {string} [hint] */
export const usage = (message, hint) => new CliError(message, { exit: EXIT.usage, hint });

/** A refusal of the administration API (RFC 9457). */
export class ProblemError extends CliError {
  /**
   * @param {number} status
   * @param {{ code?: string, detail?: string, title?: string }} problem
   * @param {string} [hint] what to do, if the answer says more than its code
   */
  constructor(status, { code, detail, title }, hint) {
    const named = code ?? `http_${status}`;
    super(trim(detail ?? title ?? `the server answered ${status}`), {
      exit: exitOf(status),
      code: named,
      hint: hint ?? (WHERE[named] ?? (() => HINTS[named]))(detail ?? ""),
    });
    this.name = "ProblemError";
    this.status = status;
  }
}

/** The exit code for a status of the administration API. @param {number} status */
export function exitOf(status) {
  return STATUS_EXIT[status] ?? EXIT.failed;
}

/** @type {Record<number, number>} */
const STATUS_EXIT = {
  400: EXIT.usage,
  401: EXIT.forbidden,
  403: EXIT.forbidden,
  404: EXIT.notFound,
  409: EXIT.conflict,
  412: EXIT.conflict,
  413: EXIT.usage,
  422: EXIT.usage,
};

/** What to do, by the problem's code. @type {Record<string, string | undefined>} */
const HINTS = {
  invalid_token:
    "Check the profile with `edgemint profiles`, or store it anew with `edgemint login`; if a signing key was just removed, repeat the command in a minute",
  insufficient_scope:
    "Have an administrator run `edgemint grant CLIENT_ID urn:edgemint:admin ROLE` for the application of this profile",
  forbidden:
    "The application of this profile needs RoleManagement.ReadWrite.All, or every role that the other one has",
  precondition_failed: "Look at it again, and repeat the command",
  conflict: "Look at it again, and repeat the command",
};

/** The command that lists what there is of the kind that was not found. @param {string} detail */
function whereToLook(detail) {
  const [, api] = /^app role of `([^`]+)`/.exec(detail) ?? [];
  if (api !== undefined) return `See what there is with \`edgemint roles list ${api}\``;
  const [kind] = /^(application|API|signing key)(?= `)/.exec(detail) ?? [];
  return kind === undefined ? undefined : `See what there is with \`edgemint ${LISTS[kind]} list\``;
}
/** An id or domain may be another tenant's, which one cannot look at. @param {string} detail */
const whatExists = (detail) =>
  /\bid or domain\b/.test(detail)
    ? "Another tenant answers to it: take one that is free, or let that tenant give it up"
    : "Look at it with `show`, change it with `update`";
/** What to do, by the code, where the rest of the problem matters. @type {Record<string, (detail: string) => string | undefined>} */
const WHERE = { not_found: whereToLook, exists: whatExists };
/** @type {Record<string, string>} */
const LISTS = { application: "apps", API: "apis", "signing key": "keys" };

/** The one line for standard error. @param {string} command @param {unknown} error */
export function lineOf(command, error) {
  const name = command === "" ? "edgemint" : `edgemint ${command}`;
  if (!(error instanceof CliError)) {
    const text = error instanceof Error ? error.message : String(error);
    return `${name}: this should not happen: ${oneLine(text)}. Please report it`;
  }
  const code = error.code === undefined ? "" : ` (${error.code})`;
  const told = `${name}: ${oneLine(error.message)}${code}`;
  if (error.hint === undefined) return told;
  return `${told}${/[?!.]$/.test(told) ? "" : "."} ${error.hint}`;
}

/**
 * Why a connection failed, which fetch hides in the cause.
 * @param {unknown} error
 * @returns {string}
 */
export function networkReason(error) {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof AggregateError && cause.errors.length > 0)
    return networkReason(cause.errors[0]);
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String(/** @type {NodeJS.ErrnoException} */ (cause).code ?? cause.name);
}

/** What makes Node refuse a certificate that nobody it knows has signed. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)/;

/** What to do about a connection that failed. @param {unknown} error */
export function networkHint(error) {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code } = /** @type {{ code?: unknown }} */ (cause ?? {});
  return UNTRUSTED.test(String(code))
    ? "Trust its certificate: set NODE_EXTRA_CA_CERTS to the file, in PEM"
    : "Check the address, and that the service runs";
}

/** Why a file cannot be read or written. @param {unknown} error */
export function fileReason(error) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
  return FILE_REASONS[code ?? ""] ?? message;
}

/** @type {Record<string, string | undefined>} */
const FILE_REASONS = {
  ENOENT: "there is no such file",
  EACCES: "it is not permitted",
  EISDIR: "it is a folder",
};

/** @param {string} text */
const trim = (text) => text.replace(/\.$/, "");
/** Nothing from a server may move the cursor or add a line. @param {string} text */
export const oneLine = (text) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").trim();
