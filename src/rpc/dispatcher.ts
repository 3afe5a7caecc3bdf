import type { z } from 'zod';
import { ErrorCode } from '../core/errors.js';
import type { RpcCounters } from './counters.js';
import { isShallow } from './json-guard.js';
import type { RpcLimits } from './limits.js';
import { errorObject, INTERNAL, jsonOf, RpcCode, RpcError, type RpcErrorObject } from './messages.js';
import type { DumpFormat, SubscriptionName } from './method-types.js';
import { isMethodName, METHOD_NAMES, METHODS, type Method } from './methods.js';
import { openRpcDocument } from './openrpc.js';
import type { Service } from './service.js';

export type Log = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;

/** The one who asks, as its transport knows it. */
export interface Caller {
  /** For the log: `pid 123, uid 0` or an address. */
  readonly name: string;
  /** May call methods that change something. */
  readonly mayChange: boolean;
  /** What is said to one who may not. */
  readonly mayNotBecause?: string;
  /** Absent where the transport has other ways for it. @throws RpcError */
  subscribe?(what: SubscriptionName): number;
  unsubscribe?(subscription: number): boolean;
  /** True if a dump may follow the answer now. */
  readonly mayDump?: () => boolean;
}

export interface Answer {
  /** What goes back, without line end; undefined for notifications. */
  readonly text: string | undefined;
  /** Done when the text is on its way. */
  readonly after?: (() => void) | undefined;
  /** Pieces that follow the text. The first one was read already, so that errors of the query are in the text. */
  readonly dump?: AsyncIterator<Uint8Array> | undefined;
}

type Id = string | number | null;

interface Call {
  readonly id: Id | undefined;
  readonly name: string;
  readonly params: unknown;
}

/** Ids longer than this are none. */
const MAX_ID = 256;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** JSON-RPC 2.0 (jsonrpc.org/specification) over the table of methods. Keeps no state of callers. */
export class Dispatcher {
  readonly #service: Service;
  readonly #limits: Readonly<RpcLimits>;
  readonly #counters: RpcCounters;
  readonly #log: Log;

  constructor(service: Service, limits: Readonly<RpcLimits>, counters: RpcCounters, log: Log) {
    this.#service = service;
    this.#limits = limits;
    this.#counters = counters;
    this.#log = log;
  }

