import { Buffer } from 'node:buffer';
import { ErrorCode, RheoError } from '../core/errors.js';
import { check, loadKoffi } from './libc.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of sockaddr_un. */
const MOST_PATH_BYTES = 108;

/**
 * What a service manager is told by sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names. The manager may listen on
 * a path or on a name in Linux's abstract namespace (`@name`); Node has no datagram sockets for either.
 */
export class ServiceManager {
  readonly #fd: number;
  readonly #address: Uint8Array;
  readonly #sendto: (...args: unknown[]) => number;
  readonly #close: (fd: number) => number;

  /** @throws RheoError input: what NOTIFY_SOCKET names is no address, or system calls cannot be made here */
  constructor(name: string) {
    this.#address = socketAddress(name);
    const library = loadKoffi().load(null);
    const socket = library.func('int socket(int, int, int)') as (...args: number[]) => number;
    this.#sendto = library.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)');
    this.#close = library.func('int close(int)');
    this.#fd = check('socket', socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }

  /** Sends one datagram of lines. False if nobody took it: a manager that is not there is no reason to fail. */
  send(...lines: readonly string[]): boolean {
    const bytes = Buffer.from(lines.join('\n'));
    return (
      this.#sendto(this.#fd, bytes, bytes.length, MSG_NOSIGNAL, this.#address, this.#address.length) === bytes.length
    );
  }

  /** Everything is open and packets are metered. */
  ready(status: string): void {
    this.send('READY=1', statusLine(status));
  }

  /** The configuration is read again; `ready` follows. Type=notify-reload wants to know since when. */
  reloading(): void {
    this.send(
      'RELOADING=1',
      `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`,
      'STATUS=reading the configuration again',
    );
  }

  stopping(status: string): void {
    this.send('STOPPING=1', statusLine(status));
  }

  status(text: string): void {
    this.send(statusLine(text));
  }

  /** Life sign for WatchdogSec. */
  alive(): void {
    this.send('WATCHDOG=1');
  }

  close(): void {
    this.#close(this.#fd);
  }
}

function statusLine(text: string): string {
  return `STATUS=${text.replace(/\s+/g, ' ')}`;
}

/** sockaddr_un of a path or an abstract name. */
function socketAddress(name: string): Uint8Array {
  const isPath = name.startsWith('/');
  const path = Buffer.from(isPath ? `${name}\0` : `\0${name.slice(1)}`);
  if ((!isPath && !name.startsWith('@')) || path.length > MOST_PATH_BYTES || name.length < 2) {
    throw new RheoError(ErrorCode.input, `NOTIFY_SOCKET: '${name}' is neither a path nor @name, or too long`, {
      remedy: 'The service manager sets it; leave it out elsewhere.',
    });
  }
  const address = new Uint8Array(2 + path.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(path, 2);
  return address;
}

/**
 * Time between two signs of life in ms: half of what the service manager allows. Undefined if it asks for none, or asks
 * another process.
 */
export function watchdogInterval(environment: NodeJS.ProcessEnv, pid: number = process.pid): number | undefined {
  const { WATCHDOG_USEC: micros, WATCHDOG_PID: owner } = environment;
  if (micros === undefined || !/^[1-9]\d{0,15}$/.test(micros)) return undefined;
  if (owner !== undefined && owner !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(micros) / 2000));
}
