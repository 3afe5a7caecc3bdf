import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { TIMEOUT_CLASSES } from '../../model/options.js';
import { checkConfig } from './checks.js';
import { MOST_BYTES, parseYaml, pathKey, type YamlFile } from './document.js';
import { keysAt } from './json-schema.js';
import { ConfigError, describeIssues, type Path, type Problem } from './problems.js';
import { type Config, configSchema } from './schema.js';

/** Where a value comes from. Later ones stand above earlier ones. */
export type OriginKind = 'default' | 'file' | 'environment' | 'flag';

export interface Origin {
  readonly kind: OriginKind;
  /** `rheo.yaml:3:5`, `RHEO_THREADS`, `--threads`; empty for defaults. */
  readonly where: string;
}

/** A value that stands above the file: of a flag or an environment variable, in the form of the file. */
export interface Override {
  readonly path: Path;
  readonly value: unknown;
  readonly kind: 'flag' | 'environment';
  /** `--threads` or `RHEO_THREADS`. */
  readonly where: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file, if there is one. */
  readonly file: string | undefined;
  /** Where the value at a path comes from. */
  origin(path: Path): Origin;
}

const DEFAULT_ORIGIN: Origin = { kind: 'default', where: '' };
const FILE_NAME = path.join('rheo', 'rheo.yaml');
export const SYSTEM_FILE = '/etc/rheo/rheo.yaml';

/**
 * The file where nobody names one: XDG_CONFIG_HOME/rheo/rheo.yaml (users only: root takes no orders from a home), then
 * /etc/rheo/rheo.yaml. Undefined if there is neither.
 */
export function findConfigFile(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.getuid?.(),
  exists: (file: string) => boolean = existsSync,
): string | undefined {
  const folder = environment.XDG_CONFIG_HOME;
  const own = path.join(
    folder !== undefined && path.isAbsolute(folder) ? folder : path.join(homedir(), '.config'),
    FILE_NAME,
  );
  return (uid === 0 ? [SYSTEM_FILE] : [own, SYSTEM_FILE]).find((file) => exists(file));
}

/**
 * Reads, merges and checks the configuration. All that is wrong is told at once.
 * @param file path of the YAML file, or undefined for none
 * @param overrides flags and variables; the order among them is that of their kinds
 * @throws RheoError: `ConfigError`, or `RHEO_INPUT` for a file that cannot be read
 */
export function loadConfig(file: string | undefined, overrides: readonly Override[] = []): LoadedConfig {
  return parseConfig(file === undefined ? undefined : { name: file, text: readConfigFile(file) }, overrides);
}

/** `loadConfig` with the file's text at hand. */
export function parseConfig(
  source: { name: string; text: string } | undefined,
  overrides: readonly Override[] = [],
): LoadedConfig {
  const yaml = source === undefined ? undefined : readYaml(source.name, source.text);
  const merged = new Layers();
  if (source !== undefined && yaml !== undefined && yaml.value !== null) {
    const checked = configSchema.safeParse(yaml.value);
    if (!checked.success) {
      const problems = describeIssues(checked.error.issues, yaml.value, keysAt);
      throw new ConfigError(problems.map((problem) => placed(problem, source.name, yaml)));
    }
    merged.addFile(source.name, yaml);
  }
  for (const kind of ['environment', 'flag'] as const)
    merged.addOverrides(overrides.filter((one) => one.kind === kind));
  const parsed = configSchema.safeParse(merged.value);
  const problems = parsed.success
    ? checkConfig(parsed.data)
    : describeIssues(parsed.error.issues, merged.value, keysAt);
  if (!parsed.success || problems.length > 0)
    throw new ConfigError(problems.map((one) => merged.placed(one, source?.name, yaml)));
  const { idleTimeout: _, ...config } = parsed.data;
  return { config, file: source?.name, origin: (at) => merged.origin(at) };
}

function readYaml(name: string, text: string): YamlFile {
  const { file, problems } = parseYaml(text);
  if (file === undefined) throw new ConfigError(problems.map((problem) => ({ where: name, ...problem })));
  const { value } = file;
  if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
    const found = Array.isArray(value) ? 'a list' : 'a single value';
    const message = `expected keys and values, found ${found}`;
    throw new ConfigError([
      { where: name, line: 1, column: 1, path: [], message, remedy: 'Write for example: threads: 2' },
    ]);
  }
  return file;
}

