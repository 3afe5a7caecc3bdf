import { isIP } from 'node:net';
import { ErrorCode, RheoError } from '../core/errors.js';

export interface ListenAddress {
  /** Address, or `localhost`. */
  readonly host: string;
  readonly port: number;
  /** True if only this machine reaches it. */
  readonly loopback: boolean;
}

export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '::ffff:127.0.0.1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/**
 * `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`; without a host it is 127.0.0.1: `:8080`. Port 0: any free one.
 * @throws RheoError `RHEO_USAGE`
 */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? (match?.[2] || '127.0.0.1');
  const port = Number(match?.[3]);
  if (match === null || port > 65_535 || (host !== 'localhost' && isIP(host) === 0)) {
    throw new RheoError(ErrorCode.usage, `'${text}' is no address to listen on`, {
      remedy: 'Write ADDRESS:PORT, for example 127.0.0.1:8080 or [::1]:8080.',
    });
  }
  return { host, port, loopback: isLoopback(host) };
}

/** As it stands in a URL. */
export function hostText(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
