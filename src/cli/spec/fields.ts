import type { CommandSpec } from './types.js';

export const FIELDS: CommandSpec = {
  name: 'fields',
  synopsis: 'rheo fields [--json]',
  summary: 'members that flow records may have',
  description: [
    'Lists all members with their types, units, and the information elements (IANA, or reverse ones of RFC 5103) that they ' +
      'are; what a feature adds is there when that feature is on. The names are those that --fields and fields= take.',
  ],
  flags: [{ name: 'json', kind: 'switch', group: 'Output', summary: 'write JSON, one object a line' }],
  operands: 'none',
  examples: [{ command: 'rheo fields', explanation: 'what can be exported' }],
};
