import type { Socket } from 'node:net';
import { libc } from './libc.js';

/** Who is at the other end of a Unix socket, as the kernel knows it from the moment of connecting. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

// asm-generic/socket.h; the same numbers on x86-64, arm64 and riscv64.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred of unix(7): pid, uid, gid. */
const UCRED_LENGTH = 12;

/** Undefined where the system does not tell (other systems than Linux), and when the socket is closed. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  if (process.platform !== 'linux') return undefined;
  // Node has no public way to the descriptor of a socket.
  const fd = (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
  if (fd < 0) return undefined;
  const value = Buffer.alloc(UCRED_LENGTH);
  const length = Uint32Array.of(UCRED_LENGTH);
  try {
    if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0 || length[0] !== UCRED_LENGTH) {
      return undefined;
    }
  } catch {
    // Without koffi the control socket works all the same, without names in the log.
    return undefined;
  }
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}
