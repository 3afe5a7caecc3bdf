import { ErrorCode, RheoError } from '../core/errors.js';
import { check, libc, SystemError } from './libc.js';

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;

/**
 * Does something inside a network namespace and comes back. Namespaces belong to threads: no other thread notices.
 * Sockets stay in the namespace in which they were opened. `action` must be synchronous.
 * @param netns name as `ip netns` has it, or a path (/proc/PID/ns/net); undefined: where the thread is
 * @throws RheoError input: no such namespace, or no right to enter it; and what `action` throws
 */
export function inNetns<T>(netns: string | undefined, action: () => T): T {
  if (netns === undefined) return action();
  const path = netns.includes('/') ? netns : `/run/netns/${netns}`;
  const calls = libc();
  const home = check('open', calls.open('/proc/thread-self/ns/net', O_RDONLY | O_CLOEXEC));
  try {
    enter(path);
    try {
      return action();
    } finally {
      check('setns', calls.setns(home, CLONE_NEWNET));
    }
  } finally {
    calls.close(home);
  }
}

function enter(path: string): void {
  const calls = libc();
  let fd = -1;
  try {
    fd = check('open', calls.open(path, O_RDONLY | O_CLOEXEC));
    check('setns', calls.setns(fd, CLONE_NEWNET));
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    throw netnsError(path, cause);
  } finally {
    if (fd !== -1) calls.close(fd);
  }
}

function netnsError(path: string, cause: SystemError): RheoError {
  const what = `cannot enter the network namespace ${path}`;
  if (cause.code === 'ENOENT') {
    return new RheoError(ErrorCode.input, `${what}: there is no such file`, {
      remedy: 'List the names with: ip netns list. A process has its namespace at /proc/PID/ns/net.',
      cause,
    });
  }
  if (cause.code === 'EPERM' || cause.code === 'EACCES') {
    return new RheoError(ErrorCode.input, `${what}: the capability CAP_SYS_ADMIN is missing`, {
      remedy: 'Run as root (sudo), or start rheo inside it: sudo ip netns exec NAME rheo run …',
      cause,
    });
  }
  return new RheoError(ErrorCode.input, `${what}: ${cause.message}`, { cause });
}