/** The problem with its place in the file: of the value, or of the innermost key around it that is there. */
function placed(problem: Problem, name: string, yaml: YamlFile): Problem {
  const { path: at } = problem;
  for (let length = at.length; length > 0; length--) {
    const part = problem.ofKey === true && length === at.length ? 'key' : 'value';
    const position = yaml.position(at.slice(0, length), part);
    if (position !== undefined) return { ...problem, where: name, ...position };
  }
  return { ...problem, where: name, line: 1, column: 1 };
}

type Tree = Record<string, unknown>;

/** Values of file, variables and flags laid over each other, and where each came from. */
class Layers {
  readonly value: Tree = {};
  readonly #origins = new Map<string, Origin>();

  addFile(name: string, yaml: YamlFile): void {
    const add = (value: unknown, at: Path, from: Path): void => {
      if (isTree(value)) {
        for (const [key, member] of Object.entries(value)) add(member, [...at, key], [...from, key]);
        return;
      }
      const position = yaml.position(from, 'value');
      const where = position === undefined ? name : `${name}:${position.line}:${position.column}`;
      this.#set(at, value, { kind: 'file', where });
    };
    // Within a layer, the timeout of a single class stands above that of all; of two layers the later one does.
    const { idleTimeout } = yaml.value as Tree;
    if (idleTimeout !== undefined) {
      for (const name of TIMEOUT_CLASSES) add(idleTimeout, ['timeouts', name], ['idleTimeout']);
    }
    add(yaml.value, [], []);
  }

  addOverrides(overrides: readonly Override[]): void {
    for (const { path: at, value, kind, where } of overrides) {
      if (at[0] === 'idleTimeout')
        for (const name of TIMEOUT_CLASSES) this.#set(['timeouts', name], value, { kind, where });
    }
    for (const { path: at, value, kind, where } of overrides) this.#set(at, value, { kind, where });
  }

  /** Origin of what is at the path, or of what stands around it. */
  origin(at: Path): Origin {
    for (let length = at.length; length > 0; length--) {
      const origin = this.#origins.get(pathKey(at.slice(0, length)));
      if (origin !== undefined) return origin;
    }
    return DEFAULT_ORIGIN;
  }

  placed(problem: Problem, name: string | undefined, yaml: YamlFile | undefined): Problem {
    const origin = this.origin(problem.path);
    if (origin.kind === 'flag' || origin.kind === 'environment') return { ...problem, path: [], where: origin.where };
    return name === undefined || yaml === undefined || origin.kind === 'default'
      ? problem
      : placed(problem, name, yaml);
  }

  #set(at: Path, value: unknown, origin: Origin): void {
    let tree = this.value;
    for (const part of at.slice(0, -1)) {
      const next = tree[part];
      if (isTree(next)) tree = next;
      else {
        const made: Tree = {};
        tree[part] = made;
        tree = made;
      }
    }
    tree[at[at.length - 1]] = value;
    this.#origins.set(pathKey(at), origin);
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text of the file, which may be a pipe. @throws RheoError `RHEO_INPUT` */
function readConfigFile(file: string): string {
  const bytes = Buffer.alloc(MOST_BYTES + 1);
  let length = 0;
  try {
    const fd = openSync(file, 'r');
    try {
      for (let read = -1; read !== 0 && length < bytes.length; length += read) {
        read = readSync(fd, bytes, length, bytes.length - length, null);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException);
  }
  if (length > MOST_BYTES) {
    throw new RheoError(ErrorCode.input, `${file}: more than ${MOST_BYTES} bytes is no configuration`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
  } catch {
    throw new RheoError(ErrorCode.format, `${file}: not UTF-8`, { remedy: 'Save it as UTF-8.' });
  }
}

function unreadable(file: string, error: NodeJS.ErrnoException): RheoError {
  const [what, remedy] = READ_ERRORS[error.code ?? ''] ?? [error.message, undefined];
  return new RheoError(ErrorCode.input, `${file}: ${what}`, {
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

const READ_ERRORS: Readonly<Record<string, [string, string | undefined]>> = {
  ENOENT: ['no such file', 'Name another one with -c FILE, or none: everything has a default.'],
  EACCES: ['no right to read it', 'Give the right, or run as a user who has it.'],
  EISDIR: ['is a folder', 'Name the file in it.'],
};
