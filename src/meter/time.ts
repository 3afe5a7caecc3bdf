/** Nanoseconds from one moment to another; exact up to 104 days. Seconds are unsigned. */
export function nanosBetween(fromSeconds: number, fromNanos: number, toSeconds: number, toNanos: number): number {
  return (toSeconds - fromSeconds) * 1e9 + (toNanos - fromNanos);
}
