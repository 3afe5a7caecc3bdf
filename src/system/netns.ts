import { statSync } from 'node:fs';
import { ErrorCode, RheoError } from '../core/errors.js';
import { check, errno, libc, SystemError } from './libc.js';

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;
const MAX_TRIES = 5;

/**
 * Does something inside a network namespace and comes back. Namespaces belong to threads: no other thread notices.
 * Sockets stay in the namespace in which they were opened. `action` must be synchronous; what it made is closed (`close`) if
 * the thread cannot come back.
 * @param netns name as `ip netns` has it, or a path (/proc/PID/ns/net); undefined: where the thread is
 * @throws RheoError input: no such namespace, or no right to enter it; and what `action` throws
 */
export function inNetns<T>(netns: string | undefined, action: () => T): T {
  if (netns === undefined) return action();
  const path = pathOf(netns);
  const calls = libc();
  const home = check('open', calls.open('/proc/thread-self/ns/net', O_RDONLY | O_CLOEXEC));
  try {
    enter(path);
    let made: T;
    try {
      made = action();
    } catch (error) {
      comeBack(home);
      throw error;
    }
    try {
      comeBack(home);
    } catch (error) {
      (made as { close?(): void } | undefined)?.close?.();
      throw error;
    }
    return made;
  } finally {
    calls.close(home);
  }
}

/**
 * Which namespace a name stands for at this moment: texts of two are equal if they are the same. A namespace of which
 * sockets are open lives on without its name, and another may get that.
 * @returns undefined if there is none of that name, or it may not be looked at
 */
export function namespaceIdentity(netns: string): string | undefined {
  try {
    const { dev, ino } = statSync(pathOf(netns));
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function pathOf(netns: string): string {
  return netns.includes('/') ? netns : `/run/netns/${netns}`;
}

/** A thread that stayed in the other namespace would open there whatever it opens next: memory may only be short for now. */
function comeBack(home: number): void {
  const calls = libc();
  for (let tries = 1; calls.setns(home, CLONE_NEWNET) === -1; tries++) {
    if (tries === MAX_TRIES) throw new SystemError('setns', errno());
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
