import { ErrorCode, RheoError } from '../core/errors.js';

/** Error codes of JSON-RPC 2.0, section 5.1, and our own in the range that it leaves to servers. */
export const RpcCode = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** The daemon could not do it; `data.code` says why. */
  failed: -32000,
  /** A limit is reached. */
  limit: -32001,
  /** Not allowed. */
  access: -32002,
} as const;
export type RpcCode = (typeof RpcCode)[keyof typeof RpcCode];

export interface RpcErrorObject {
  code: number;
  message: string;
  data?: { code: string; remedy?: string };
}

/** An error with a code of JSON-RPC; what the daemon throws besides is a RheoError, or a fault of ours. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly rpcCode: RpcCode;
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(rpcCode: RpcCode, code: ErrorCode, message: string, remedy?: string) {
    super(message);
    this.rpcCode = rpcCode;
    this.code = code;
    this.remedy = remedy;
  }
}

const RPC_CODES: Partial<Record<ErrorCode, RpcCode>> = {
  [ErrorCode.usage]: RpcCode.invalidParams,
  [ErrorCode.filter]: RpcCode.invalidParams,
  [ErrorCode.limit]: RpcCode.limit,
  [ErrorCode.access]: RpcCode.access,
};

/** The error as it is told to the client; undefined for one that is a fault of ours and none of its business. */
export function errorObject(error: unknown): RpcErrorObject | undefined {
  if (!(error instanceof RpcError || error instanceof RheoError)) return undefined;
  const code = error instanceof RpcError ? error.rpcCode : (RPC_CODES[error.code] ?? RpcCode.failed);
  const data = { code: error.code, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) };
  return { code, message: error.message, data };
}

export const INTERNAL: RpcErrorObject = {
  code: RpcCode.internal,
  message: 'internal error; the log of the daemon has it',
};

const KNOWN_CODES: ReadonlySet<string> = new Set(Object.values(ErrorCode));

/** The error that a daemon told, on the side of the client. The object is a stranger's. */
export function errorFrom(value: unknown): RheoError {
  const { message, data } = (typeof value === 'object' && value !== null ? value : {}) as Partial<RpcErrorObject>;
  const code = typeof data?.code === 'string' && KNOWN_CODES.has(data.code) ? (data.code as ErrorCode) : undefined;
  return new RheoError(
    code ?? ErrorCode.control,
    typeof message === 'string' ? message : 'the daemon answered with an error that says nothing',
    typeof data?.remedy === 'string' ? { remedy: data.remedy } : {},
  );
}

/** JSON of what the daemon says. Counters beyond 2^53 are bigints there: they come rounded to the next double. */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_name, member: unknown) => (typeof member === 'bigint' ? Number(member) : member));
  }
}
