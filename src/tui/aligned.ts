import { scaled } from './units.js';

/**
 * A number with three digits and an SI prefix, its prefix in a column of its own: `1.23 MB`, `999  B`. Lines up when it is
 * padded on the left.
 */
export function alignedNumber(value: number, unit: string): string {
  const [digits, suffix = ''] = scaled(value, unit).split(' ');
  return `${digits} ${suffix.length > unit.length ? '' : ' '}${suffix}`;
}
