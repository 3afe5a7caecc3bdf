import { endpointName, protocolText } from './flow-columns.js';
import { lossText, lostPackets } from './losses.js';
import type { NameBook } from './names.js';
import type { RatedFlow } from './rates.js';
import { plural, scaled } from './units.js';
import type { Look } from './view-model.js';
import { type Watched, Watcher } from './watcher.js';

export interface PlainViewOptions {
  readonly names: NameBook;
  /** An object a line for programs; else a line for people. */
  readonly json: boolean;
  /** Milliseconds between two lines. */
  readonly interval: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Takes a line with its end. */
  readonly write: (line: string) => void;
}

/** Flows named in a line for people, and in an object for programs. */
const TOP_TEXT = 3;
const TOP_JSON = 10;

/** Tells what flows, a line for each interval, until the signal. For where there is no terminal. */
export async function runPlainView(service: Watched, options: PlainViewOptions): Promise<void> {
  const { signal } = options;
  const watcher = new Watcher(service, () => performance.now());
  // The first look has nothing to be compared with.
  await watcher.look('');
  while (await pause(options.interval, signal)) {
    const look = await watcher.look('');
    if (signal.aborted) return;
    options.write(options.json ? jsonLine(look) : textLine(look, options.names));
  }
}

/** Resolves to false at once when the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish);
  });
}

/** Bytes a second since the look before, as the totals. */
function rateOf(row: RatedFlow): number {
  return row.history.at(-1) ?? 0;
}

/** The fastest flows that move. */
function fastest(look: Look, count: number): RatedFlow[] {
  return look.flows
    .filter((row) => rateOf(row) > 0)
    .sort((a, b) => rateOf(b) - rateOf(a))
    .slice(0, count);
}

/** One line, with its end. */
export function textLine(look: Look, names: NameBook): string {
  const { totals, loss } = look;
  const rate = scaled(Math.round(totals.byteRate * 8), 'bit/s').padStart(11);
  const packets = `${scaled(Math.round(totals.packetRate), '')} packets/s`.padStart(16);
  const top = fastest(look, TOP_TEXT).map((row) => {
    const ends = `${endpointName(row.flow, false, names)} → ${endpointName(row.flow, true, names)}`;
    return `${protocolText(row.flow)} ${ends} ${scaled(Math.round(rateOf(row) * 8), 'bit/s')}`;
  });
  const flows = plural(loss.flows.live, 'flow');
  const time = look.time.toTimeString().slice(0, 8);
  return `${[time, rate, packets, flows, lossText(loss)].join('  ')}${top.length === 0 ? '' : `  | ${top.join(', ')}`}\n`;
}

/** The same as one JSON object; rates are a second, counters since the start. */
export function jsonLine(look: Look): string {
  const { totals, loss } = look;
  const object = {
    time: look.time.toISOString(),
    bitsPerSecond: Math.round(totals.byteRate * 8),
    packetsPerSecond: Math.round(totals.packetRate),
    flows: loss.flows.live,
    opened: loss.flows.opened,
    packets: loss.decoded,
    bytes: loss.octets,
    lost: lostPackets(loss),
    endedEarly: loss.flows.ended.resources ?? 0,
    balanced: loss.balanced,
    top: fastest(look, TOP_JSON).map((row) => ({
      id: row.id,
      proto: row.flow.proto,
      src: row.flow.src,
      srcPort: row.flow.srcPort,
      dst: row.flow.dst,
      dstPort: row.flow.dstPort,
      bitsPerSecond: Math.round(rateOf(row) * 8),
      packets: row.packets,
      bytes: row.bytes,
    })),
  };
  return `${JSON.stringify(object)}\n`;
}
