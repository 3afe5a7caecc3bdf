import type { CommandSpec } from './types.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const COMPLETION: CommandSpec = {
  name: 'completion',
  synopsis: 'rheo completion bash|zsh|fish',
  summary: 'completion script for a shell',
  description: ['Prints the script; the first line of each says where to put it.'],
  flags: [],
  operands: SHELLS,
  examples: [
    { command: 'eval "$(rheo completion bash)"', explanation: 'for this shell' },
    { command: 'rheo completion fish > ~/.config/fish/completions/rheo.fish', explanation: 'for good' },
  ],
};
