import { fchownSync, fstatSync, readdirSync, readFileSync } from 'node:fs';
import { ErrorCode, RheoError } from '../core/errors.js';
import { check, loadKoffi } from './libc.js';

/** Capabilities that parts of rheo need (linux/capability.h). */
export const Capability = { netAdmin: 12, netRaw: 13, sysAdmin: 21, perfmon: 38, bpf: 39 } as const;
export type Capability = (typeof Capability)[keyof typeof Capability];

const PR_SET_KEEPCAPS = 8;
const PR_SET_NO_NEW_PRIVS = 38;
const CAPABILITY_VERSION_3 = 0x20080522;

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that a user's name or number stands for, and the group if one is given.
 * @throws RheoError usage: there is none
 */
export function findAccount(user: string, group: string | undefined): Account {
  const koffi = loadKoffi();
  const library = koffi.load(null);
  const entry = koffi.struct({ name: 'str', password: 'str', uid: 'uint32_t', gid: 'uint32_t' });
  const byNumber = /^\d{1,10}$/.test(user);
  const find = library.func(byNumber ? 'void *getpwuid(uint32_t)' : 'void *getpwnam(str)');
  const pointer: unknown = find(byNumber ? Number(user) : user);
  if (pointer === null && !byNumber) {
    throw new RheoError(ErrorCode.usage, `user: there is no user '${user}'`, {
      remedy: `Create it: useradd --system --no-create-home --shell /usr/sbin/nologin ${user}`,
    });
  }
  const found = pointer === null ? undefined : (koffi.decode(pointer, entry) as Account);
  const gid = group === undefined ? found?.gid : findGroup(group);
  if (gid === undefined) {
    throw new RheoError(ErrorCode.usage, `user: number ${user} has no entry, so its group is not known`, {
      remedy: 'Give group, too.',
    });
  }
  return { name: found?.name ?? user, uid: found?.uid ?? Number(user), gid };
}

/** @throws RheoError usage: there is no such group */
export function findGroup(group: string): number {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  const koffi = loadKoffi();
  const entry = koffi.struct({ name: 'str', password: 'str', gid: 'uint32_t' });
  const pointer: unknown = koffi.load(null).func('void *getgrnam(str)')(group);
  if (pointer !== null) return (koffi.decode(pointer, entry) as { gid: number }).gid;
  throw new RheoError(ErrorCode.usage, `group: there is no group '${group}'`, {
    remedy: `Create it: groupadd --system ${group}`,
  });
}

/**
 * Becomes another user for good and keeps no more than some capabilities. To be called by the main thread, before worker
 * threads are started and after everything is open that needs more.
 *
 * Users and groups: the C library's functions change all threads that there are. Capabilities and no_new_privs belong to the
 * one thread that calls, and threads inherit them from who starts them: so the threads that there are already (those of V8
 * and libuv) lose all capabilities with the user, this thread keeps `keep`, and worker threads that it starts get the same.
 *
 * @returns what was done, for the log
 * @throws RheoError input: the right is missing, or a thread has not followed
 */
