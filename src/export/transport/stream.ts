import { readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { HostPort } from '../target-url.js';
import { type Connection, type ConnectionEvents, hostText } from './connection.js';

export interface StreamOptions {
  readonly maxMessageBytes: number;
  /** Address of ours to connect from. */
  readonly source?: string;
  /** Given for TLS. */
  readonly tls?: TlsFiles;
}

/** Files of PEM; read anew for each connection, so that renewed certificates are taken. */
export interface TlsFiles {
  /** Authorities that we trust; absent: those that come with Node. */
  readonly ca?: string;
  /** Our certificate and key: the collector checks who we are (mutual authentication, RFC 7011 §10.4). */
  readonly cert?: string;
  readonly key?: string;
  /** Name that the certificate must have; absent: the host of the URL. */
  readonly name?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

function open(peer: HostPort, { source, tls }: StreamOptions): Socket {
  const local = source === undefined ? {} : { localAddress: source };
  if (tls === undefined) return connectTcp({ ...peer, ...local, noDelay: false });
  const name = tls.name ?? peer.host;
  return connectTls({
    ...peer,
    ...local,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    // SNI takes names only.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
  });
}

/** Connects by TCP, or by TLS 1.2 or newer; the name is resolved and the other's certificate checked each time. */
export async function connectStream(
  peer: HostPort,
  options: StreamOptions,
  events: ConnectionEvents,
): Promise<Connection> {
  const socket = open(peer, options);
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      const reason = (error as NodeJS.ErrnoException).code ?? '';
      reject(new Error(`${hostText(peer)}: ${message(error, reason)}`, { cause: error }));
    };
    const timer = setTimeout(() => fail(new Error('no answer')), CONNECT_TIMEOUT_MS);
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('closed before it was ready')));
    socket.once(options.tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      resolve();
    });
  });
  return new StreamConnection(socket, peer, options.maxMessageBytes, events);
}

function message(error: Error, code: string): string {
  return error.message === '' || error.message.includes(code) ? error.message || code : `${error.message} (${code})`;
}

/** Messages one after the other on a socket that keeps their order. */
export class StreamConnection implements Connection {
  readonly maxMessageBytes: number;
  readonly #socket: Socket;
  #open = true;

  constructor(socket: Socket, peer: HostPort, maxMessageBytes: number, events: ConnectionEvents) {
    this.maxMessageBytes = maxMessageBytes;
    this.#socket = socket;
    let failure: Error | undefined;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      if (!this.#open) return;
      this.#open = false;
      const code = (failure as NodeJS.ErrnoException | undefined)?.code;
      const what = failure === undefined ? 'closed by the other side' : message(failure, code ?? '');
      events.lost(new Error(`${hostText(peer)}: ${what}`, failure === undefined ? {} : { cause: failure }));
    });
    socket.on('drain', () => {
      if (this.#open) events.ready();
    });
    // Collectors do not answer, but their closing is only seen by one who reads.
    socket.on('end', () => socket.destroy());
    socket.resume();
  }

  send(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    return this.#socket.write(Buffer.from(bytes), (error) => done(error ?? undefined));
  }

  close(): Promise<void> {
    this.#open = false;
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once('close', () => resolve());
      this.#socket.end();
    });
  }

  destroy(): void {
    this.#open = false;
    this.#socket.destroy();
  }
}
