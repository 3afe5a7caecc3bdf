import { ErrorCode, RheoError } from '../core/errors.js';
import { TIME_PATTERN } from '../core/quantity.js';
import { didYouMean } from '../core/suggest.js';
import { type CommandSpec, EXCLUSIVE, environmentName, type FlagSpec } from './spec.js';
import { type FlagValue, parseValue } from './values.js';

export interface ParsedArguments {
  /** Flag name → its value, or its values if it may be repeated. Only those that were given. */
  readonly values: ReadonlyMap<string, FlagValue | readonly FlagValue[]>;
  /** Names of flags whose values come from the environment. */
  readonly fromEnvironment: ReadonlySet<string>;
  /** Operands before `--`. */
  readonly operands: readonly string[];
  /** Operands after `--`; undefined if there was none. */
  readonly rest: readonly string[] | undefined;
  /** --help or -h was given. */
  readonly help: boolean;
}

function unknownFlag(command: CommandSpec, name: string, dashes: string): RheoError {
  const known = [...command.flags.map((flag) => flag.name), 'help'];
  return new RheoError(ErrorCode.usage, `unknown flag ${dashes}${name}`, {
    remedy: didYouMean(name, known, '--', `See: rheo ${command.name} --help`),
  });
}

/** Reads the flags and operands of a command; flags and operands may stand in any order, `--` ends the flags. */
class Reader {
  readonly values = new Map<string, FlagValue | FlagValue[]>();
  readonly fromEnvironment = new Set<string>();
  readonly operands: string[] = [];
  rest: string[] | undefined;
  help = false;
  readonly #command: CommandSpec;
  readonly #arguments: readonly string[];
  #next = 0;

  constructor(command: CommandSpec, args: readonly string[]) {
    this.#command = command;
    this.#arguments = args;
  }

  run(): void {
    while (this.#next < this.#arguments.length) {
      const argument = this.#arguments[this.#next++];
      if (argument === '--') {
        this.rest = this.#arguments.slice(this.#next);
        return;
      }
      if (argument.startsWith('--')) this.#long(argument.slice(2));
      else if (argument.startsWith('-') && argument !== '-') this.#short(argument.slice(1));
      else this.operands.push(argument);
    }
  }

  #long(text: string): void {
    const cut = text.indexOf('=');
    const name = cut < 0 ? text : text.slice(0, cut);
    const attached = cut < 0 ? undefined : text.slice(cut + 1);
    if (name === 'help') {
      this.help = true;
      return;
    }
    const flag = this.#command.flags.find((candidate) => candidate.name === name);
    if (flag === undefined) throw unknownFlag(this.#command, name, '--');
    if (flag.kind === 'switch') {
      if (attached !== undefined) {
        throw new RheoError(ErrorCode.usage, `--${name} takes no value`, { remedy: `Write --${name} alone.` });
      }
      this.values.set(name, true);
      return;
    }
    const value = attached ?? this.#optional(flag) ?? this.#take(flag, `--${name}`);
    this.#set(flag, value, `--${name}`);
  }

  /** `-n`, several switches together `-nq`, a value attached `-rFILE` or behind `-r FILE`. */
  #short(letters: string): void {
    for (let k = 0; k < letters.length; k++) {
      const letter = letters[k];
      if (letter === 'h') {
        this.help = true;
        continue;
      }
      const flag = this.#command.flags.find((candidate) => candidate.short === letter);
      if (flag === undefined) throw unknownFlag(this.#command, letters.length > 1 ? letters : letter, '-');
      if (flag.kind === 'switch') {
        this.values.set(flag.name, true);
        continue;
      }
      const attached = letters.slice(k + 1);
      const text = attached === '' ? (this.#optional(flag) ?? this.#take(flag, `-${letter}`)) : attached;
      this.#set(flag, text, `-${letter}`);
      return;
    }
  }

  /** Value of a flag that needs none: what follows if it is a time, else what the table says. */
  #optional(flag: FlagSpec): string | undefined {
    if (flag.optional === undefined) return undefined;
    const next = this.#arguments[this.#next];
    if (next === undefined || !TIME_PATTERN.test(next)) return flag.optional;
    this.#next++;
    return next;
  }

  #take(flag: FlagSpec, where: string): string {
    const value = this.#arguments[this.#next];
    if (value === undefined || (value.startsWith('--') && value.length > 2)) {
      throw new RheoError(ErrorCode.usage, `${where} needs a value (${flag.placeholder ?? 'VALUE'})`, {
        remedy: `See: rheo ${this.#command.name} --help`,
      });
    }
    this.#next++;
    return value;
  }

  #set(flag: FlagSpec, text: string, where: string): void {
    const value = parseValue(flag, text, where);
    if (flag.repeat !== true) {
      this.values.set(flag.name, value);
      return;
    }
    const list = this.values.get(flag.name) as FlagValue[] | undefined;
    if (list === undefined) this.values.set(flag.name, [value]);
    else list.push(value);
  }
}

/** True if a flag that excludes this one has a value. */
function isExcluded(name: string, values: ReadonlyMap<string, unknown>): boolean {
  return EXCLUSIVE.some(([one, other]) => (one === name && values.has(other)) || (other === name && values.has(one)));
}

function checkExclusive(values: ReadonlyMap<string, unknown>): void {
  for (const [one, other] of EXCLUSIVE) {
    if (values.has(one) && values.has(other)) {
      throw new RheoError(ErrorCode.usage, `--${one} and --${other} exclude each other`, {
        remedy: 'Leave out one of them.',
      });
    }
  }
}

/**
 * Values of flags that were not given, from RHEO_*; repeated flags take a list with blanks between. What contradicts a flag
 * that was given is left out: the command line wins.
 */
function takeEnvironment(command: CommandSpec, environment: NodeJS.ProcessEnv, reader: Reader): void {
  const { values } = reader;
  const given = new Map(values);
  for (const flag of command.flags) {
    if (flag.environment === false || given.has(flag.name) || isExcluded(flag.name, given)) continue;
    const name = environmentName(flag);
    const text = environment[name];
    if (text === undefined || text === '') continue;
    if (flag.repeat === true) {
      const parts = text.trim().split(/\s+/);
      values.set(
        flag.name,
        parts.map((part) => parseValue(flag, part, name)),
      );
    } else {
      const value = parseValue(flag, text, name);
      if (value === false) continue;
      values.set(flag.name, value);
    }
    reader.fromEnvironment.add(flag.name);
  }
}

/**
 * @param args what follows the command's name
 * @param environment RHEO_* of it give values of flags that are not in `args`
 * @throws RheoError `RHEO_USAGE`
 */
export function parseArguments(
  command: CommandSpec,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): ParsedArguments {
  const reader = new Reader(command, args);
  reader.run();
  if (!reader.help) {
    takeEnvironment(command, environment, reader);
    checkExclusive(reader.values);
  }
  return reader;
}
