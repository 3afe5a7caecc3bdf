let cachedSecond = -1;
let cachedText = '';

/** Second since 1970 (UTC) as `2024-01-01T00:00:00`. The last one is remembered: neighbouring records share it. */
export function secondText(seconds: number): string {
  if (seconds !== cachedSecond) {
    cachedSecond = seconds;
    cachedText = new Date(seconds * 1000).toISOString().slice(0, 19);
  }
  return cachedText;
}

/** RFC 3339 time in UTC with nanoseconds. */
export function timeText(seconds: number, nanos: number): string {
  return `${secondText(seconds)}.${String(nanos).padStart(9, '0')}Z`;
}

/** Exact decimal text of seconds and nanoseconds, without zeros at the end: `12.498635`, `0`. */
export function durationText(seconds: number, nanos: number): string {
  if (nanos === 0) return String(seconds);
  return `${seconds}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}
