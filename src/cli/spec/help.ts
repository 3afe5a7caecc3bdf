import type { CommandSpec } from './types.js';

/** @param names of all commands, for completion */
export function helpCommand(names: readonly string[]): CommandSpec {
  return {
    name: 'help',
    synopsis: 'rheo help [COMMAND]',
    summary: 'help on a command',
    description: ['The same as rheo COMMAND --help.'],
    flags: [],
    operands: names,
    examples: [{ command: 'rheo help read', explanation: 'all flags of read' }],
  };
}
