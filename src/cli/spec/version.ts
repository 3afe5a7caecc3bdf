import type { CommandSpec } from './types.js';

export const VERSION: CommandSpec = {
  name: 'version',
  synopsis: 'rheo version',
  summary: 'version of rheo and of Node',
  description: ['Prints both on a line.'],
  flags: [],
  operands: 'none',
  examples: [{ command: 'rheo --version', explanation: 'the same' }],
};
