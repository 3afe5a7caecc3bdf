import { createServer, type Server, type Socket } from 'node:net';
import { ErrorCode } from '../core/errors.js';
import { peerCredentials } from '../system/peer.js';
import type { RpcCounters } from './counters.js';
import { Dispatcher, type Log } from './dispatcher.js';
import { RPC_LIMITS, type RpcLimits } from './limits.js';
import { RpcCode } from './messages.js';
import type { Service } from './service.js';
import { type ConnectionContext, errorLine, UnixConnection } from './unix-connection.js';
import { listenOnPath, type SocketOptions } from './unix-listen.js';

/** A transport that stands. */
export interface Listener {
  /** Path of the socket, or URL. */
  readonly address: string;
  /** Takes no more connections and ends those that are open, what waits for them given a moment to go out. */
  close(): Promise<void>;
}

export interface TransportContext {
  readonly service: Service;
  /** Shared by all transports of a daemon. */
  readonly counters: RpcCounters;
  readonly log: Log;
  readonly limits?: Partial<RpcLimits>;
}

/** What may wait for all readers of the socket together; above it the one that makes us keep most is ended. */
const ALL_QUEUES_BYTES = 64 << 20;
/** Last answers have so long to go out when the daemon ends. */
const CLOSE_MS = 250;

class UnixServer implements Listener {
  readonly address: string;
  readonly #server: Server;
  readonly #context: ConnectionContext;
  readonly #log: Log;
  readonly #connections = new Set<UnixConnection>();

  constructor(address: string, { service, counters, log, limits }: TransportContext) {
    this.address = address;
    this.#log = log;
    const all = { ...RPC_LIMITS, ...limits };
    this.#context = {
      service,
      counters,
      limits: all,
      dispatcher: new Dispatcher(service, all, counters, log),
      onFull: () => this.#checkQueues(),
    };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  async listen(options: SocketOptions): Promise<void> {
    await listenOnPath(this.#server, options);
    // Running out of descriptors and the like: those that are open go on.
    this.#server.on('error', (error) => this.#log('error', `control: ${this.address}: ${error.message}`));
  }

  #accept(socket: Socket): void {
    const { counters, limits } = this.#context;
    counters.connections++;
    if (this.#connections.size >= limits.connections && !this.#makeRoom()) {
      counters.refusedConnections++;
      socket.on('error', () => {});
      socket.end(errorLine(tooMany(limits.connections)), () => socket.destroy());
      return;
    }
    const peer = peerCredentials(socket);
    const name = peer === undefined ? 'somebody' : `process ${peer.pid} of user ${peer.uid}, group ${peer.gid}`;
    this.#log('debug', `control: connection of ${name}`);
    const connection = new UnixConnection(socket, name, this.#context);
    this.#connections.add(connection);
    counters.open++;
    socket.on('close', () => {
      this.#connections.delete(connection);
      counters.open--;
    });
  }

  /** Ends the connection that was silent longest, if there is one that waits for nothing. */
  #makeRoom(): boolean {
    let oldest: UnixConnection | undefined;
    for (const connection of this.#connections) {
      if (connection.idle && (oldest === undefined || connection.lastHeard < oldest.lastHeard)) oldest = connection;
    }
    if (oldest === undefined) return false;
    const { counters, limits } = this.#context;
    counters.refusedConnections++;
    this.#connections.delete(oldest);
    oldest.refuse(tooMany(limits.connections));
    return true;
  }

  #checkQueues(): void {
    let sum = 0;
    let fullest: UnixConnection | undefined;
    for (const connection of this.#connections) {
      sum += connection.socket.writableLength;
      if (fullest === undefined || connection.socket.writableLength > fullest.socket.writableLength) {
        fullest = connection;
      }
    }
    if (sum <= ALL_QUEUES_BYTES || fullest === undefined) return;
    this.#context.counters.stalledConnections++;
    fullest.socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const { socket } of this.#connections) socket.end();
    const timer = setTimeout(() => {
      for (const { socket } of this.#connections) socket.destroy();
    }, CLOSE_MS);
    // Ours is written; who does not close their side is not waited for.
    for (const { socket } of this.#connections) socket.once('finish', () => socket.destroy());
    await closed;
    clearTimeout(timer);
  }
}

function tooMany(connections: number): { code: number; message: string; data: { code: string; remedy: string } } {
  return {
    code: RpcCode.limit,
    message: `more than ${connections} connections`,
    data: { code: ErrorCode.limit, remedy: 'Close connections that are not used, or ask again later.' },
  };
}

/**
 * JSON-RPC over a Unix socket, a message a line.
 * @throws RheoError `RHEO_CONTROL` if a daemon answers there already or the path is not free, `RHEO_ACCESS` without the right,
 * `RHEO_USAGE` for a group that does not exist
 */
export async function listenUnix(context: TransportContext, options: SocketOptions): Promise<Listener> {
  const server = new UnixServer(options.path, context);
  await server.listen(options);
  return server;
}
