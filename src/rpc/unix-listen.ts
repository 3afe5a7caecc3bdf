import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { createConnection, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { ErrorCode, RheoError } from '../core/errors.js';
import { peerCredentials } from '../system/peer.js';
import { MAX_SOCKET_PATH } from './socket-path.js';

export interface SocketOptions {
  readonly path: string;
  /** Name or number of the group that may use it besides the owner (mode 0660); else the owner alone (0600). */
  readonly group?: string | number | undefined;
}

const OWNER_ONLY = 0o600;
const OWNER_AND_GROUP = 0o660;
/** A daemon that does not take a connection at once is busy, but alive. */
const PROBE_MS = 1000;
/** Others may start at the same moment; so often it is tried. */
const ATTEMPTS = 3;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

type Found = { alive: true; pid: number | undefined } | { alive: false };

/** Whether somebody listens on the socket, and who. */
function probe(file: string): Promise<Found> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection(file);
    const done = (found: Found): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(found);
    };
    const timer = setTimeout(() => done({ alive: true, pid: undefined }), PROBE_MS);
    socket.on('connect', () => done({ alive: true, pid: peerCredentials(socket)?.pid }));
    socket.on('error', (error) => {
      const code = codeOf(error);
      // EAGAIN: its queue of connections is full. EACCES: it is somebody else's, dead or alive.
      done(code === 'EAGAIN' || code === 'EACCES' ? { alive: true, pid: undefined } : { alive: false });
    });
  });
}

function taken(file: string, pid: number | undefined): RheoError {
  const who = pid === undefined ? '' : ` (process ${pid})`;
  return new RheoError(ErrorCode.control, `a daemon answers on ${file} already${who}`, {
    remedy: `Stop it first: rheo ctl --control-socket ${file} shutdown; or give the new one another --control-socket.`,
  });
}

/**
 * Makes the path free: removes a socket that a dead daemon left behind.
 * @throws RheoError `RHEO_CONTROL` if a daemon answers there, or something else is in the way
 */
async function clear(file: string): Promise<void> {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new RheoError(ErrorCode.control, `${file} is no socket: it is not touched`, {
      remedy: 'Remove it, or give another --control-socket.',
    });
  }
  const found = await probe(file);
  if (found.alive) throw taken(file, found.pid);
  // Another daemon may have done the same and listen by now: what is taken away is looked at once more.
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const again = await probe(aside);
  if (again.alive) {
    linkSync(aside, file);
    remove(aside);
    throw taken(file, again.pid);
  }
  remove(aside);
}

/** Number of a group; names as the file /etc/group has them. @throws RheoError `RHEO_USAGE` */
export function groupNumber(group: string | number, groupFile: string = '/etc/group'): number {
  if (typeof group === 'number') return group;
  if (/^\d{1,10}$/.test(group)) return Number(group);
  let text = '';
  try {
    text = readFileSync(groupFile, 'utf8');
  } catch {
    // Then no name is known.
  }
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':');
    if (name === group && /^\d+$/.test(number ?? '')) return Number(number);
  }
  throw new RheoError(ErrorCode.usage, `there is no group '${group}' in ${groupFile}`, {
    remedy: 'Give its number, or create it: groupadd --system GROUP',
  });
}

function listen(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const before = process.umask(0o177);
    const failed = (error: Error): void => reject(error);
    server.once('error', failed);
    try {
      // The socket is made within this call: from the first moment nobody else may connect.
      server.listen(file, () => {
        server.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function refused(file: string, error: unknown): RheoError {
  if (error instanceof RheoError) return error;
  const code = codeOf(error);
  const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new RheoError(denied ? ErrorCode.access : ErrorCode.control, `cannot listen on ${file}: ${code}`, {
    remedy: denied
      ? `The folder ${path.dirname(file)} must be writable for this user; or give another --control-socket.`
      : 'Give another --control-socket.',
    cause: error,
  });
}

/**
 * Binds the server to the path, with its folder made, a dead daemon's socket removed, and the rights set.
 * @throws RheoError `RHEO_CONTROL`, `RHEO_ACCESS`, `RHEO_USAGE`
 */
export async function listenOnPath(server: Server, options: SocketOptions): Promise<void> {
  const { path: file, group } = options;
  if (Buffer.byteLength(file) > MAX_SOCKET_PATH) {
    throw new RheoError(ErrorCode.usage, `the path of the control socket is too long: ${file}`, {
      remedy: `Unix sockets have room for ${MAX_SOCKET_PATH} bytes: give a shorter --control-socket.`,
    });
  }
  const gid = group === undefined ? undefined : groupNumber(group);
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    for (let attempt = 1; ; attempt++) {
      await clear(file);
      try {
        await listen(server, file);
        break;
      } catch (error) {
        if (codeOf(error) !== 'EADDRINUSE' || attempt === ATTEMPTS) throw error;
      }
    }
    if (gid !== undefined) chownSync(file, -1, gid);
    chmodSync(file, gid === undefined ? OWNER_ONLY : OWNER_AND_GROUP);
  } catch (error) {
    server.close();
    throw refused(file, error);
  }
}
