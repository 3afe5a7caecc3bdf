/**
 * Which interfaces are wanted: names, or patterns with * (any characters), ? (one character) and [abc] (one of these).
 */
export class WantedNames {
  /** Names without a pattern. */
  readonly plain: readonly string[];
  private readonly patterns: readonly RegExp[];

  constructor(names: readonly string[]) {
    this.plain = names.filter((name) => !isPattern(name));
    this.patterns = names.filter(isPattern).map(compile);
  }

  get hasPatterns(): boolean {
    return this.patterns.length > 0;
  }

  matches(name: string): boolean {
    return this.plain.includes(name) || this.patterns.some((pattern) => pattern.test(name));
  }
}

function isPattern(name: string): boolean {
  return /[*?[]/.test(name);
}

/** Interface names have 15 bytes at the most, so that no pattern takes long. */
function compile(pattern: string): RegExp {
  const source = pattern.replace(/\*+|\?|\[!?[^\]]+\]|[^*?[]|\[/g, (part) => {
    if (part.startsWith('*')) return '.*';
    if (part === '?') return '.';
    if (part.length < 3) return part.replace(/[\\^$.|+(){}[\]]/, '\\$&');
    const negated = part[1] === '!';
    const inside = part.slice(negated ? 2 : 1, -1).replace(/[\\^\]]/g, '\\$&');
    return `[${negated ? '^' : ''}${inside}]`;
  });
  return new RegExp(`^${source}$`, 's');
}
