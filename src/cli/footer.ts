import type { Summary, Time } from '../model/summary.js';
import { timeText } from '../model/time-text.js';
import { safeText } from '../tui/text.js';
import { durationForPeople, grouped, plural, scaled } from '../tui/units.js';

/** Reasons for which a packet is left out on purpose or as it is no flow's: no loss. */
const NOT_LOST = new Set(['none', 'notIp', 'sampledOut', 'filteredOut', 'otherShard', 'tunnelContinuation']);

/** What refusals are called. */
const REASONS: Readonly<Record<string, string>> = {
  linkShort: 'cut link header',
  notIp: 'not IP',
  tooDeep: 'nested too deep',
  networkShort: 'cut IP header',
  networkMalformed: 'malformed IP header',
  jumbogram: 'jumbogram',
  transportMalformed: 'malformed transport header',
  transportShort: 'cut before the ports',
  checksum: 'wrong checksum',
  sampledOut: 'not sampled',
  filteredOut: 'not matching the filter',
  otherShard: 'of another shard',
  encrypted: 'encrypted frame',
  tunnelContinuation: 'fragment of a counted tunnel packet',
  held: 'fragment held',
  tableFull: 'flow table full',
};

const NOTICES: Readonly<Record<string, string>> = {
  lengthBeyondFrame: 'IP length beyond the frame',
  lengthZero: 'IP length 0',
  headerCut: 'cut transport header',
  fragmentOverlap: 'overlapping fragment',
  fragmentOrphan: 'fragment without its first',
  timeBackwards: 'time stepped back',
  directionCorrected: 'direction corrected',
  icmpRelated: 'ICMP error with its flow',
  tunnelContent: 'tunnel with something else than IP inside',
  fragmentEvicted: 'fragment let go for want of room',
  quoteDropped: 'ICMP error flow without what it is about',
};

/** `Camel case` names that have no words of their own here. */
function spoken(name: string, names: Readonly<Record<string, string>>): string {
  return names[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function list(counters: Readonly<Record<string, number>>, names: Readonly<Record<string, string>>): string {
  return Object.entries(counters)
    .filter(([, count]) => count > 0)
    .sort(([, x], [, y]) => y - x)
    .map(([name, count]) => `${grouped(count)} ${spoken(name, names)}`)
    .join(', ');
}

/** Refusals with their reasons, the largest first: `7 not IP, 3 cut IP header`. */
export function refusalList(refused: Readonly<Record<string, number>>): string {
  return list(refused, REASONS);
}

/** Counts by names that have no words of their own, the largest first: `60 idle, 40 end`. */
export function countList(counters: Readonly<Record<string, number>>): string {
  return list(counters, {});
}

function seconds(from: Time, to: Time): number {
  return Math.max(0, to.seconds - from.seconds + (to.nanos - from.nanos) / 1e9);
}

function pick(
  counters: Readonly<Record<string, number>>,
  keep: (name: string) => boolean,
): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counters).filter(([name, count]) => count > 0 && keep(name)));
}

/** True if anything that should have been counted was not: packets, records of the file, flows ended for want of room. */
export function hasLoss(summary: Summary): boolean {
  const any = (counters: Readonly<Record<string, number>>): boolean =>
    Object.values(counters).some((count) => count > 0);
  return (
    any(pick(summary.refused, (name) => !NOT_LOST.has(name))) ||
    summary.dropped > 0 ||
    any(summary.damaged) ||
    (summary.flows.ended.resources ?? 0) > 0 ||
    summary.warnings.length > 0 ||
    (summary.targets ?? []).some(({ dropped }) => any(dropped)) ||
    !summary.balanced
  );
}

/** What was read and how fast, in one line. */
export function summaryLine(summary: Summary): string {
  const parts = [plural(summary.decoded, 'packet'), scaled(summary.octets, 'B'), plural(summary.flows.opened, 'flow')];
  if (summary.records !== summary.flows.opened) parts.push(plural(summary.records, 'record'));
  let text = parts.join(', ');
  const { first, last } = summary;
  if (first !== undefined && last !== undefined) {
    const span = seconds(first, last);
    text += ` in ${durationForPeople(span)} from ${timeText(first.seconds, first.nanos).slice(0, 19).replace('T', ' ')} UTC`;
    if (span > 0) text += `, ${scaled((summary.octets * 8) / span, 'bit/s')}`;
  }
  if (summary.elapsed > 0) {
    text += `; read in ${durationForPeople(summary.elapsed)}, ${scaled(summary.packets / summary.elapsed, 'packets/s')}`;
  }
  return text;
}

const DROPS: Readonly<Record<string, string>> = {
  queueFull: 'as the queue was full',
  unreachable: 'as it cannot be reached',
  connectionLost: 'with a connection that broke',
  diskFull: 'as the disk is full',
  ioError: 'as they could not be written',
  tooLong: 'in messages too long for the path',
  notIpv4: 'that are not IPv4',
  tooLarge: 'too large for a message',
  closed: 'at the end',
  linkType: 'as sFlow has no number for their link layer',
};

/** A line for each export target: what it got, and why not all of it. */
export function targetLines({ targets = [] }: Summary): string[] {
  return targets.map(({ url, sent, dropped, lastError, unit }) => {
    const lost = list(dropped, DROPS);
    const why = lost !== '' && lastError !== undefined ? ` (${safeText(lastError)})` : '';
    return `exported to ${safeText(url)}: ${plural(sent, unit === 'samples' ? 'sample' : 'record')}${lost === '' ? '' : `; dropped: ${lost}`}${why}`;
  });
}

/** Lines on what was not counted, and why; none if there is nothing to say. */
export function lossLines(summary: Summary, verbose: boolean): string[] {
  const lines: string[] = [];
  const lost = pick(summary.refused, (name) => !NOT_LOST.has(name));
  const leftOut = pick(summary.refused, (name) => NOT_LOST.has(name));
  if (Object.keys(lost).length > 0) lines.push(`lost: ${list(lost, REASONS)}`);
  if (summary.dropped > 0) lines.push(`lost before the capture: ${grouped(summary.dropped)} packets dropped`);
  if (Object.values(summary.damaged).some((count) => count > 0)) lines.push(`damaged: ${list(summary.damaged, {})}`);
  const early = summary.flows.ended.resources ?? 0;
  if (early > 0) lines.push(`ended early for want of room: ${plural(early, 'flow')} (--max-flows)`);
  if (Object.keys(leftOut).length > 0) lines.push(`left out: ${list(leftOut, REASONS)}`);
  if (verbose) {
    const noticed = list(summary.noticed, NOTICES);
    if (noticed !== '') lines.push(`noticed: ${noticed}`);
    const ended = list(summary.flows.ended, {});
    if (ended !== '') lines.push(`flows ended: ${ended}; at one time at the most ${grouped(summary.flows.peak)}`);
  }
  for (const warning of summary.warnings) lines.push(`warning: ${safeText(warning)}`);
  for (const sum of summary.imbalance) lines.push(`the accounts do not balance: ${sum}`);
  return lines;
}
