import { errno, libc, SystemError } from '../../system/libc.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

/**
 * A UDP socket that sends on one interface only, whatever the routes say (socket(7), SO_BINDTODEVICE).
 * @returns its file descriptor
 * @throws SystemError where the interface is missing or the right to do so
 */
export function deviceSocket(family: 4 | 6, device: string): number {
  const { socket, setsockopt, close } = libc();
  const fd = socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError('socket', errno());
  const name = Buffer.from(`${device}\0`);
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length) === 0) return fd;
  const error = new SystemError(`binding a socket to the interface ${device}`, errno());
  close(fd);
  throw error;
}
