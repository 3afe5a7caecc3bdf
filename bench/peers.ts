import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contestant } from './measure.js';

/** Where this compiled file lies; the command lies beside its folder. */
export const BENCH_FOLDER: string = path.dirname(fileURLToPath(import.meta.url));

/** rheo itself, metering a file into its flow table; the table prints one line, so that little of the time is text. */
export function rheo(file: string, ...options: string[]): string[] {
  return rheoCommand('read', file, '--top', '1', ...options);
}

export function rheoCommand(...args: string[]): string[] {
  return [process.execPath, path.join(BENCH_FOLDER, '../src/cli/main.js'), ...args];
}

interface Peer {
  program: string;
  /** Arguments that make it tell its version, and where in its answer the version is. */
  version: { args: readonly string[]; pattern: RegExp };
  /** How it meters a file as fast as it can; `dir` is a folder to write to. */
  command(file: string, dir: string): string[];
  /** Takes more than ten times as long as the others. */
  slow?: boolean;
}

/** Other programs that make flows of a capture file. */
const PEERS: readonly Peer[] = [
  {
    program: 'softflowd',
    version: { args: ['-h'], pattern: /version ([\d.]+\d)/ },
    command: (file) => ['softflowd', '-r', file, '-d', '-a', '-m', '2000000', '-v', '10', '-n', '127.0.0.1:9996'],
  },
  {
    program: 'nfpcapd',
    version: { args: ['-V'], pattern: /Version: ([\d.]+\d)/ },
    command: (file, dir) => ['nfpcapd', '-r', file, '-w', dir, '-t', '86400'],
  },
  {
    program: 'argus',
    version: { args: ['-h'], pattern: /Version ([\d.]+\d)/ },
    command: (file, dir) => ['argus', '-X', '-r', file, '-w', path.join(dir, 'out.argus')],
  },
  {
    program: 'tshark',
    version: { args: ['--version'], pattern: /TShark [^\d]*([\d.]+\d)/ },
    command: (file) => ['tshark', '-n', '-r', file, '-q', '-z', 'conv,tcp', '-z', 'conv,udp'],
    slow: true,
  },
];

/** Those that are installed here, by name and version. */
export function contestants(file: string, dir: string, slow: boolean): (Contestant & { program: string })[] {
  const found = [];
  for (const { program, version, command, slow: isSlow } of PEERS) {
    if (isSlow && !slow) continue;
    const told = spawnSync(program, version.args, { encoding: 'utf8' });
    if (told.error) continue;
    const number = version.pattern.exec(told.stdout + told.stderr)?.[1] ?? '';
    found.push({ program, name: `${program} ${number}`.trim(), command: command(file, dir) });
  }
  return found;
}
