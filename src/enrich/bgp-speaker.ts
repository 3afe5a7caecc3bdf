import { readFileSync } from 'node:fs';
import { createServer, isIP, type Server, type Socket, SocketAddress } from 'node:net';
import { BGP_PORT, type BgpOpen, Family, writeNotification } from '../codec/bgp.js';
import { BgpDamage } from '../codec/bgp-error.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import { bindSigned, type Md5Key, MOST_MD5_KEY } from '../system/tcp-md5.js';
import { BgpSession, closeSoon } from './bgp-session.js';
import { RouteTable } from './route-table.js';

/** Sessions at one time, those that have not said OPEN included. */
const MOST_SESSIONS = 64;
/** A neighbour that never says End-of-RIB: what it has not announced again by then is taken out (s). */
const LATEST_SWEEP = 360;
const SUBCODE_CONNECTION_REJECTED = 5;
const STRANGERS_QUIET_MS = 10_000;

export interface NeighbourOptions {
  /** Its address; connections from elsewhere are refused. */
  address: string;
  /** AS that it must have; undefined: any. */
  as?: number | undefined;
  /** File with the password of TCP MD5 signatures (RFC 2385), whose line end does not count; Linux only. */
  passwordFile?: string | undefined;
}

export interface BgpOptions {
  /** Address and port to listen on. Default :: and 179. */
  address?: string | undefined;
  port?: number | undefined;
  /** Our AS number and identifier (an IPv4 address). */
  as: number;
  id: string;
  /** Seconds. Default 90. */
  holdTime?: number | undefined;
  neighbours: readonly NeighbourOptions[];
  /** Memory for the prefixes of one neighbour, in bytes. */
  bytes: number;
  log: (level: 'info' | 'warn', message: string) => void;
}

export interface NeighbourStatus {
  address: string;
  state: 'idle' | 'open' | 'confirm' | 'established' | 'stale';
  as: number | undefined;
  prefixes4: number;
  prefixes6: number;
  routes: number;
  updates: number;
  treatedAsWithdrawn: number;
  refused: number;
  sessions: number;
  lastError: string | undefined;
}

/** One neighbour: its routes, and its session if there is one. */
class Neighbour {
  readonly options: NeighbourOptions;
  readonly table: RouteTable;
  session: BgpSession | undefined;
  sessions = 0;
  stale = false;
  /** Families whose routes have not all been told again in this session. */
  readonly incomplete = new Set<Family>();
  lastError: string | undefined;
  /** Runs while routes of a lost session wait, or while the new session has not told all. */
  timer: NodeJS.Timeout | undefined;

  constructor(options: NeighbourOptions, bytes: number) {
    this.options = options;
    this.table = new RouteTable(bytes);
  }
}

/**
 * A passive BGP speaker (RFC 4271): neighbours connect and tell their routes; it announces nothing and changes nothing.
 * IPv4 and IPv6 unicast (RFC 4760), AS numbers of four octets (RFC 6793), route refresh (RFC 2918), graceful restart of the
 * neighbour (RFC 4724: its routes stay for the time that it asked for), damaged attributes as withdrawals (RFC 7606).
 */
export class BgpSpeaker {
  private readonly options: BgpOptions;
  private readonly neighbours: readonly Neighbour[];
  private server: Server | undefined;
  /** Connections from addresses that are no neighbours, and when the next one may be logged. */
  private strangers = 0;
  private quietUntil = 0;

  constructor(options: BgpOptions) {
    this.options = options;
    this.neighbours = options.neighbours.map((neighbour) => {
      const address = canonical(neighbour.address);
      if (address === undefined) {
        throw new RheoError(ErrorCode.usage, `bgp: "${neighbour.address}" is no address of a neighbour`);
      }
      return new Neighbour({ ...neighbour, address }, options.bytes);
    });
    const addresses = this.neighbours.map((neighbour) => neighbour.options.address);
    const twice = addresses.find((address, n) => addresses.indexOf(address) !== n);
    if (twice !== undefined) throw new RheoError(ErrorCode.usage, `bgp: the neighbour ${twice} is given twice`);
    identifier(options.id);
  }

  /** The neighbours' tables, in the order of the configuration: the first that has a route for an address counts. */
  get tables(): readonly RouteTable[] {
    return this.neighbours.map((neighbour) => neighbour.table);
  }

