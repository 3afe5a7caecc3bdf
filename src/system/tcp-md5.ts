import { isIP } from 'node:net';
import { check, libc } from './libc.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const TCP_MD5SIG = 14;
/** TCP_MD5SIG_MAXKEYLEN of Linux. */
export const MOST_MD5_KEY = 80;
/** struct tcp_md5sig: sockaddr_storage, flags, length of a prefix, length of the key, interface, key. */
const MD5SIG = { bytes: 216, keyLength: 130, key: 136 } as const;

export interface Md5Key {
  /** Peer that signs with it. */
  readonly address: string;
  /** 1…MOST_MD5_KEY bytes. */
  readonly key: Uint8Array;
}

/**
 * A TCP socket that is bound and wants the segments of these peers signed (RFC 2385, Linux's TCP_MD5SIG), before the first of
 * them is answered. Its descriptor is for `server.listen({ fd })`, which closes it.
 * @throws SystemError
 */
export function bindSigned(address: string, port: number, keys: readonly Md5Key[]): number {
  const c = libc();
  const family = isIP(address) === 4 ? AF_INET : AF_INET6;
  const fd = check('socket', c.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    check('SO_REUSEADDR', c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Int32Array.of(1), 4));
    if (family === AF_INET6) check('IPV6_V6ONLY', c.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, Int32Array.of(0), 4));
    for (const { address: peer, key } of keys) {
      const option = new Uint8Array(MD5SIG.bytes);
      option.set(socketAddress(peer, 0, family));
      new Uint16Array(option.buffer, MD5SIG.keyLength, 1)[0] = key.length;
      option.set(key.subarray(0, MOST_MD5_KEY), MD5SIG.key);
      check('TCP_MD5SIG', c.setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, option, option.length));
    }
    const bound = socketAddress(address, port, family);
    check('bind', c.bind(fd, bound, bound.length));
  } catch (error) {
    c.close(fd);
    throw error;
  }
  return fd;
}

/** struct sockaddr_in or sockaddr_in6; IPv4 addresses in the latter are mapped (RFC 4291 §2.5.5.2). */
function socketAddress(address: string, port: number, family: number): Uint8Array {
  const four = isIP(address) === 4;
  const bytes = new Uint8Array(family === AF_INET ? 16 : 28);
  new Uint16Array(bytes.buffer, 0, 1)[0] = family;
  bytes[2] = port >>> 8;
  bytes[3] = port & 255;
  if (family === AF_INET) bytes.set(address.split('.').map(Number), 4);
  else if (four) bytes.set([255, 255, ...address.split('.').map(Number)], 18);
  else bytes.set(ipv6Bytes(address), 8);
  return bytes;
}

/** Bytes of an address that `isIP` knows, without a zone. */
function ipv6Bytes(address: string): number[] {
  // A URL writes it in hexadecimal groups, whatever the form it had.
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head, tail] = groups.split('::');
  const numbers = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = numbers(head);
  const right = numbers(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return all.flatMap((group) => [group >>> 8, group & 255]);
}
