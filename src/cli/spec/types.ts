/** What the table of commands and flags (cli/spec.ts) is made of. */

/** How the text of a flag becomes a value (cli/values.ts). */
export type ValueKind = 'switch' | 'integer' | 'time' | 'text' | 'list' | 'file' | 'choice' | 'classTime' | 'sampling';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly kind: ValueKind;
  /** What stands for the value in help, e.g. `N`. */
  readonly placeholder?: string;
  /** The value may be left out, and is this text then. One that follows must look like a value of its kind (`time`). */
  readonly optional?: string;
  /** May be given several times; the values become a list. */
  readonly repeat?: boolean;
  /** The words that are allowed (`choice`), or offered by completion (`list`, `text`, `classTime`, `sampling`). */
  readonly choices?: readonly string[];
  /** Smallest and largest number of `integer`. */
  readonly min?: number;
  readonly max?: number;
  readonly group: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Default, as help shows it. */
  readonly fallback?: string;
  /** False for flags that no environment variable sets. */
  readonly environment?: boolean;
}

export interface ExampleSpec {
  readonly command: string;
  readonly explanation: string;
}

/** A word that says what a command shall do. */
export interface VerbSpec {
  readonly name: string;
  /** What follows it, e.g. `[FILTER]`. */
  readonly operands?: string;
  readonly summary: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  /** Paragraphs of the man page and of the command's help. */
  readonly description: readonly string[];
  readonly verbs?: readonly VerbSpec[];
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly ExampleSpec[];
  /** What completion offers for operands. */
  readonly operands: 'files' | 'none' | readonly string[];
}

/** Name of the environment variable that sets a flag. */
export function environmentName(flag: FlagSpec): string {
  return `RHEO_${flag.name.toUpperCase().replaceAll('-', '_')}`;
}

/** For descriptions of commands that take times. */
export const TIME_TEXT: string = 'Times are 500ms, 30s, 5m, 1h30m, 2d, 1w; a plain number is seconds.';