  get status(): NeighbourStatus[] {
    return this.neighbours.map(({ options, table, session, sessions, stale, lastError }) => ({
      address: options.address,
      state: session?.state ?? (stale ? 'stale' : 'idle'),
      as: session?.peer?.as,
      prefixes4: table.v4.size,
      prefixes6: table.v6.size,
      routes: table.routes,
      updates: session?.updates ?? 0,
      treatedAsWithdrawn: session?.treatedAsWithdrawn ?? 0,
      refused: table.refused,
      sessions,
      lastError,
    }));
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** @throws RheoError input: the port cannot be listened on */
  async start(): Promise<void> {
    const server = createServer((socket) => this.accept(socket));
    server.maxConnections = MOST_SESSIONS;
    this.server = server;
    const { address = '::', port = BGP_PORT } = this.options;
    const failed = (cause: NodeJS.ErrnoException): RheoError => {
      const remedy =
        cause.code === 'EACCES'
          ? 'ports below 1024 need CAP_NET_BIND_SERVICE; or choose another one, and tell the neighbour'
          : 'is another BGP daemon running? Choose another address or port';
      return new RheoError(ErrorCode.input, `bgp: cannot listen on [${address}]:${port}: ${cause.message}`, { remedy });
    };
    const keys = this.keys();
    let fd: number | undefined;
    try {
      // Only with keys: the calls of the system that this takes exist on Linux only.
      if (keys.length > 0) fd = bindSigned(address, port, keys);
    } catch (error) {
      throw error instanceof RheoError ? error : failed(error as Error);
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(failed(cause)));
      server.listen(fd === undefined ? { port, host: address } : { fd }, resolve);
    });
    server.on('error', (error) => this.options.log('warn', `bgp: ${error.message}`));
  }

  private keys(): Md5Key[] {
    const keys: Md5Key[] = [];
    for (const { options } of this.neighbours) {
      const { address, passwordFile } = options;
      if (passwordFile === undefined) continue;
      let key: Buffer;
      try {
        key = Buffer.from(readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, ''));
      } catch (cause) {
        throw new RheoError(
          ErrorCode.input,
          `bgp: the password of ${address} cannot be read: ${(cause as Error).message}`,
        );
      }
      if (key.length < 1 || key.length > MOST_MD5_KEY) {
        throw new RheoError(ErrorCode.usage, `bgp: ${passwordFile} holds no password of 1 to ${MOST_MD5_KEY} bytes`);
      }
      keys.push({ address, key });
    }
    return keys;
  }

  async stop(): Promise<void> {
    for (const neighbour of this.neighbours) {
      clearTimeout(neighbour.timer);
      neighbour.session?.close();
    }
    const { server } = this;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  }

  /** Asks the neighbours for all their routes again. */
  refresh(): void {
    for (const { session } of this.neighbours) session?.refresh();
  }

  private accept(socket: Socket): void {
    const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '').replace(/%.*$/, '');
    const neighbour = this.neighbours.find(({ options }) => options.address === from);
    socket.on('error', () => {});
    if (neighbour === undefined) {
      this.stranger(from);
      socket.write(writeNotification(BgpDamage.cease, SUBCODE_CONNECTION_REJECTED));
      closeSoon(socket);
      return;
    }
    // A neighbour that comes again has lost its old session, whether we have noticed or not (RFC 4724 §5).
    neighbour.session?.supersede();
    const session = new BgpSession(socket, neighbour.table, {
      as: this.options.as,
      id: identifier(this.options.id),
      holdTime: this.options.holdTime ?? 90,
      peerAs: neighbour.options.as,
      onOpen: (open) => this.opened(neighbour, open),
      onComplete: (family) => {
        neighbour.incomplete.delete(family);
        const gone = neighbour.table.sweep(family);
        const which = family === Family.ipv4 ? 'IPv4' : 'IPv6';
        this.options.log('info', `bgp ${from}: all ${which} routes were told, ${gone} old ones are gone`);
      },
      onClose: (reason, mayReturn) => this.closed(neighbour, session, reason, mayReturn),
    });
    neighbour.session = session;
  }

  /** Strangers can connect as often as they like: they get one line a while. */
  private stranger(from: string): void {
    this.strangers++;
    const now = performance.now();
    if (now < this.quietUntil) return;
    this.quietUntil = now + STRANGERS_QUIET_MS;
    this.options.log('warn', `bgp: ${from} is no neighbour and was refused (${this.strangers} connections in all)`);
  }

  private opened(neighbour: Neighbour, open: BgpOpen): void {
    clearTimeout(neighbour.timer);
    neighbour.sessions++;
    neighbour.stale = false;
    neighbour.lastError = undefined;
    // What is left from before a session that never told all is gone for good.
    this.complete(neighbour);
    neighbour.table.restart();
    // A family that is not told any more is gone now (RFC 4724 §4.2).
    for (const family of Object.values(Family)) {
      if (open.families.includes(family)) neighbour.incomplete.add(family);
      else neighbour.table.sweep(family);
    }
    this.options.log('info', `bgp ${neighbour.options.address}: session with AS ${open.as}`);
    neighbour.timer = setTimeout(() => this.complete(neighbour), LATEST_SWEEP * 1000);
    neighbour.timer.unref();
  }

  /** Takes out what was not told again. */
  private complete(neighbour: Neighbour): void {
    for (const family of neighbour.incomplete) neighbour.table.sweep(family);
    neighbour.incomplete.clear();
  }

  private closed(neighbour: Neighbour, session: BgpSession, reason: string, mayReturn: boolean): void {
    if (neighbour.session !== session) return;
    neighbour.session = undefined;
    neighbour.lastError = reason;
    clearTimeout(neighbour.timer);
    const seconds = mayReturn ? (session.peer?.restartTime ?? 0) : 0;
    this.options.log('warn', `bgp ${neighbour.options.address}: ${reason}; its routes stay for ${seconds} s`);
    if (seconds === 0) {
      neighbour.table.clear();
      return;
    }
    neighbour.stale = true;
    neighbour.timer = setTimeout(() => {
      neighbour.stale = false;
      neighbour.table.clear();
    }, seconds * 1000);
    neighbour.timer.unref();
  }
}

/** An address as the system writes those of connections; undefined if it is none. */
function canonical(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) return undefined;
  return new SocketAddress({ address, family: family === 6 ? 'ipv6' : 'ipv4' }).address;
}

/** A BGP identifier as a number. @throws RheoError usage */
function identifier(text: string): number {
  if (isIP(text) !== 4 || text === '0.0.0.0') {
    throw new RheoError(ErrorCode.usage, `bgp: the identifier "${text}" is no IPv4 address`, {
      remedy: 'give an IPv4 address of this machine',
    });
  }
  return text.split('.').reduce((id, part) => id * 256 + Number(part), 0);
}
