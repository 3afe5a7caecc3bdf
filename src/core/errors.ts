/**
 * One table of errors. Each has a stable code that scripts may test for; the message says what was wrong,
 * where, and what to do about it. Damage inside packets is never an error here: it is a counter (packet/refusal.ts).
 */
export const ErrorCode = {
  /** Wrong use of the command or of a library call. Exit code 2. */
  usage: 'RHEO_USAGE',
  /** A filter expression that cannot be compiled. */
  filter: 'RHEO_FILTER',
  /** A file or pipe that cannot be opened or read. */
  input: 'RHEO_INPUT',
  /** Bytes that are not the format they should be. */
  format: 'RHEO_FORMAT',
  /** A link layer that is not known, or refused by name. */
  linkType: 'RHEO_LINK_TYPE',
  /** A limit that was given at the start is reached and the work cannot go on. */
  limit: 'RHEO_LIMIT',
  /** Output cannot be written. */
  output: 'RHEO_OUTPUT',
  /** A worker thread failed. */
  worker: 'RHEO_WORKER',
  /** A daemon that does not answer, one that answers already where another shall, or a broken conversation with it. */
  control: 'RHEO_CONTROL',
  /** What is asked is not allowed: token, Host, Origin, rights of a socket. */
  access: 'RHEO_ACCESS',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** An error that a user can act on: shown without a stack trace, with exit code 2 for `usage` and `filter`, else 1. */
export class RheoError extends Error {
  override readonly name = 'RheoError';
  readonly code: ErrorCode;
  /** What to do about it, one sentence; shown on a line of its own. */
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }

  get exitCode(): number {
    return this.code === ErrorCode.usage || this.code === ErrorCode.filter ? 2 : 1;
  }
}
