import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../support/shared.js';
import { DECODER_TARGETS } from './decoder-target.js';
import { FLOW_TARGETS } from './flow-target.js';
import { LIBRARY_TARGETS } from './library-target.js';
import { READER_TARGETS } from './reader-target.js';
import { ROAD_TARGETS } from './road-target.js';
import { ROUTE_TARGETS } from './route-target.js';
import { RPC_TARGETS } from './rpc-target.js';
import type { Target } from './target.js';
import { TEXT_TARGETS } from './text-target.js';

export const TARGETS: readonly Target[] = [
  ...DECODER_TARGETS,
  ...ROAD_TARGETS,
  ...LIBRARY_TARGETS,
  ...READER_TARGETS,
  ...TEXT_TARGETS,
  ...RPC_TARGETS,
  ...FLOW_TARGETS,
  ...ROUTE_TARGETS,
];

const CORPUS = path.join(projectRoot, 'test/fuzz/corpus');

/** Inputs that broke a promise once, by what they are. */
export function corpusOf(target: Target): [name: string, input: Uint8Array][] {
  const folder = path.join(CORPUS, target.name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => [name, Uint8Array.from(readFileSync(path.join(folder, name)))]);
}
