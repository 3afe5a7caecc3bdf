import { groupsOf } from './help.js';
import { COMMANDS, type CommandSpec, EXIT_CODES, environmentName, type FlagSpec } from './spec.js';

/** Of the version in package.json. */
const RELEASE_DATE = '2026-11-21';

/** Text for roff: backslashes and hyphens are meant, and no line begins with a control character. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '\\&...')
    .replace(/^(['.])/gm, '\\&$1');
}

/** Argument of a macro, in quotes. */
function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '\\(dq')}"`;
}

function flagEntry(flag: FlagSpec): string {
  const [open, close] = flag.optional === undefined ? ['', ''] : ['[', ']'];
  const value = flag.placeholder === undefined ? '' : ` ${open}\\fI${roff(flag.placeholder)}\\fR${close}`;
  const short = flag.short === undefined ? '' : `\\fB\\-${flag.short}\\fR, `;
  let text = `.TP\n${short}\\fB\\-\\-${roff(flag.name)}\\fR${value}\n${roff(sentence(flag.summary))}\n`;
  if (flag.fallback !== undefined) text += `Default: ${roff(flag.fallback)}.\n`;
  if (flag.repeat === true) text += 'May be given several times.\n';
  if (flag.environment !== false) text += `Environment: \\fB${environmentName(flag)}\\fR.\n`;
  return text;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function commandSection(command: CommandSpec): string {
  let text = `.SS ${quoted(command.synopsis)}\n`;
  // A paragraph macro right behind the heading would be one too many.
  text += command.description.map((paragraph) => `${roff(paragraph)}\n`).join('.PP\n');
  if (command.verbs !== undefined) text += '.PP\n\\fBVerbs\\fR\n';
  for (const verb of command.verbs ?? []) {
    text += `.TP\n\\fB${roff(verb.name)}\\fR${verb.operands === undefined ? '' : ` ${roff(verb.operands)}`}\n`;
    text += `${roff(sentence(verb.summary))}\n`;
  }
  for (const [group, flags] of groupsOf(command)) {
    text += `.PP\n\\fB${group}\\fR\n`;
    for (const flag of flags) text += flagEntry(flag);
  }
  return text;
}

/** The manual page rheo(1). */
export function manPage(version: string): string {
  let text = `.\\" Made by scripts/generate-docs.mjs from src/cli/spec.ts: change it there.\n`;
  text += `.TH RHEO 1 "${RELEASE_DATE}" ${quoted(`rheo ${version}`)} "User Commands"\n`;
  text += '.SH NAME\nrheo \\- network flows from packets\n';
  text += '.SH SYNOPSIS\n';
  text += COMMANDS.map((command) => `.B ${roff(command.synopsis)}\n`).join('.br\n');
  text += '.SH DESCRIPTION\n';
  text +=
    'Meters packets into bidirectional flow records (RFC 7011, RFC 5103) and prints them as a table, JSON or CSV.\n' +
    'Every packet that is not counted is accounted for, by reason.\n';
  text += '.SH COMMANDS\n';
  for (const command of COMMANDS) text += commandSection(command);
  text += '.SH EXIT STATUS\n';
  for (const [code, meaning] of EXIT_CODES) text += `.TP\n${code}\n${roff(sentence(meaning))}\n`;
  text += '.SH ENVIRONMENT\n';
  text += `.TP\nRHEO_*\nValues of flags that are not given: the flag's name in capitals, with underscores.\n`;
  text += `.TP\nNO_COLOR\nNo colours.\n`;
  text += '.SH EXAMPLES\n';
  for (const command of COMMANDS) {
    for (const example of command.examples) {
      text += `.TP\n${roff(sentence(example.explanation))}\n.B ${roff(example.command)}\n`;
    }
  }
  text += '.SH SEE ALSO\n.BR pcap\\-filter (7),\n.BR tcpdump (1)\n';
  return text;
}
