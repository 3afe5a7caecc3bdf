import { homedir } from 'node:os';
import path from 'node:path';

/**
 * Control socket that daemon and clients agree on unless they are told otherwise: of the system for root, else of the user.
 * Never in a folder that others may write: they could answer in the daemon's place.
 * @param environment XDG_RUNTIME_DIR of it is the user's folder; where there is none, the one for state in the home
 */
export function defaultSocketPath(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.getuid?.(),
): string {
  if (uid === 0) return '/run/rheo/control.sock';
  const runtime = environment.XDG_RUNTIME_DIR;
  if (runtime !== undefined && path.isAbsolute(runtime)) return path.join(runtime, 'rheo', 'control.sock');
  return path.join(homedir(), '.local', 'state', 'rheo', 'control.sock');
}

/** Longest path that fits into sockaddr_un on all systems, in bytes (Linux 107, macOS and the BSDs 103). */
export const MAX_SOCKET_PATH = 103;