  /** Answers one message: a request, a notification or a batch. Never throws. */
  async answer(message: Uint8Array, caller: Caller): Promise<Answer> {
    let value: unknown;
    try {
      value = this.#parse(message);
    } catch (error) {
      this.#counters.requests++;
      return { text: this.#failure(null, error) };
    }
    if (Array.isArray(value)) return this.#batch(value, caller);
    return this.#single(value, caller);
  }

  #parse(message: Uint8Array): unknown {
    if (message.length > this.#limits.requestBytes) throw tooLong(this.#limits.requestBytes);
    let text: string;
    try {
      text = decoder.decode(message);
    } catch {
      throw new RpcError(RpcCode.parse, ErrorCode.format, 'the request is not UTF-8');
    }
    if (!isShallow(text, this.#limits.depth)) {
      throw new RpcError(RpcCode.parse, ErrorCode.limit, `the request is nested deeper than ${this.#limits.depth}`);
    }
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new RpcError(RpcCode.parse, ErrorCode.format, `the request is not JSON: ${(error as Error).message}`);
    }
  }

  async #batch(requests: readonly unknown[], caller: Caller): Promise<Answer> {
    const { batch, batchAnswerBytes } = this.#limits;
    if (requests.length === 0 || requests.length > batch) {
      const error = new RpcError(
        requests.length === 0 ? RpcCode.invalidRequest : RpcCode.limit,
        requests.length === 0 ? ErrorCode.usage : ErrorCode.limit,
        `a batch has 1 to ${batch} requests, not ${requests.length}`,
      );
      this.#counters.requests++;
      return { text: this.#failure(null, error) };
    }
    const answers: string[] = [];
    const afterwards: (() => void)[] = [];
    let bytes = 0;
    // One after the other: a batch takes no more of the daemon than single requests do.
    const inBatch: Caller = { name: caller.name, mayChange: caller.mayChange, ...because(caller) };
    for (const request of requests) {
      if (bytes > batchAnswerBytes) {
        const error = new RpcError(RpcCode.limit, ErrorCode.limit, `the answers of the batch are too long`);
        this.#counters.requests++;
        answers.push(this.#failure(idOf(request), error));
        continue;
      }
      const { text, after } = await this.#single(request, inBatch);
      if (after !== undefined) afterwards.push(after);
      if (text === undefined) continue;
      answers.push(text);
      bytes += text.length;
    }
    return {
      text: answers.length === 0 ? undefined : `[${answers.join(',')}]`,
      after:
        afterwards.length === 0
          ? undefined
          : () => {
              for (const work of afterwards) work();
            },
    };
  }

  async #single(request: unknown, caller: Caller): Promise<Answer> {
    this.#counters.requests++;
    let call: Call | undefined;
    try {
      call = checkRequest(request);
      return await this.#call(call, caller);
    } catch (error) {
      const id = call === undefined ? idOf(request) : call.id;
      const text = this.#failure(id ?? null, error, call?.name);
      return { text: call !== undefined && id === undefined ? undefined : text };
    }
  }

  async #call(call: Call, caller: Caller): Promise<Answer> {
    const method = methodNamed(call.name);
    if (method.changes) {
      if (!caller.mayChange) {
        this.#counters.denied++;
        throw new RpcError(RpcCode.access, ErrorCode.access, `${call.name} is not allowed here`, caller.mayNotBecause);
      }
      this.#log('info', `control: ${call.name} asked for by ${caller.name}`);
    }
    const params = checkParams(method, call.name, call.params);
    if (call.name === 'dump') return this.#dump(call, params as { filter?: string; format?: DumpFormat }, caller);
    if (method.answerFirst === true) {
      return { text: this.#success(call.id, null), after: () => this.#run(method, call.name, params) };
    }
    return { text: this.#success(call.id, await this.#result(method, call.name, params, caller)) };
  }

  /** Does what was answered already. */
  #run(method: Method, name: string, params: never): void {
    Promise.resolve()
      .then(() => method.run?.(this.#service, params))
      .catch((error: unknown) => this.#log('error', `control: ${name} failed: ${fault(error)}`));
  }

  async #result(method: Method, name: string, params: never, caller: Caller): Promise<unknown> {
    if (name === 'rpc.discover') return openRpcDocument(this.#service.version().version);
    if (name === 'subscribe') {
      if (caller.subscribe === undefined) throw notHere(name, 'GET /events', 'a request of its own, not in a batch');
      const { what } = params as { what: SubscriptionName };
      return { subscription: caller.subscribe(what) };
    }
    if (name === 'unsubscribe') {
      const { subscription } = params as { subscription: number };
      return { ended: caller.unsubscribe?.(subscription) ?? false };
    }
    return (await method.run?.(this.#service, params)) ?? null;
  }

  async #dump(call: Call, params: { filter?: string; format?: DumpFormat }, caller: Caller): Promise<Answer> {
    if (caller.mayDump === undefined) throw notHere('dump', 'GET /dump', 'a request of its own, not in a batch');
    if (call.id === undefined || !caller.mayDump()) {
      throw new RpcError(RpcCode.invalidRequest, ErrorCode.usage, 'a dump needs an id and a connection of its own');
    }
    const format = params.format ?? 'ndjson';
    const dump = await beginDump(this.#service, params.filter, format);
    if (caller.mayDump()) return { text: this.#success(call.id, { format }), dump };
    await dump.return?.();
    throw new RpcError(RpcCode.invalidRequest, ErrorCode.usage, 'a dump needs a connection of its own');
  }

  #success(id: Id | undefined, result: unknown): string | undefined {
    if (id === undefined) return undefined;
    return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${jsonOf(result ?? null)}}`;
  }

  #failure(id: Id, error: unknown, method?: string): string {
    this.#counters.errors++;
    return JSON.stringify({ jsonrpc: '2.0', id, error: this.describe(error, method) });
  }

  /** What is told of an error; a fault of ours is logged and not told. */
  describe(error: unknown, method: string | undefined): RpcErrorObject {
    const told = errorObject(error);
    if (told !== undefined) return told;
    this.#log('error', `control: internal error in ${method ?? 'a request'}: ${fault(error)}`);
    return INTERNAL;
  }
}

/** The answer to a line or body that is too long to be read. */
export function tooLong(limit: number): RpcError {
  return new RpcError(RpcCode.limit, ErrorCode.limit, `a request has at most ${limit} bytes`);
}

/** Starts a dump and reads its first piece, so that a wrong filter is told before anything is sent. @throws what it throws */
export async function beginDump(
  service: Service,
  filter: string | undefined,
  format: DumpFormat,
): Promise<AsyncIterator<Uint8Array>> {
  const pieces = service.dump({ filter, format })[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | undefined = await pieces.next();
  return {
    next() {
      const result = first;
      if (result === undefined) return pieces.next();
      first = result.done === true ? result : undefined;
      return Promise.resolve(result);
    },
    async return() {
      first = { done: true, value: undefined };
      await pieces.return?.();
      return first;
    },
  };
}

function because({ mayNotBecause }: Caller): { mayNotBecause?: string } {
  return mayNotBecause === undefined ? {} : { mayNotBecause };
}

function fault(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function notHere(method: string, http: string, socket: string): RpcError {
  return new RpcError(
    RpcCode.invalidRequest,
    ErrorCode.usage,
    `${method} is not possible here`,
    `Over HTTP use ${http}; on the socket it is ${socket}.`,
  );
}

function invalid(message: string): RpcError {
  return new RpcError(RpcCode.invalidRequest, ErrorCode.usage, message);
}

function isId(id: unknown): id is Id {
  return id === null || (typeof id === 'string' && id.length <= MAX_ID) || typeof id === 'number';
}

/** Id to answer to a request that is none. */
function idOf(request: unknown): Id {
  const id = typeof request === 'object' && request !== null ? (request as { id?: unknown }).id : null;
  return isId(id) ? id : null;
}

function checkRequest(request: unknown): Call {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw invalid('a request is an object with jsonrpc, id, method and params');
  }
  const { jsonrpc, id, method, params } = request as Record<string, unknown>;
  if (jsonrpc !== '2.0') throw invalid('the member jsonrpc must be "2.0"');
  if (id !== undefined && !isId(id))
    throw invalid(`the id must be a number, null or text of at most ${MAX_ID} characters`);
  if (typeof method !== 'string') throw invalid('the member method must be a text');
  if (params !== undefined && (typeof params !== 'object' || params === null))
    throw invalid('params must be an object');
  return { id, name: method, params };
}

function methodNamed(name: string): Method {
  // What every method has in common; checkParams makes its parameters right before they get to `run`.
  if (isMethodName(name)) return METHODS[name] as unknown as Method;
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  throw new RpcError(
    RpcCode.methodNotFound,
    ErrorCode.usage,
    `there is no method '${shown}'`,
    `Methods: ${METHOD_NAMES.join(', ')}.`,
  );
}

function checkParams(method: Method, name: string, params: unknown): never {
  if (Array.isArray(params) && params.length > 0) {
    throw new RpcError(RpcCode.invalidParams, ErrorCode.usage, `${name} takes its parameters by name, not by position`);
  }
  const checked = method.params.safeParse(params === undefined || Array.isArray(params) ? {} : params);
  if (checked.success) return checked.data as never;
  throw new RpcError(RpcCode.invalidParams, ErrorCode.usage, `${name}: ${issueText(checked.error)}`);
}

/** The first things that are wrong, as `limit: Too big: expected number to be <=10000`. */
export function issueText(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ')
    .slice(0, 500);
}
