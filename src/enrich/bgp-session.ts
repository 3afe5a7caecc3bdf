import type { Socket } from 'node:net';
import {
  BGP_HEADER,
  type BgpOpen,
  BgpType,
  bgpLength,
  type Family,
  MOST_BGP_BYTES,
  readOpen,
  writeKeepalive,
  writeNotification,
  writeOpen,
  writeRouteRefresh,
} from '../codec/bgp.js';
import { BgpDamage, BgpError } from '../codec/bgp-error.js';
import { type RouteListener, UpdateReader } from '../codec/bgp-update.js';
import type { RouteTable } from './route-table.js';

/** A new session has to say OPEN within this time. */
const OPEN_SECONDS = 30;
/** A connection that is ended has so long to send what was written. */
const CLOSE_MS = 1000;
const SUBCODE_ADMINISTRATIVE_SHUTDOWN = 2;
/** Bytes read from a neighbour between two turns of the event loop. */
const ROOM = 4 * MOST_BGP_BYTES;

export interface SessionOptions {
  /** Our AS, the identifier that we give ourselves, and the hold time that we offer (s). */
  as: number;
  id: number;
  holdTime: number;
  /** AS that the neighbour must have; undefined: any. */
  peerAs: number | undefined;
  /** Called once, when OPENs were exchanged; the table is then ready for routes. */
  onOpen: (open: BgpOpen) => void;
  /** All routes of a family have been told. */
  onComplete: (family: Family) => void;
  /** The session is over: why, and whether routes may stay for a while. */
  onClose: (reason: string, mayReturn: boolean) => void;
}

/**
 * One session of a passive BGP speaker (RFC 4271 §8): it listens, announces nothing, and keeps what it is told in a table.
 * States: waiting for OPEN, waiting for KEEPALIVE (OpenConfirm), established.
 */
export class BgpSession {
  state: 'open' | 'confirm' | 'established' = 'open';
  peer: BgpOpen | undefined;
  updates = 0;
  private readonly socket: Socket;
  private readonly listener: RouteListener;
  private readonly options: SessionOptions;
  private readonly reader = new UpdateReader();
  private readonly room = new Uint8Array(ROOM);
  private readonly view = new DataView(this.room.buffer);
  private filled = 0;
  private holdTimer: NodeJS.Timeout;
  private keepaliveTimer: NodeJS.Timeout | undefined;
  private holdMs = OPEN_SECONDS * 1000;
  private over = false;

  constructor(socket: Socket, table: RouteTable, options: SessionOptions) {
    this.socket = socket;
    this.listener = table.asListener(options.onComplete);
    this.options = options;
    this.holdTimer = setTimeout(() => this.fail(new BgpError(BgpDamage.holdTimer, 0, 'nothing heard')), this.holdMs);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Uint8Array) => this.take(chunk));
    socket.on('error', (error) => this.end(error.message, true));
    socket.on('close', () => this.end('the neighbour closed the connection', true));
    socket.write(writeOpen(options.as, options.holdTime, options.id));
  }

  /** Updates whose attributes were so damaged that their prefixes count as withdrawn. */
  get treatedAsWithdrawn(): number {
    return this.reader.treatedAsWithdrawn;
  }

  /** Asks for all routes again, where the neighbour can do that (RFC 2918). False if it cannot. */
  refresh(): boolean {
    const { peer } = this;
    if (peer === undefined || !peer.routeRefresh || this.state !== 'established') return false;
    for (const family of peer.families) this.socket.write(writeRouteRefresh(family));
    return true;
  }

  /** Ends the session in good order: Cease, administrative shutdown (RFC 4486). */
  close(): void {
    if (this.over) return;
    this.socket.write(writeNotification(BgpDamage.cease, SUBCODE_ADMINISTRATIVE_SHUTDOWN));
    this.end('shut down', false);
  }

  /** Ends the session as the neighbour has begun another one. */
  supersede(): void {
    this.end('the neighbour has connected again', true);
  }

  private take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.over; ) {
      const part = chunk.subarray(at, at + this.room.length - this.filled);
      this.room.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      try {
        this.messages();
      } catch (error) {
        if (!(error instanceof BgpError)) throw error;
        this.fail(error);
      }
    }
  }

  private messages(): void {
    let at = 0;
    while (!this.over) {
      const length = bgpLength(this.view, at, this.filled);
      if (length === undefined || at + length > this.filled) break;
      this.message(this.view.getUint8(at + 18), at + BGP_HEADER, at + length);
      at += length;
    }
    this.room.copyWithin(0, at, this.filled);
    this.filled -= at;
  }

  private message(type: number, from: number, to: number): void {
    if (type === BgpType.notification) {
      const code = to - from >= 2 ? `${this.room[from]}/${this.room[from + 1]}` : 'without a code';
      this.end(`the neighbour sent NOTIFICATION ${code}`, false);
      return;
    }
    this.holdTimer.refresh();
    if (this.state === 'open') {
      if (type !== BgpType.open) throw new BgpError(BgpDamage.state, 1, `message ${type} before OPEN`);
      this.open(readOpen(this.view, from, to));
      return;
    }
    switch (type) {
      case BgpType.open:
        throw new BgpError(BgpDamage.state, this.state === 'confirm' ? 2 : 3, 'a second OPEN');
      case BgpType.keepalive:
        if (to !== from) throw new BgpError(BgpDamage.header, 2, 'a KEEPALIVE with contents');
        this.state = 'established';
        break;
      case BgpType.update:
        if (this.state !== 'established') throw new BgpError(BgpDamage.state, 2, 'UPDATE before KEEPALIVE');
        this.updates++;
        this.reader.read(this.view, from, to, this.listener);
        break;
      // A request to announce again what we never announced: nothing.
      case BgpType.routeRefresh:
        break;
    }
  }

  private open(open: BgpOpen): void {
    const { peerAs, holdTime } = this.options;
    if (peerAs !== undefined && open.as !== peerAs) {
      throw new BgpError(BgpDamage.open, 2, `AS ${open.as} where ${peerAs} was expected`);
    }
    this.peer = open;
    this.reader.fourOctetAs = open.fourOctetAs;
    this.state = 'confirm';
    const seconds = Math.min(holdTime, open.holdTime);
    clearTimeout(this.holdTimer);
    if (seconds > 0) {
      this.holdTimer = setTimeout(
        () => this.fail(new BgpError(BgpDamage.holdTimer, 0, `nothing heard for ${seconds} s`)),
        seconds * 1000,
      );
      this.keepaliveTimer = setInterval(() => this.socket.write(writeKeepalive()), (seconds * 1000) / 3);
    }
    this.options.onOpen(open);
    this.socket.write(writeKeepalive());
  }

  /** Ends the session because of what the neighbour did or did not do. */
  private fail(error: BgpError): void {
    if (this.over) return;
    this.socket.write(writeNotification(error.code, error.subcode));
    this.end(error.message, error.code === BgpDamage.holdTimer);
  }

  private end(reason: string, mayReturn: boolean): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.holdTimer);
    clearInterval(this.keepaliveTimer);
    // What was written still goes out; a neighbour that reads nothing, or does not close its side, shall not hold ours.
    closeSoon(this.socket);
    this.options.onClose(reason, mayReturn);
  }
}

/** Lets what was written go out, and closes whatever the other side does. */
export function closeSoon(socket: Socket): void {
  socket.destroySoon();
  const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
  socket.once('close', () => clearTimeout(timer));
}
