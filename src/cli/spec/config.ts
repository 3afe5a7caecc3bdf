import { RUN_FLAGS } from './run.js';
import type { CommandSpec } from './types.js';

export const CONFIG_VERBS = ['check', 'print', 'schema'] as const;

export const CONFIG: CommandSpec = {
  name: 'config',
  synopsis: 'rheo config check|print|schema [FLAGS] [FILE]',
  summary: 'look at the configuration of rheo run',
  description: [
    'check: says all that is wrong with it, with line and column. print: what rheo run would use with this file, these flags ' +
      'and this environment; without secrets. schema: its JSON Schema, for editors.',
  ],
  flags: [
    { name: 'json', kind: 'switch', group: 'Output', summary: 'check, print: as JSON' },
    { name: 'origin', kind: 'switch', group: 'Output', summary: 'print: where each value comes from' },
    ...RUN_FLAGS,
  ],
  operands: CONFIG_VERBS,
  examples: [
    { command: 'rheo config check rheo.yaml', explanation: 'before a reload' },
    { command: 'rheo config print --origin', explanation: 'what is in force, and why' },
    { command: 'rheo config schema > rheo.schema.json', explanation: 'for an editor' },
  ],
};
