import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { type CaptureOptions, generateCapture, TRAFFIC_DEFAULTS, type Truth } from './generate.js';

export const PROJECT_ROOT: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const DATA = path.join(PROJECT_ROOT, 'bench/data');

type Recipe = Omit<CaptureOptions, 'path'>;

/** The files of the bench; the letters are those of bench/README.md. */
export const CAPTURES = {
  A: { packets: 2_000_000, flows: 100_000 },
  B: { packets: 5_000_000, flows: 1_000_000 },
  C: { packets: 1_000_000, flows: 50_000, snapLength: 65535 },
  'flows-10k': { packets: 4_000_000, flows: 10_000 },
  'flows-100k': { packets: 4_000_000, flows: 100_000 },
  'flows-1M': { packets: 4_000_000, flows: 1_000_000 },
  'flows-4M': { packets: 8_000_000, flows: 4_000_000 },
  // Short, so that every flow is in the table until the end.
  'keys-random': { packets: 2_000_000, flows: 500_000, v6: 0, udp: 0, durationSeconds: 20 },
  'keys-aimed': { packets: 2_000_000, flows: 500_000, v6: 0, udp: 0, durationSeconds: 20, mode: 'hash-flood' },
  'syn-flood': { packets: 2_000_000, flows: 2_000_000, mode: 'syn-flood', durationSeconds: 20 },
} as const satisfies Record<string, Recipe>;
export type CaptureName = keyof typeof CAPTURES;

export interface Capture {
  path: string;
  truth: Truth;
}

/** Makes the file, or takes it as it is if it was made by the same recipe; reads it once into the page cache. */
export function prepareCapture(name: CaptureName, told: (message: string) => void): Capture {
  const file = path.join(DATA, `${name}.pcap`);
  const recipe: Recipe = CAPTURES[name];
  const wanted = { ...TRAFFIC_DEFAULTS, ...recipe };
  const known = readTruth(`${file}.json`);
  if (known === undefined || !isDeepStrictEqual(known.options, wanted) || !existsSync(file)) {
    told(`making ${path.relative(PROJECT_ROOT, file)}`);
    mkdirSync(DATA, { recursive: true });
    return generateCapture({ path: file, ...recipe });
  }
  readIntoCache(file);
  return { path: file, truth: known };
}

function readTruth(file: string): Truth | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Truth) : undefined;
}

/** So that no run pays for the disk. */
function readIntoCache(file: string): void {
  const buffer = Buffer.allocUnsafe(8 << 20);
  const descriptor = openSync(file, 'r');
  while (readSync(descriptor, buffer) > 0);
  closeSync(descriptor);
}
