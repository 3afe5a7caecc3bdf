#!/usr/bin/env node
import { ErrorCode, RheoError } from '../core/errors.js';
import { closest } from '../core/suggest.js';
import { parseArguments } from './parse.js';
import { COMMANDS, type CommandSpec, findCommand, SHELLS, type Shell } from './spec.js';

/** Output of the small commands. */
async function print(text: string): Promise<void> {
  const { Output } = await import('../export/output.js');
  new Output(1, 'standard output').text(text);
}

async function version(): Promise<string> {
  const { readFileSync } = await import('node:fs');
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

async function help(command: CommandSpec | undefined): Promise<number> {
  const { commandHelp, generalHelp } = await import('./help.js');
  await print(command === undefined ? generalHelp() : commandHelp(command));
  return 0;
}

function unknownCommand(name: string): RheoError {
  const word = closest(
    name,
    COMMANDS.map((command) => command.name),
  );
  const isFile = /[./]/.test(name);
  return new RheoError(ErrorCode.usage, `there is no command '${name}'`, {
    remedy: isFile
      ? `To read a file: rheo read ${name}`
      : word === undefined
        ? 'See: rheo --help'
        : `Did you mean: rheo ${word}?`,
  });
}

/** Command of that name. @throws RheoError `RHEO_USAGE` */
function commandNamed(name: string): CommandSpec {
  const command = findCommand(name);
  if (command === undefined) throw unknownCommand(name);
  return command;
}

/** Runs a command line (without node and the script) and returns the exit code. */
async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    const { generalHelp } = await import('./help.js');
    process.stderr.write(generalHelp());
    return 2;
  }
  if (name === '--help' || name === '-h') return help(undefined);
  const command = name === '--version' || name === '-V' ? commandNamed('version') : commandNamed(name);
  const parsed = parseArguments(command, rest, process.env);
  if (parsed.help) return help(command);
  const operands = [...parsed.operands, ...(parsed.rest ?? [])];
  switch (command.name) {
    case 'read':
      return (await import('./commands/read.js')).runRead(parsed);
    case 'ctl':
      return (await import('./commands/ctl.js')).runCtl(parsed);
    case 'run':
      return (await import('./commands/run.js')).runRun(parsed, await version());
    case 'config':
      return (await import('./commands/config.js')).runConfig(parsed);
    case 'fields':
      expectOperands(command, operands, 0);
      return (await import('./commands/fields.js')).runFields(parsed);
    case 'demo':
      expectOperands(command, operands, 0);
      return (await import('./commands/demo.js')).runDemo(parsed, await version());
    case 'help':
      expectOperands(command, operands, 1);
      return help(operands[0] === undefined ? undefined : commandNamed(operands[0]));
    case 'completion':
      expectOperands(command, operands, 1);
      await print((await import('./completion.js')).completionScript(shellNamed(operands[0])));
      return 0;
    default:
      expectOperands(command, operands, 0);
      await print(`rheo ${await version()} (Node ${process.versions.node})\n`);
      return 0;
  }
}

function expectOperands(command: CommandSpec, operands: readonly string[], most: number): void {
  if (operands.length <= most) return;
  throw new RheoError(ErrorCode.usage, `${command.name}: '${operands[most]}' is too much`, {
    remedy: `Use: ${command.synopsis}`,
  });
}

function shellNamed(name: string | undefined): Shell {
  const shell = SHELLS.find((known) => known === name);
  if (shell !== undefined) return shell;
  throw new RheoError(ErrorCode.usage, name === undefined ? 'which shell?' : `no completion for '${name}'`, {
    remedy: `Use: rheo completion ${SHELLS.join('|')}`,
  });
}

// Nobody reads the messages any more: that is no reason to fail.
process.stderr.on('error', () => {});
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof RheoError) {
    // File names and what stands in files are strangers' bytes.
    const { safeLines } = await import('../tui/text.js');
    const remedy = error.remedy === undefined ? '' : `  ${error.remedy}\n`;
    process.stderr.write(safeLines(`rheo: ${error.message}\n${remedy}`));
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`rheo: internal error, please report it: ${(error as Error)?.stack ?? String(error)}\n`);
    process.exitCode = 1;
  }
}
