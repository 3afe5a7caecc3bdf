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

type Done = (error?: Error) => void;

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
  readonly #dones: Done[] = [];
  /** To be called when nothing of ours is under way, as they may send again. */
  #settled: (() => void)[] = [];
  #receiver: UdpReceiver | undefined;
  #open = true;
  /** Will be flushed, and `#settled` called, at the end of this run of JavaScript. */
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

  send(bytes: Uint8Array, done: Done): boolean {
    if (!this.#open) {
      done(new Error('closed'));
      return false;
    }
    const batch = this.#batch;
    batch.add(bytes);
    this.#dones.push(done);
    if (batch.count === batch.capacity) {
      this.#flush();
      this.#full = batch.count === batch.capacity;
      return !this.#full;
    }
    this.#later();
    return true;
  }

  retry(): void {
    this.#flush();
    this.#settle();
  }

  async close(): Promise<void> {
    this.#flush();
    if (this.#batch.count > 0 && this.#open) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.destroy();
  }

  destroy(): void {
    this.#shut();
    this.#settle();
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
        break;
      }
      const from = batch.done;
      const sent = batch.send(this.#peer.fd, most);
      if (typeof sent === 'number') for (let k = 0; k < sent; k++) this.#settled.push(this.#dones[from + k]);
      else if (sent.code === 'EAGAIN' || sent.code === 'ENOBUFS') this.#sendOne();
      else this.#failed(sent);
      if (batch.done === batch.count) this.#clear();
    }
    if (this.#settled.length > 0) this.#later();
  }

  /** Datagrams that the receiver has room for; all of them where it cannot be known. */
  #room(): number {
    const { done, count } = this.#batch;
    try {
      return Math.min(count - done, this.#receiver?.room(this.maxMessageBytes) ?? count);
    } catch {
      this.#receiver?.close();
      this.#receiver = undefined;
      return count - done;
    }
  }

  /** The kernel's queue is full: Node waits until it takes a datagram. */
  #sendOne(): void {
    const batch = this.#batch;
    this.#waiting = true;
    this.#peer.socket.send(batch.next(), (error) => {
      this.#waiting = false;
      if (error === null || error === undefined) this.#settled.push(this.#dones[batch.done++]);
      else if (this.#open) this.#failed(error);
      if (!this.#open) this.#drop(error ?? new Error('closed'));
      else if (batch.done === batch.count) this.#clear();
      this.#later();
    });
  }

  #failed(error: Error): void {
    if ((error as NodeJS.ErrnoException).code !== 'EMSGSIZE') {
      this.#lost(error);
      return;
    }
    // Too long for the path: this one datagram only.
    const done = this.#dones[this.#batch.done++];
    this.#settled.push(() => done(error));
  }

  /** The batch is through: makes room for new ones. */
  #clear(): void {
    this.#batch.clear();
    this.#dones.length = 0;
  }

  #later(): void {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.#flush();
      this.#settle();
    });
  }

  /** Says what became of the datagrams, and that there is room. */
  #settle(): void {
    const settled = this.#settled;
    this.#settled = [];
    for (let k = 0; k < settled.length; k++) settled[k]();
    const { count, capacity } = this.#batch;
    if (count === 0) this.#idle?.();
    if (!this.#full || count === capacity) return;
    this.#full = false;
    if (this.#open) this.#events.ready();
  }

  /** None of those that are left goes out. */
  #drop(error: Error): void {
    const batch = this.#batch;
    while (batch.done < batch.count) {
      const done = this.#dones[batch.done++];
      this.#settled.push(() => done(error));
    }
    this.#clear();
  }

  #shut(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#timer);
    this.#receiver?.close();
    try {
      this.#peer.socket.close();
    } catch {
      // It is closed already.
    }
    if (!this.#waiting) this.#drop(new Error('closed'));
  }

  #lost(error: Error): void {
    if (!this.#open) return;
    this.#shut();
    this.#events.lost(lostError(this.#peer.peer, error));
    this.#later();
  }
}
