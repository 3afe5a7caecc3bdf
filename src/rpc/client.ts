export { ErrorCode, RheoError } from '../core/errors.js';
export type * from './method-types.js';
export type * from './service.js';

import type { DumpParams, MethodName, None, Params, Result, SubscriptionName } from './method-types.js';
import type { ServiceEvent } from './service.js';

/** Where a daemon is: `socket` (the default: the control socket of this user) or `url`. */
export interface ConnectOptions {
  /** Path of the control socket. */
  readonly socket?: string | undefined;
  /** `http://127.0.0.1:PORT` or `https://HOST:PORT`. */
  readonly url?: string | undefined;
  /** Bearer token for `url`. */
  readonly token?: string | undefined;
  /** PEM texts for `https`: authorities to trust instead of the system's, and our own certificate. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** How long an answer may take, in ms. Default 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** Methods whose parameters may be left out. */
type Bare = {
  [M in MethodName]: None extends Params<M> ? M : Record<string, never> extends Params<M> ? M : never;
}[MethodName];

/** Calls that go through `subscribe` and `dump` instead. */
type Plain = Exclude<MethodName, 'subscribe' | 'unsubscribe' | 'dump'>;

/** Events of a subscription, as an async iterable; leaving the loop ends the subscription. */
export interface Subscription extends AsyncIterable<ServiceEvent> {
  /** Events that the daemon dropped, as this reader was too slow. */
  readonly dropped: number;
  close(): void;
}

/** A daemon that can be asked. Errors of all methods are RheoErrors. */
export interface Client {
  /** What it is connected to, for messages. */
  readonly address: string;
  /**
   * Calls a method of the daemon (docs/rpc.md).
   * @throws RheoError the daemon's error, or `RHEO_CONTROL` if it does not answer
   */
  call<M extends Plain & Bare>(method: M, params?: Params<M>): Promise<Result<M>>;
  call<M extends Plain>(method: M, params: Params<M>): Promise<Result<M>>;
  /** Subscribes; the promise is fulfilled when the daemon has agreed. Each subscription has a connection of its own. */
  subscribe(what: SubscriptionName): Promise<Subscription>;
  /**
   * The flows of the table, as the bytes of the format, in pieces of any length. Read as fast as the loop takes them; leaving
   * the loop ends the dump. Has a connection of its own.
   * @throws RheoError also in the middle, if not all could be read
   */
  dump(params?: DumpParams): AsyncIterable<Uint8Array>;
  /** Resolves when the daemon has closed the connection; over HTTP, where it is asked from then on, when it answers no more. */
  readonly closed: Promise<void>;
  close(): void;
}

/**
 * Connects to a daemon.
 * @throws RheoError `RHEO_CONTROL` if nobody answers, `RHEO_ACCESS` without the right, `RHEO_USAGE` for options that do not fit
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  if (options.url !== undefined) return (await import('./http-client.js')).connectHttp(options.url, options);
  return (await import('./unix-client.js')).connectUnix(options);
}