export function dropPrivileges(account: Account | undefined, keep: readonly Capability[]): string {
  const prctl = loadKoffi().load(null).func('int prctl(int, size_t, size_t, size_t, size_t)') as (
    ...args: number[]
  ) => number;
  const before = threadStates()[0];
  const kept = keep.filter((capability) => has(before.permitted, capability));
  if (account !== undefined && account.uid !== process.getuid?.()) {
    check('prctl', prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    become(account);
    check('prctl', prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
    limitCapabilities(kept);
    verifyThreads(account, kept);
  } else if (process.getuid?.() !== 0) {
    limitCapabilities(kept);
  }
  check('prctl', prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const names = kept.map((capability) => capabilityName(capability)).join(', ');
  const who = `user ${process.getuid?.()}, group ${process.getgid?.()}`;
  return process.getuid?.() === 0 ? `${who}, all capabilities` : `${who}, capabilities: ${names || 'none'}`;
}

/**
 * Files that this process has made and keeps open come to belong to the account, so that it can rename and remove them (a
 * file is given its name when it is complete). Standard input and outputs are the starter's and stay so.
 */
export function giveOpenFiles({ uid, gid }: Account): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd <= 2) continue;
    try {
      const writable = /^flags:\s*\d*[12]$/m.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
      const stat = fstatSync(fd);
      if (writable && stat.isFile() && stat.nlink > 0 && stat.uid === process.getuid?.()) fchownSync(fd, uid, gid);
    } catch (error) {
      // Closed in the meantime: the folder that was being read.
      if (!['ENOENT', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

function become({ name, uid, gid }: Account): void {
  try {
    if (/^\d+$/.test(name)) process.setgroups?.([gid]);
    else (process as NodeJS.Process & { initgroups(user: string, group: number): void }).initgroups(name, gid);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (cause) {
    throw new RheoError(ErrorCode.input, `cannot become user ${name}: ${(cause as Error).message}`, {
      remedy: 'Start as root, or leave user out.',
      cause,
    });
  }
}

/** Effective and permitted capabilities of this thread become these, inheritable ones none. */
function limitCapabilities(capabilities: readonly Capability[]): void {
  const capset = loadKoffi().load(null).func('int capset(void *, void *)') as (...args: Uint32Array[]) => number;
  const data = new Uint32Array(6);
  for (const capability of capabilities) {
    const half = 3 * (capability >>> 5);
    data[half] |= 1 << (capability & 31);
    data[half + 1] |= 1 << (capability & 31);
  }
  check('capset', capset(new Uint32Array([CAPABILITY_VERSION_3, 0]), data));
}

/** What the kernel says of a thread. */
export interface ThreadState {
  readonly id: number;
  /** Real, effective, saved and file system ids. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly noNewPrivileges: boolean;
}

/** All threads of this process, the main one first. */
export function threadStates(): ThreadState[] {
  const ids = readdirSync('/proc/self/task').map(Number);
  const states: ThreadState[] = [];
  for (const id of ids.sort((one, other) => one - other)) {
    try {
      states.push(threadState(id, readFileSync(`/proc/self/task/${id}/status`, 'utf8')));
    } catch (error) {
      // A thread that has just ended.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return states;
}

function threadState(id: number, status: string): ThreadState {
  const line = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1].trim() ?? '';
  const numbers = (name: string): number[] =>
    line(name)
      .split(/\s+/)
      .filter((word) => word !== '')
      .map(Number);
  return {
    id,
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    permitted: BigInt(`0x${line('CapPrm') || '0'}`),
    effective: BigInt(`0x${line('CapEff') || '0'}`),
    noNewPrivileges: line('NoNewPrivs') === '1',
  };
}

function verifyThreads({ uid, gid }: Account, kept: readonly Capability[]): void {
  const allowed = kept.reduce((all, capability) => all | (1n << BigInt(capability)), 0n);
  for (const { id, uids, gids, permitted, effective } of threadStates()) {
    const others = [...uids.filter((one) => one !== uid), ...gids.filter((one) => one !== gid)];
    if (others.length === 0 && ((permitted | effective) & ~allowed) === 0n) continue;
    throw new RheoError(ErrorCode.input, `thread ${id} has kept rights that it should have lost`, {
      remedy: 'Please report it; until then start as the user itself, with capabilities from the service manager.',
    });
  }
}

function has(set: bigint, capability: Capability): boolean {
  return ((set >> BigInt(capability)) & 1n) === 1n;
}

function capabilityName(capability: Capability): string {
  const words: Readonly<Record<Capability, string>> = {
    12: 'CAP_NET_ADMIN',
    13: 'CAP_NET_RAW',
    21: 'CAP_SYS_ADMIN',
    38: 'CAP_PERFMON',
    39: 'CAP_BPF',
  };
  return words[capability];
}
