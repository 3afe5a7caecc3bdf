import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { UdpReceiver } from '../../system/udp-receiver.js';
import { DatagramBatch } from '../../system/udp-socket.js';
import type { HostPort } from '../target-url.js';
import { type Connection, type ConnectionEvents, hostText } from './connection.js';

/** Datagrams that go to the kernel together, if they are not larger than these bytes in all. */
const BATCH_DATAGRAMS = 64;
const BATCH_BYTES = 256 * 1024;
/** A receiver whose buffer is full is looked at again so soon. */
const LOOK_AGAIN_MS = 1;

/**
 * What the kernel counts against a receive buffer for a datagram of so many bytes, at the most: room for headers and
 * administration, and sizes rounded up to a power of two.
 */
function bufferBytes(payload: number): number {
  return 2 * payload + 1024;
}

/** What is told of a socket that failed. */
export function lostError(peer: HostPort, error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  const what = code === 'ECONNREFUSED' ? 'nobody listens there' : (code ?? error.message);
  return new Error(`${hostText(peer)}: ${what}`, { cause: error });
}

/** The address from which a connected socket reaches its peer; a zone (%eth0) is no part of it. */
export function ownAddress(socket: Socket): string {
  return socket.address().address.replace(/%.*$/, '');
}

/** The receiver of what a socket sends, if it is on this machine and the kernel can tell of it. */
export function openReceiver(source: { address: string; port: number }, peer: HostPort): UdpReceiver | undefined {
  if (!isOwn(peer.host) || isIP(source.address) === 0 || isIP(source.address) !== isIP(peer.host)) return undefined;
  try {
    return new UdpReceiver(source.address, source.port, peer.host, peer.port);
  } catch {
    return undefined;
  }
}

/** An address of this machine. */
function isOwn(address: string): boolean {
  if (address.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address) === true);
}

export interface UdpBatchPeer {
  /** Connected; it tells of errors, and waits when the kernel's queue is full. */
  readonly socket: Socket;
  /** The same socket. */
  readonly fd: number;
  readonly peer: HostPort;
  readonly receiver: UdpReceiver | undefined;
}

/**
 * Datagrams to one peer, many with each system call: those of one run of JavaScript go out together at its end. To a receiver
 * on this machine goes only what its buffer has room for; to others what the sender's own queue takes.
 */
export class UdpBatchConnection implements Connection {
  readonly maxMessageBytes: number;
  readonly localAddress: string;
  readonly #peer: UdpBatchPeer;
  readonly #events: ConnectionEvents;
  readonly #batch: DatagramBatch;
  /** What to call for each datagram of the batch. */
  readonly #dones: ((error?: Error) => void)[] = [];
  #receiver: UdpReceiver | undefined;
  #open = true;
  /** Will be flushed at the end of this run of JavaScript. */
  #soon = false;
  /** Takes no more: until `ready` was called. */
  #full = false;
  #timer: NodeJS.Timeout | undefined;
  /** Node sends one datagram, and waits for the kernel to take it. */
  #waiting = false;
  #idle: (() => void) | undefined;

  constructor(peer: UdpBatchPeer, maxMessageBytes: number, events: ConnectionEvents) {
    this.#peer = peer;
    this.#receiver = peer.receiver;
    this.localAddress = ownAddress(peer.socket);
    this.maxMessageBytes = maxMessageBytes;
    this.#events = events;
    const capacity = Math.max(1, Math.min(BATCH_DATAGRAMS, Math.floor(BATCH_BYTES / maxMessageBytes)));
    this.#batch = new DatagramBatch(capacity, maxMessageBytes);
    peer.socket.on('error', (error) => this.#lost(error));
    // Collectors do not answer; what comes all the same is thrown away.
    peer.socket.on('message', () => {});
  }

  get pushesBack(): boolean {
    return this.#receiver !== undefined;
  }

  send(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    const batch = this.#batch;
    if (!this.#open) {
      done(new Error('closed'));
      return false;
    }
    batch.add(bytes);
    this.#dones.push(done);
    if (batch.count === batch.capacity) {
      this.#flush();
      this.#full = batch.count === batch.capacity;
      return !this.#full;
    }
    if (!this.#soon) {
      this.#soon = true;
      queueMicrotask(() => {
        this.#soon = false;
        this.#flush();
      });
    }
    return true;
  }

  retry(): void {
    this.#flush();
  }

  async close(): Promise<void> {
    this.#flush();
    if (this.#batch.count > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.destroy();
  }

  destroy(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#timer);
    this.#receiver?.close();
    try {
      this.#peer.socket.close();
    } catch {
      // It is closed already.
    }
    if (this.#waiting) return;
    this.#drop(new Error('closed'));
  }

  /** Sends what there is room for. */
  #flush(): void {
    const batch = this.#batch;
    while (this.#open && !this.#waiting && batch.done < batch.count) {
      const most = this.#room();
      if (most === 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#flush();
        }, LOOK_AGAIN_MS);
        return;
      }
      const from = batch.done;
      const sent = batch.send(this.#peer.fd, most);
      // Who is told may flush the rest at once, and so begin the next batch.
      if (typeof sent === 'number') for (const done of this.#dones.slice(from, from + sent)) done();
      else if (sent.code === 'EAGAIN' || sent.code === 'ENOBUFS') this.#sendOne();
      else this.#failed(sent);
    }
    this.#emptied();
  }

  /** Datagrams that the receiver has room for; all of them where it cannot be known. */
  #room(): number {
    const { done, count } = this.#batch;
    let room: number;
    try {
      room = this.#receiver?.room() ?? Number.POSITIVE_INFINITY;
    } catch {
      this.#receiver?.close();
      this.#receiver = undefined;
      return count - done;
    }
    if (room === 0) return 0;
    return Math.min(count - done, Math.max(1, Math.floor(room / bufferBytes(this.#batch.nextBytes))));
  }

  /** The kernel's queue is full: Node waits until it takes a datagram. */
  #sendOne(): void {
    const batch = this.#batch;
    this.#waiting = true;
    this.#peer.socket.send(batch.next(), (error) => {
      this.#waiting = false;
      if (error !== null && error !== undefined) {
        this.#failed(error);
        if (!this.#open) this.#drop(error);
      } else {
        this.#dones[batch.done++]();
      }
      this.#flush();
    });
  }

  #failed(error: Error): void {
    if ((error as NodeJS.ErrnoException).code === 'EMSGSIZE') {
      // Too long for the path: this one datagram only.
      this.#dones[this.#batch.done++](error);
      return;
    }
    this.#lost(error);
  }

  /** None of those that are left goes out. */
  #drop(error: Error): void {
    const batch = this.#batch;
    while (batch.done < batch.count) this.#dones[batch.done++](error);
    this.#emptied();
  }

  /** Makes room for new ones once the batch is through. */
  #emptied(): void {
    const batch = this.#batch;
    if (batch.count === 0 || batch.done < batch.count) return;
    batch.clear();
    this.#dones.length = 0;
    this.#idle?.();
    if (!this.#full) return;
    this.#full = false;
    if (this.#open) this.#events.ready();
  }

  #lost(error: Error): void {
    if (!this.#open) return;
    this.destroy();
    this.#events.lost(lostError(this.#peer.peer, error));
  }
}
