import type { z } from 'zod';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { closest } from '../../core/suggest.js';
import { redact } from '../redact.js';

export type Path = readonly (string | number)[];

/** Something wrong in the configuration. */
export interface Problem {
  /** Name of the file, the flag or the variable; undefined if it is not known (yet). */
  where?: string;
  line?: number;
  column?: number;
  /** Keys on the way to it; empty: the whole. */
  path: Path;
  /** What is wrong, what was expected, what was found. */
  message: string;
  /** What to do about it. */
  remedy?: string;
  /** The key itself is wrong, not its value. */
  ofKey?: boolean;
}

/** All that is wrong in a configuration, at once. */
export class ConfigError extends RheoError {
  readonly problems: readonly Problem[];

  constructor(found: readonly Problem[]) {
    const problems = found.toSorted(
      (one, other) => (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0),
    );
    const [first] = problems;
    if (problems.length === 1) {
      super(ErrorCode.usage, problemText(first), first.remedy === undefined ? {} : { remedy: first.remedy });
    } else {
      const lines = problems.slice(0, MOST_SHOWN).map((problem) => {
        // Those of filters have several lines.
        const text = problemText(problem).replaceAll('\n', '\n  ');
        return `\n  ${text}${problem.remedy === undefined ? '' : text.includes('\n') ? `\n  ${problem.remedy}` : `. ${problem.remedy}`}`;
      });
      const more = problems.length > MOST_SHOWN ? `\n  and ${problems.length - MOST_SHOWN} more` : '';
      super(ErrorCode.usage, `${problems.length} mistakes in the configuration${lines.join('')}${more}`);
    }
    this.problems = problems;
  }
}

const MOST_SHOWN = 50;

/** `rheo.yaml:3:5: ring.blocks: expected …, found …`. */
function problemText({ where, line, column, path, message }: Problem): string {
  const place = where === undefined ? '' : line === undefined ? `${where}: ` : `${where}:${line}:${column}: `;
  return `${place}${path.length === 0 ? '' : `${pathText(path)}: `}${message}`;
}

/** Path as people write it: `control.http.listen`, `export[0]`, `timeouts['tcp.fin']` as `timeouts.tcp.fin`. */
export function pathText(path: Path): string {
  return path.map((part, k) => (typeof part === 'number' ? `[${part}]` : k === 0 ? part : `.${part}`)).join('');
}

/** What zod found, in our words. `value` is the whole that it looked at, `keysAt` the keys that there are at a path. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  keysAt: (path: Path) => readonly string[],
): Problem[] {
  const problems: Problem[] = [];
  for (const issue of issues) {
    const { path, issue: deepest } = deepestIssue(issue, issue.path as Path);
    if (deepest.code === 'unrecognized_keys') problems.push(...unknownKeys(deepest.keys, path, keysAt));
    else problems.push(wrongValue(path, deepest, valueAt(value, path)));
  }
  return problems;
}

/** Of the ways in which a union was not matched, the one that came furthest: it is what was meant. */
function deepestIssue(issue: z.core.$ZodIssue, path: Path): { path: Path; issue: z.core.$ZodIssue } {
  if (issue.code !== 'invalid_union') return { path, issue };
  let best: { path: Path; issue: z.core.$ZodIssue } = { path, issue };
  for (const [first] of issue.errors) {
    if (first === undefined) continue;
    const found = deepestIssue(first, [...path, ...(first.path as Path)]);
    const ofKeys = found.issue.code === 'unrecognized_keys' && best.issue === issue;
    if (found.path.length > best.path.length || ofKeys) best = found;
  }
  return best;
}

/** Old, other programs' and plausible names of keys. */
const ALSO_KNOWN: Readonly<Record<string, string>> = {
  interface: 'interfaces',
  device: 'interfaces',
  bpf: 'filter',
  snaplen: 'snapLength',
  promisc: 'promiscuous',
  timeout: 'timeouts',
  exports: 'export',
  targets: 'export',
  collectors: 'export',
  logging: 'log',
  workers: 'threads',
};

function unknownKeys(keys: readonly string[], path: Path, keysAt: (path: Path) => readonly string[]): Problem[] {
  const known = keysAt(path);
  return keys.map((key) => {
    const also = Object.hasOwn(ALSO_KNOWN, key.toLowerCase()) ? ALSO_KNOWN[key.toLowerCase()] : undefined;
    const word = also !== undefined && known.includes(also) ? also : closest(key, known);
    const remedy = word === undefined ? `Known here are ${known.join(', ')}.` : `Did you mean ${word}?`;
    return { path: [...path, key], ofKey: true, message: 'there is no such key', remedy };
  });
}

const SWITCH_WORDS: Readonly<Record<string, string>> = { yes: 'true', on: 'true', no: 'false', off: 'false' };

function wrongValue(path: Path, issue: z.core.$ZodIssue, found: unknown): Problem {
  const problem: Problem = { path, message: `expected ${issue.message}, found ${shown(found)}` };
  const remedy = remedyFor(issue, found);
  return remedy === undefined ? problem : { ...problem, remedy };
}

function remedyFor(issue: z.core.$ZodIssue, found: unknown): string | undefined {
  if (found === null) return 'Leave the key out to take its default.';
  if (issue.code === 'invalid_type' && issue.expected === 'boolean' && typeof found === 'string') {
    const meant = SWITCH_WORDS[found.toLowerCase()];
    return meant === undefined ? undefined : `Write ${meant}.`;
  }
  if (issue.code !== 'invalid_value' || typeof found !== 'string') return undefined;
  const word = closest(
    found,
    issue.values.map((value) => String(value)),
  );
  return word === undefined ? undefined : `Did you mean ${word}?`;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

/** What stands there, short, and without the secrets that addresses may carry. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys and values';
  if (typeof value !== 'string') return String(value);
  const text = redact(value);
  return `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'`;
}
