import type { CommandSpec } from './types.js';

const LIVE = 'Live view';
const OUTPUT = 'Output';

export const DEMO: CommandSpec = {
  name: 'demo',
  synopsis: 'rheo demo [FLAG…]',
  summary: 'live flows of this machine, or those of the sample that comes with rheo',
  description: [
    'Shows the flows of this machine in a view that refreshes in place, or as a line a second where there is no terminal. ' +
      'It ends with q or Ctrl-C; ? tells all keys.',
    'Without the right to capture (Linux: CAP_NET_RAW) and on other systems it reads the sample capture, and says what to ' +
      'do.',
  ],
  flags: [
    {
      name: 'interface',
      short: 'i',
      kind: 'text',
      placeholder: 'IF',
      repeat: true,
      choices: ['any'],
      group: LIVE,
      summary: 'interface to observe: a name, a pattern such as veth*, or any',
      fallback: 'any: all of them, loopback too',
    },
    { name: 'sample', kind: 'switch', group: LIVE, summary: 'the sample, also where live flows could be shown' },
    { name: 'json', kind: 'switch', group: OUTPUT, summary: 'write JSON, one object a second' },
    { name: 'no-names', short: 'n', kind: 'switch', group: OUTPUT, summary: 'numbers instead of names' },
    { name: 'no-color', kind: 'switch', group: OUTPUT, summary: 'no colours (also NO_COLOR)' },
  ],
  operands: 'none',
  examples: [
    { command: 'sudo rheo demo', explanation: 'what flows here, now' },
    { command: 'rheo demo --sample', explanation: 'see what a table of flows looks like' },
  ],
};
