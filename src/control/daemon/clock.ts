/** Clock and timers of the daemon's main side; a simulation brings its own. */
export interface DaemonClock {
  /** Never steps back; ms. */
  monotonicMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls once, after so many ms; the returned function calls it off. */
  after(ms: number, call: () => void): () => void;
  /** Comes back when the event loop has had its turn. */
  turn(): Promise<void>;
}

export const SYSTEM_CLOCK: DaemonClock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Calls again and again, each time so many ms after the call before; the returned function ends it. */
export function every(clock: DaemonClock, ms: number, call: () => void): () => void {
  let cancel: () => void;
  const again = (): void => {
    cancel = clock.after(ms, again);
    call();
  };
  cancel = clock.after(ms, again);
  return () => cancel();
}

/** Waits for something, but no longer than so many ms. True if it came. */
export async function within(clock: DaemonClock, ms: number, what: Promise<unknown>): Promise<boolean> {
  let cancel = (): void => undefined;
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(false));
  });
  try {
    return await Promise.race([what.then(() => true), late]);
  } finally {
    cancel();
  }
}
