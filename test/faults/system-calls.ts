import { createRequire } from 'node:module';
import type koffiModule from 'koffi';
import type { Faults } from './faults.js';

/** Says which call fails: see `Faults.next`. */
export type FaultSource = Pick<Faults, 'next'>;

type Call = ((...args: unknown[]) => unknown) & { async?: unknown };

const koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule;

/** Errors that a call may fail with. What is not here never fails, or nobody could do anything about it. */
export const ERRORS: Readonly<Record<string, readonly string[]>> = {
  socket: ['EMFILE', 'ENOBUFS', 'EPERM', 'ENFILE'],
  bind: ['ENODEV', 'ENETDOWN', 'ENOMEM'],
  setsockopt: ['ENOMEM', 'EINVAL', 'ENOBUFS', 'EPERM'],
  getsockopt: ['EINTR', 'ENOBUFS', 'EIO'],
  send: ['ENOBUFS', 'EAGAIN', 'ECONNREFUSED'],
  sendto: ['EAGAIN', 'ECONNREFUSED', 'ENOBUFS'],
  recv: ['EINTR', 'ENOBUFS', 'EIO'],
  open: ['EMFILE', 'EACCES', 'ENOENT'],
  setns: ['EPERM', 'EINVAL', 'ENOMEM'],
  mmap: ['ENOMEM', 'EAGAIN'],
  epoll_create1: ['EMFILE', 'ENOMEM'],
  epoll_ctl: ['ENOMEM', 'ENOSPC'],
  poll: ['EMFILE'],
  // Linux closes all the same.
  close: ['EINTR', 'EIO'],
};
const MAP_FAILED = 2 ** 64;

let faults: FaultSource | undefined;

/** From now on C calls of this thread are counted, and may fail. Undefined: no more. */
export function failCalls(given: FaultSource | undefined): void {
  faults = given;
}

function refuses(name: string): boolean {
  const error = faults?.next(name, ERRORS[name]);
  if (error === undefined) return false;
  koffi.errno(koffi.os.errno[error]);
  return true;
}

function wrapped(name: string, call: Call): Call {
  const made: Call = (...args) => {
    // A list of changes that is empty now is no failure.
    if (!refuses(name)) return call(...args);
    if (name === 'close') {
      const error = koffi.errno();
      call(...args);
      koffi.errno(error);
    }
    return name === 'mmap' ? MAP_FAILED : -1;
  };
  made.async = call.async;
  return made;
}

// Whatever is loaded from now on goes through here.
const load = koffi.load.bind(koffi);
koffi.load = ((...args: Parameters<typeof load>) => {
  const library = load(...args);
  const func = library.func.bind(library) as unknown as (...args: unknown[]) => Call;
  return {
    func(...given: [string, ...unknown[]]): Call {
      const name = given.length === 1 ? (/(\w+)\s*\(/.exec(given[0])?.[1] ?? '') : given[0];
      return wrapped(name, func(...given));
    },
  };
}) as unknown as typeof koffi.load;

const poll = koffi.node.poll.bind(koffi.node);
koffi.node.poll = ((...args: Parameters<typeof poll>) => {
  if (refuses('poll')) throw new Error('poll: EMFILE');
  return poll(...args);
}) as typeof poll;
