import { isIP } from 'node:net';

export const AF_INET = 2;
export const AF_INET6 = 10;

/**
 * struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).
 * @param address IPv4 or IPv6 without a zone, as `isIP` takes it
 */
export function socketAddress(address: string, port: number): Uint8Array {
  const family = isIP(address) === 4 ? AF_INET : AF_INET6;
  const bytes = new Uint8Array(family === AF_INET ? 16 : 28);
  new Uint16Array(bytes.buffer, 0, 1)[0] = family;
  bytes[2] = port >>> 8;
  bytes[3] = port & 255;
  bytes.set(addressBytes(address), family === AF_INET ? 4 : 8);
  return bytes;
}

/** The 4 or 16 bytes of an address, in network order. */
export function addressBytes(address: string): number[] {
  if (isIP(address) === 4) return address.split('.').map(Number);
  // A URL writes it in hexadecimal groups, whatever form it had.
  const [head, tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return all.flatMap((group) => [group >>> 8, group & 255]);
}
