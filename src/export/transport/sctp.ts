import { lookup } from 'node:dns/promises';
import { isIPv4, Socket } from 'node:net';
import { promisify } from 'node:util';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { errno, errorName, libc, loadKoffi } from '../../system/libc.js';
import { type Connect, hostText } from './connection.js';
import { StreamConnection } from './stream.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_SCTP = 132;

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(isIPv4(address) ? 16 : 28);
  bytes.writeUInt16LE(isIPv4(address) ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  if (isIPv4(address)) bytes.set(address.split('.').map(Number), 4);
  else {
    const [head, tail] = address.split('%')[0].split('::');
    const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
    const left = groups(head);
    const right = groups(tail);
    const all = [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
    all.forEach((group, k) => void bytes.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * k));
  }
  return bytes;
}

/**
 * SCTP in its one-to-one style (RFC 6458 §4), one stream, a message for each write: the reliable order that templates need.
 * Node knows no SCTP, so the socket is made by system calls and then handed to it.
 * @throws RheoError `RHEO_USAGE` where the kernel has no SCTP
 */
export function connectSctp(url: string, maxMessageBytes: number): Connect {
  const probe = libc().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
  if (probe < 0) {
    throw new RheoError(ErrorCode.usage, `target ${url}: this kernel has no SCTP (${errorName(errno())})`, {
      remedy: 'Load it (modprobe sctp), or use ipfix+tcp://',
    });
  }
  libc().close(probe);
  const connect = loadKoffi().load(null).func('int connect(int, void *, uint32_t)');
  const connectAsync = promisify(connect.async) as (fd: number, address: Buffer, length: number) => Promise<number>;
  return async (peer, events) => {
    const { address, family } = await lookup(peer.host);
    const fd = libc().socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd < 0) throw new Error(`${hostText(peer)}: socket: ${errorName(errno())}`);
    const bytes = socketAddress(address, peer.port);
    if ((await connectAsync(fd, bytes, bytes.length)) !== 0) {
      libc().close(fd);
      throw new Error(`${hostText(peer)}: no SCTP association`);
    }
    return new StreamConnection(new Socket({ fd, readable: true, writable: true }), peer, maxMessageBytes, events);
  };
}
