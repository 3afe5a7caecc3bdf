import type { HostPort } from '../target-url.js';

/** A session with a collector. It says when it can take more, and what became of each message. */
export interface Connection {
  /** Largest message that it takes, in bytes. */
  readonly maxMessageBytes: number;
  /** It knows itself how much its peer can take: nothing else needs to slow it down. */
  readonly pushesBack?: boolean;
  /** Address of ours that messages come from, where it is known. */
  readonly localAddress?: string;
  /**
   * Sends one message; the bytes may be used again at once. `done` is called once, later or before `send` returns, with the
   * error if the message did not go out.
   * @returns false if it can take no more until `ready` is called
   */
  send(bytes: Uint8Array, done: (error?: Error) => void): boolean;
  /** There may be more room than when it could take no more: it looks again, and calls `ready` if so. */
  retry?(): void;
  /** Sends what it holds, then closes. */
  close(): Promise<void>;
  /** Closes at once; messages that are on their way are done with an error. */
  destroy(): void;
}

export interface ConnectionEvents {
  /** It can take messages again. */
  ready(): void;
  /** It broke and takes nothing any more. Called once, never after `close` or `destroy`. */
  lost(error: Error): void;
}

/** Opens a session: resolves the name anew, connects, authenticates. Rejects with an error that says what failed. */
export type Connect = (peer: HostPort, events: ConnectionEvents) => Promise<Connection>;

/** The host as messages show it. */
export function hostText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
