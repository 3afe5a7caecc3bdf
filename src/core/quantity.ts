/** Times, sizes and numbers as people write them, for flags and configuration alike. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Longest time that is taken: about 136 years, so that seconds fit 32 bits. */
export const LONGEST_TIME_MS: number = 2 ** 32 * 1000;

/** What `parseTime` takes, for messages. */
export const TIME_WANTED = 'a time such as 500ms, 30s, 5m, 1h30m or 2d';
export const TIME_PATTERN: RegExp = /^(\d{1,15}(\.\d{1,9})?|(\d{1,15}(\.\d{1,9})?([mM]?[sS]|[mMhHdDwW])){1,8})$/;

/**
 * Time as softflowd writes it, in ms: numbers with the units ms, s, m, h, d, w one after the other; a number without a
 * unit is seconds. Undefined if it is none, or longer than 136 years.
 */
export function parseTime(text: string): number | undefined {
  if (!TIME_PATTERN.test(text)) return undefined;
  let ms = 0;
  for (const [, number, unit] of text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw]|$)/g)) {
    ms += Number(number) * UNIT_MS[unit === '' ? 's' : unit];
  }
  return ms <= LONGEST_TIME_MS ? Math.round(ms) : undefined;
}

/** Whole number of ms as `parseTime` reads it: `1h30m`, `250ms`, `0s`. */
export function formatTime(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const unit of ['w', 'd', 'h', 'm', 's', 'ms']) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * UNIT_MS[unit];
  }
  return text;
}

const DECIMAL: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
export const INTEGER_PATTERN: RegExp = /^\d[\d_]{0,20}[kmgKMG]?$/;

/** Whole number of things, also as 64k, 2M, 1_000_000 (powers of 1000). Undefined if it is none. */
export function parseInteger(text: string): number | undefined {
  const match = /^(\d[\d_]{0,20})([kmg]?)$/i.exec(text);
  if (match === null) return undefined;
  return Number(match[1].replaceAll('_', '')) * DECIMAL[match[2].toLowerCase()];
}

const BINARY: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
export const SIZE_PATTERN: RegExp = /^\d{1,15}([kmgKMG]([iI]?[bB])?|[bB])?$/;

/** Bytes of memory: 65536, 64k, 64M, 64MiB, 1G (powers of 1024, as systemd reads them). Undefined if it is none. */
export function parseSize(text: string): number | undefined {
  if (!SIZE_PATTERN.test(text)) return undefined;
  const [, number, unit] = /^(\d+)([kmg]?)/i.exec(text)!;
  return Number(number) * BINARY[unit.toLowerCase()];
}

/** Bytes as `parseSize` reads them, without loss: `64M`, `1536k`, `1000`. */
export function formatSize(bytes: number): string {
  for (const unit of ['g', 'm', 'k']) {
    if (bytes > 0 && bytes % BINARY[unit] === 0)
      return `${bytes / BINARY[unit]}${unit === 'k' ? 'k' : unit.toUpperCase()}`;
  }
  return String(bytes);
}
