import { COMMANDS, type CommandSpec, EXIT_CODES, type FlagSpec, type VerbSpec } from './spec.js';

/** Texts of --help, from the table of commands. */

const WRAP = 80;

/** Breaks a text at blanks; all lines but the first begin with `indent`. */
export function wrap(text: string, indent: string, width: number = WRAP): string {
  const lines: string[] = [];
  let line = '';
  const room = width - indent.length;
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}

function placeholder({ placeholder: text = 'VALUE', optional }: FlagSpec): string {
  return optional === undefined ? text : `[${text}]`;
}

/** `timeouts [set CLASS=TIME…]` */
export function verbUsage(verb: VerbSpec): string {
  return verb.operands === undefined ? verb.name : `${verb.name} ${verb.operands}`;
}

/** `-r, --read FILE` */
export function flagUsage(flag: FlagSpec): string {
  const value = flag.placeholder === undefined ? '' : ` ${placeholder(flag)}`;
  return `${flag.short === undefined ? '' : `-${flag.short}, `}--${flag.name}${value}`;
}

function flagText(flag: FlagSpec): string {
  return flag.fallback === undefined ? flag.summary : `${flag.summary} (default: ${flag.fallback})`;
}

export function groupsOf(command: CommandSpec): Map<string, FlagSpec[]> {
  const groups = new Map<string, FlagSpec[]>();
  for (const flag of command.flags) {
    const group = groups.get(flag.group);
    if (group === undefined) groups.set(flag.group, [flag]);
    else group.push(flag);
  }
  return groups;
}

const FLAG_COLUMN = 28;

/** The usage, and blanks up to the column of the texts, on a line of its own if it is long. */
function entry(usage: string): string {
  return usage.length < FLAG_COLUMN - 1 ? usage.padEnd(FLAG_COLUMN) : `${usage}\n${' '.repeat(FLAG_COLUMN)}`;
}

export function commandHelp(command: CommandSpec): string {
  let text = `${command.synopsis}\n\n`;
  for (const paragraph of command.description) text += `${wrap(paragraph, '')}\n`;
  if (command.verbs !== undefined) {
    text += '\nVerbs:\n';
    for (const verb of command.verbs) {
      text += `${entry(`  ${verbUsage(verb)}`)}${wrap(verb.summary, ' '.repeat(FLAG_COLUMN))}\n`;
    }
  }
  for (const [group, flags] of groupsOf(command)) {
    text += `\n${group}:\n`;
    for (const flag of flags) {
      const usage = `  ${flag.short === undefined ? '    ' : ''}${flagUsage(flag)}`;
      text += `${entry(usage)}${wrap(flagText(flag), ' '.repeat(FLAG_COLUMN))}\n`;
    }
  }
  if (command.flags.length > 0) {
    text += `\n${wrap('Flags can be set by environment variables: --idle-timeout by RHEO_IDLE_TIMEOUT, --json by RHEO_JSON=1. The flag wins.', '')}\n`;
  }
  text += '\nExamples:\n';
  for (const example of command.examples) text += `  ${example.command}\n      ${example.explanation}\n`;
  return text;
}

export function generalHelp(): string {
  let text = 'rheo: network flows from packets\n\n';
  for (const command of COMMANDS) text += `  ${command.synopsis}\n      ${command.summary}\n`;
  text += '\nExamples:\n';
  const read = COMMANDS[0];
  for (const example of read.examples.slice(0, 3)) text += `  ${example.command}\n      ${example.explanation}\n`;
  text += '\nExit codes:\n';
  for (const [code, meaning] of EXIT_CODES) text += `  ${String(code).padEnd(4)} ${meaning}\n`;
  text += '\nrheo COMMAND --help tells more of a command.\n';
  return text;
}
