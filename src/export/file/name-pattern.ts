import path from 'node:path';

/** Time patterns (strftime's, in UTC) → how many digits they take. */
const DIGITS: Readonly<Record<string, string>> = { Y: '4', m: '2', d: '2', H: '2', M: '2', S: '2', s: '1,11' };

/**
 * Names of the files of one target: a path with `%Y %m %d %H %M %S %s %%`. Files that are rotated and have no pattern in their
 * name get one in front of the ending.
 */
export class NamePattern {
  readonly #pattern: string;
  /** The deepest directory without a pattern: it must exist. */
  readonly root: string;
  /** Regular expressions of the path below `root`, directory by directory; the last one is of the file's name. */
  readonly levels: readonly RegExp[];
  /** The same for a file that is being written: group 1 is its final name, group 2 the number of its process. */
  readonly partial: RegExp;

  constructor(pattern: string, rotates: boolean) {
    const timed = /%[YmdHMSs]/.test(pattern);
    const parsed = path.parse(pattern);
    const dot = parsed.base.search(/\.[a-z0-9]+(\.(gz|zst))?$/i);
    const stem = parsed.base.slice(0, dot);
    const stamp = rotates && !timed ? '-%Y%m%dT%H%M%SZ' : '';
    this.#pattern = path.join(parsed.dir, `${stem}${stamp}${parsed.base.slice(dot)}`);
    const parts = this.#pattern.split('/');
    let fixed = parts.findIndex((part, k) => k < parts.length - 1 && /%[^%]/.test(part));
    if (fixed < 0) fixed = parts.length - 1;
    const root = parts.slice(0, fixed).join('/').replaceAll('%%', '%');
    this.root = fixed === 0 ? '.' : root === '' ? '/' : root;
    const levels = parts.slice(fixed).map(expression);
    const file = levels.pop()!;
    // Names that were taken are numbered: `flows-1.ndjson`.
    const ending = expression(parsed.base.slice(dot));
    const numbered = `${file.slice(0, file.length - ending.length)}(?:-\\d+)?${ending}`;
    this.levels = [...levels, numbered].map((level) => new RegExp(`^${level}$`));
    this.partial = new RegExp(`^(${numbered})\\.(\\d+)\\.part$`);
  }

  /** Path at a time in ms since 1970. `number` > 0 is added to the name. */
  at(timeMs: number, number = 0): string {
    const time = new Date(Number.isFinite(timeMs) ? timeMs : 0).toISOString();
    const name = this.#pattern.replace(/%(.)/g, (_, letter: string) => {
      switch (letter) {
        case 'Y':
          return time.slice(0, -20);
        case 'm':
          return time.slice(-19, -17);
        case 'd':
          return time.slice(-16, -14);
        case 'H':
          return time.slice(-13, -11);
        case 'M':
          return time.slice(-10, -8);
        case 'S':
          return time.slice(-7, -5);
        case 's':
          return String(Math.floor(timeMs / 1000));
        default:
          return '%';
      }
    });
    return number === 0 ? name : name.replace(/(\.[a-z0-9]+(?:\.(?:gz|zst))?)$/i, `-${number}$1`);
  }
}

/** Regular expression of one part of the path, as text. */
function expression(part: string): string {
  return part.replace(/%(.)|[^%]+/g, (text, letter: string | undefined) => {
    if (letter === undefined) return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return letter === '%' ? '%' : `\\d{${DIGITS[letter]}}`;
  });
}
