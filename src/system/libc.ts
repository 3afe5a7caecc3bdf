import { createRequire } from 'node:module';
import type koffiModule from 'koffi';
import { ErrorCode, RheoError } from '../core/errors.js';

type Koffi = typeof koffiModule;
/** What may be passed for a pointer: memory of JavaScript, or null. */
export type Memory = ArrayBufferView | ArrayBuffer | null;

/**
 * The functions of the C library that rheo calls. They return what C returns: −1 is a failure, and `errno()` says which.
 * Addresses are numbers: they are below 2^53 on all systems that Node runs on.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Memory, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Memory, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Memory, length: Memory): number;
  send(fd: number, bytes: Memory, length: number, flags: number): number;
  recv(fd: number, bytes: Memory, length: number, flags: number): number;
  /** @param messages address of an array of struct mmsghdr */
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  close(fd: number): number;
  open(path: string, flags: number): number;
  setns(fd: number, type: number): number;
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  clockGettime(clock: number, time: Memory): number;
  epollCreate(flags: number): number;
  epollCtl(epoll: number, operation: number, fd: number, event: Memory): number;
}

let koffi: Koffi | undefined;
let functions: Libc | undefined;

/**
 * koffi itself, loaded when it is first asked for: reading captures never does.
 * @throws RheoError input: not Linux, or koffi does not run here
 */
export function loadKoffi(): Koffi {
  if (koffi !== undefined) return koffi;
  if (process.platform !== 'linux') {
    throw new RheoError(
      ErrorCode.input,
      `system calls for live capture exist on Linux only, this is ${process.platform}`,
      {
        remedy: 'Pipe packets in, on any system: tcpdump -w - -U | rheo run -',
      },
    );
  }
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new RheoError(ErrorCode.input, `the package koffi, which makes system calls, cannot be loaded: ${cause}`, {
      remedy: 'Install the package again with its dependencies, or pipe packets in: tcpdump -w - -U | rheo run -',
      cause,
    });
  }
  return koffi;
}

/** @throws RheoError input: not Linux, or koffi does not run here */
export function libc(): Libc {
  if (functions !== undefined) return functions;
  // No name: the symbols that this process already has, whatever its C library is called.
  const library = loadKoffi().load(null);
  functions = {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, void *, uint32_t)'),
    setsockopt: library.func('int setsockopt(int, int, int, void *, uint32_t)'),
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
    send: library.func('intptr_t send(int, void *, size_t, int)'),
    recv: library.func('intptr_t recv(int, void *, size_t, int)'),
    sendmmsg: library.func('int sendmmsg(int, uintptr_t, unsigned int, int)'),
    close: library.func('int close(int)'),
    open: library.func('int open(str, int)'),
    setns: library.func('int setns(int, int)'),
    mmap: library.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
    munmap: library.func('int munmap(uintptr_t, size_t)'),
    clockGettime: library.func('int clock_gettime(int, void *)'),
    epollCreate: library.func('int epoll_create1(int)'),
    epollCtl: library.func('int epoll_ctl(int, int, int, void *)'),
  };
  return functions;
}

/** A system call that failed. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly call: string;
  readonly errno: number;
  /** Name of the number: 'EPERM'. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errorName(errno);
    super(`${call}: ${code}`);
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** Name of an error number: 'EPERM'; 'errno 999' if it has none. */
export function errorName(errno: number): string {
  for (const [name, value] of Object.entries(loadKoffi().os.errno)) if (value === errno) return name;
  return `errno ${errno}`;
}

/** Error number of the last call of this thread. */
export function errno(): number {
  return loadKoffi().errno();
}

/** Gives the result back. @throws SystemError if it is −1 */
export function check(call: string, result: number): number {
  if (result === -1) throw new SystemError(call, errno());
  return result;
}
