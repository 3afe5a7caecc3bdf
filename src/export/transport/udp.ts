import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { canSendBatches, openUdpSocket } from '../../system/udp-socket.js';
import type { HostPort } from '../target-url.js';
import type { Connection, ConnectionEvents } from './connection.js';
import { lostError, openReceiver, ownAddress, UdpBatchConnection } from './udp-batch.js';

export interface UdpOptions {
  /** Largest payload of a datagram. */
  readonly maxMessageBytes: number;
  /** Hops that datagrams live, multicast ones too. */
  readonly ttl?: number;
  /** Address of ours to send from; of the interface to send multicast on. */
  readonly source?: string;
  /** Interface to send on; absent: what the routes say. Linux. */
  readonly device?: string;
}

/**
 * Without batches: bytes that go out in one turn of the event loop; the next ones wait until the kernel has taken these. It keeps bursts small,
 * and lets a collector on the same processor read.
 */
const MOST_IN_TURN = 32 * 1024;

/** True for 224.0.0.0/4 and ff00::/8. */
function isMulticast(address: string): boolean {
  return isIP(address) === 6 ? /^ff/i.test(address) : Number(address.split('.')[0]) >> 4 === 14;
}

/**
 * Opens a UDP socket to one peer. The socket is connected, so that the kernel tells when nobody listens there (ICMP port
 * unreachable); to a group it is not, as nobody answers.
 */
export async function connectUdp(peer: HostPort, options: UdpOptions, events: ConnectionEvents): Promise<Connection> {
  const { source, device } = options;
  const family = source === undefined ? 0 : isIP(source);
  const { address, family: found } = await lookup(peer.host, { family });
  const socket = createSocket(found === 6 ? 'udp6' : 'udp4');
  // An address with a zone only `dgram` can bind to.
  const batches = canSendBatches() && source?.includes('%') !== true;
  let fd: number | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      const connect = (): void => {
        if (options.ttl !== undefined) socket.setTTL(options.ttl);
        if (isMulticast(address)) {
          if (options.ttl !== undefined) socket.setMulticastTTL(options.ttl);
          if (source !== undefined) socket.setMulticastInterface(source);
        }
        socket.connect(peer.port, address, () => {
          socket.off('error', reject);
          resolve();
        });
      };
      const bound = (): void => {
        try {
          connect();
        } catch (error) {
          reject(error);
        }
      };
      if (batches || device !== undefined) {
        const own = { ...(source !== undefined && { source }), ...(device !== undefined && { device }) };
        fd = openUdpSocket(found === 6 ? 6 : 4, own);
        socket.bind({ fd, exclusive: true }, bound);
      } else if (source !== undefined) socket.bind({ address: source, port: 0, exclusive: true }, bound);
      else socket.bind({ port: 0, exclusive: true }, bound);
    });
  } catch (error) {
    socket.close();
    throw error;
  }
  const { maxMessageBytes } = options;
  if (!batches || fd === undefined) return new UdpConnection(socket, peer, maxMessageBytes, events);
  const receiver = isMulticast(address)
    ? undefined
    : openReceiver(socket.address(), { host: address, port: peer.port });
  return new UdpBatchConnection({ socket, fd, peer, receiver }, maxMessageBytes, events);
}

/** A datagram a call, by Node's own means: on all systems. */
class UdpConnection implements Connection {
  readonly maxMessageBytes: number;
  readonly localAddress: string;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #peer: HostPort;
  #open = true;
  #inTurn = 0;
  #resuming = false;
  #inSocket = 0;
  #idle: (() => void) | undefined;

  constructor(socket: Socket, peer: HostPort, maxMessageBytes: number, events: ConnectionEvents) {
    this.#socket = socket;
    this.localAddress = ownAddress(socket);
    this.#peer = peer;
    this.maxMessageBytes = maxMessageBytes;
    this.#events = events;
    socket.on('error', (error) => this.#lost(error));
    // Collectors do not answer; what comes all the same is thrown away.
    socket.on('message', () => {});
  }

  send(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    const copy = Buffer.from(bytes);
    this.#inSocket += copy.length;
    this.#socket.send(copy, (error) => {
      this.#inSocket -= copy.length;
      if (error === null || error === undefined) done();
      else {
        done(error);
        // Too long for the path: this one datagram only.
        if ((error as NodeJS.ErrnoException).code !== 'EMSGSIZE') this.#lost(error);
      }
      if (this.#inSocket === 0) this.#idle?.();
    });
    this.#inTurn += copy.length;
    if (this.#inTurn < MOST_IN_TURN) return true;
    this.#resume();
    return false;
  }

  /** Node calls back within the turn where the kernel took a datagram at once: only `setImmediate` lets others read. */
  #resume(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    setImmediate(() => {
      this.#resuming = false;
      if (this.#inSocket >= MOST_IN_TURN) {
        this.#resume();
        return;
      }
      this.#inTurn = 0;
      if (this.#open) this.#events.ready();
    });
  }

  async close(): Promise<void> {
    this.#open = false;
    if (this.#inSocket > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.destroy();
  }

  destroy(): void {
    this.#open = false;
    try {
      this.#socket.close();
    } catch {
      // It is closed already.
    }
  }

  #lost(error: Error): void {
    if (!this.#open) return;
    this.destroy();
    this.#events.lost(lostError(this.#peer, error));
  }
}
