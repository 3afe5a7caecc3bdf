import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TIMEOUT_CLASSES } from '../../src/model/options.js';
import type { FlowRecord } from '../../src/model/record.js';
import { readFiles } from '../support/drive.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot, sharedDir } from '../support/shared.js';
import {
  type Conversation,
  canonicalAddress,
  type Layer,
  readWithTshark,
  type SharkFile,
  type SharkFrame,
} from './tshark-frames.js';

/**
 * The conversations of real captures as tshark counts them (`-z conv`), against the records of this meter. Where the
 * two differ, a rule of docs/tshark-differences.md says so from what tshark itself tells about the frame, and the table
 * there says in which captures how many frames it concerns. What is left must be equal, packet for packet, byte for byte.
 */

/** Protocols that tshark names between two IP headers where this meter looks into the tunnel. */
const FOLLOWED = new Set([
  'udp',
  'gre',
  'erspan',
  'vxlan',
  'geneve',
  'gtp',
  'gtp.ext',
  'teredo',
  'eth',
  'ethertype',
  'vlan',
  'mpls',
  'ppp',
  'ipv6.hopopts',
  'ipv6.fraghdr',
]);
const LINKS_NOT_FOLLOWED = ['cfp'];
const SHORTEST_TCP_HEADER = 20;
const LONGEST_MS = 9 * 365 * 86_400_000;
const UNCUT = {
  idle: Object.fromEntries(TIMEOUT_CLASSES.map((name) => [name, LONGEST_MS])),
  active: Number.POSITIVE_INFINITY,
};
const TRANSPORTS = ['tcp', 'udp', 'sctp'];

interface Sums {
  frames: number;
  bytes: number;
}

/** Table and direction (`ip 10.0.0.1 > 10.0.0.2`, `tcp 10.0.0.1:1 > …`) → what was sent so. */
type Ledger = Map<string, Sums>;

function add(ledger: Ledger, key: string, frames: number, bytes: number): void {
  const sums = ledger.get(key) ?? { frames: 0, bytes: 0 };
  sums.frames += frames;
  sums.bytes += bytes;
  if (sums.frames === 0 && sums.bytes === 0) ledger.delete(key);
  else ledger.set(key, sums);
}

/** A TCP header that ends behind its packet, or says that it is too short for one: not in tshark's table of TCP. */
function isBadTcp(frame: SharkFrame, layer: Layer): boolean {
  if (layer.transport !== 'tcp') return false;
  return (layer.tcpHeader ?? 0) < SHORTEST_TCP_HEADER || (frame.malformed && frame.protocols.at(-1) === 'tcp');
}

/** An extension header of IPv6 that ends behind its packet: in no table of tshark's. */
function isBadExtension(frame: SharkFrame): boolean {
  return frame.malformed && (frame.protocols.at(-1) ?? '').startsWith('ipv6.');
}

/** What tshark's tables count a header as: later fragments of IPv6 are in none of them. */
function tableKeys(frame: SharkFrame, layer: Layer): string[] {
  if (layer.version === 6 && (layer.fragmentOffset > 0 || isBadExtension(frame))) return [];
  const keys = keysOf(layer);
  return isBadTcp(frame, layer) ? keys.slice(0, 1) : keys;
}

function keysOf(layer: Layer): string[] {
  const keys = [`${layer.version === 4 ? 'ip' : 'ipv6'} ${layer.src} > ${layer.dst}`];
  if (layer.transport !== undefined) {
    keys.push(`${layer.transport} ${layer.src}:${layer.srcPort} > ${layer.dst}:${layer.dstPort}`);
  }
  return keys;
}

/** What the rules say about frames, in the order of the file: a class of difference, and which header's flow it is. */
class Rules {
  private readonly firstFragments = new Map<string, Layer>();

  judge(frame: SharkFrame): { difference?: string; layer?: Layer } {
    const { layers } = frame;
    if (layers.length === 0) return {};
    if (frame.misnamed) return { difference: 'version' };
    if (LINKS_NOT_FOLLOWED.some((name) => frame.protocols.includes(name))) return { difference: 'link' };
    let depth = 0;
    while (depth + 1 < layers.length && layers[depth].after.every((name) => FOLLOWED.has(name))) depth++;
    const layer = layers[depth];
    if (isBadTcp(frame, layer) || isBadExtension(frame)) return { difference: 'header' };
    if (depth + 1 < layers.length) return { difference: 'other-tunnel', layer };
    const id = `${layer.src} ${layer.dst} ${layer.id} ${layer.protocol}`;
    if (layer.fragmentOffset === 0 && layer.moreFragments) this.firstFragments.set(id, layer);
    if (layer.fragmentOffset > 0) {
      const { transport, srcPort, dstPort } = this.firstFragments.get(id) ?? {};
      if (transport !== undefined)
        return { difference: 'fragment', layer: { ...layer, transport, srcPort, dstPort } as Layer };
      if (layer.version === 6) return { difference: 'fragment', layer };
    }
    return depth > 0 ? { difference: 'tunnel', layer } : { layer };
  }
}

/** First fragments may come later than the others: those are told to the rules before the frames are judged. */
function primed(frames: readonly SharkFrame[]): Rules {
  const rules = new Rules();
  for (const frame of frames) rules.judge(frame);
  return rules;
}

function ledgers(file: SharkFile): { raw: Ledger; adjusted: Ledger; differences: Record<string, number> } {
  const raw: Ledger = new Map();
  const adjusted: Ledger = new Map();
  const differences: Record<string, number> = {};
  const rules = primed(file.frames);
  for (const frame of file.frames) {
    for (const layer of frame.layers) for (const key of tableKeys(frame, layer)) add(raw, key, 1, frame.length);
    const { difference, layer } = rules.judge(frame);
    if (difference !== undefined) differences[difference] = (differences[difference] ?? 0) + 1;
    if (layer !== undefined) for (const key of keysOf(layer)) add(adjusted, key, 1, frame.length);
  }
  return { raw, adjusted, differences };
}

/** The tables that tshark prints, in the form of a ledger; rounded byte counts are taken from `raw`. */
function printed(conversations: SharkFile['conversations'], raw: Ledger): Ledger {
  const ledger: Ledger = new Map();
  const enter = (key: string, frames: number, bytes: number | undefined): void => {
    if (frames === 0) return;
    const before = ledger.get(key);
    // tshark tells two connections with the same ports apart: a rounded line leaves the sum of both to `raw`.
    const whole = bytes === undefined || (before !== undefined && Number.isNaN(before.bytes)) ? Number.NaN : bytes;
    add(ledger, key, frames, whole);
  };
  for (const [table, lines] of Object.entries(conversations)) {
    for (const line of lines) {
      const { from, to } = ends(line);
      enter(`${table} ${from} > ${to}`, line.frames, line.bytes);
      enter(`${table} ${to} > ${from}`, line.backFrames, line.backBytes);
    }
  }
  for (const [key, sums] of ledger) if (Number.isNaN(sums.bytes)) sums.bytes = raw.get(key)?.bytes ?? Number.NaN;
  return ledger;
}

/** Endpoints with canonical addresses; the port, where there is one, stands behind the last colon. */
function ends(line: Conversation): { from: string; to: string } {
  const canonical = (text: string, hasPort: boolean): string => {
    const cut = hasPort ? text.lastIndexOf(':') : text.length;
    return canonicalAddress(text.slice(0, cut)) + text.slice(cut);
  };
  const hasPort = line.hasPorts;
  return { from: canonical(line.a, hasPort), to: canonical(line.b, hasPort) };
}

function ledgerOfRecords(records: readonly FlowRecord[]): Ledger {
  const ledger: Ledger = new Map();
  for (const record of records) {
    const src = canonicalAddress(record.src);
    const dst = canonicalAddress(record.dst);
    const table = src.includes(':') ? 'ipv6' : 'ip';
    const there = [Number(record.packets), Number(record.layer2Bytes ?? 0)] as const;
    const back = [Number(record.reversePackets), Number(record.reverseLayer2Bytes ?? 0)] as const;
    add(ledger, `${table} ${src} > ${dst}`, ...there);
    add(ledger, `${table} ${dst} > ${src}`, ...back);
    if (!TRANSPORTS.includes(record.proto ?? '') || record.srcPort === undefined) continue;
    add(ledger, `${record.proto} ${src}:${record.srcPort} > ${dst}:${record.dstPort}`, ...there);
    add(ledger, `${record.proto} ${dst}:${record.dstPort} > ${src}:${record.srcPort}`, ...back);
  }
  return ledger;
}

function entries(ledger: Ledger): Record<string, Sums> {
  return Object.fromEntries([...ledger].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Rows of the table in the document: capture → class → frames. */
function documented(): Map<string, Record<string, number>> {
  const text = readFileSync(path.join(projectRoot, 'docs/tshark-differences.md'), 'utf8');
  const rows = new Map<string, Record<string, number>>();
  for (const [, file, difference, frames] of text.matchAll(/^\| `([^`]+)` \| ([a-z-]+) \| (\d+) \|$/gm)) {
    rows.set(file, { ...rows.get(file), [difference]: Number(frames) });
  }
  return rows;
}

const shared = sharedDir();
const folder = shared === undefined ? '' : path.join(shared, 'captures');
const rows = documented();
const all = shared === undefined ? [] : captures();
/** One in so many of those without a difference, unless all are asked for. */
const EVERY = 10;
const everything = process.env.RHEO_ALL_CAPTURES === '1';
const chosen = all.filter((file, k) => everything || rows.has(file) || file.startsWith('peafowl/L') || k % EVERY === 0);

function captures(): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:pcap|pcapng|cap)$/.test(file))
    .sort();
}

async function compare(file: string): Promise<void> {
  const full = path.join(folder, file);
  const [shark, { flowRecords, summary }] = await Promise.all([
    readWithTshark(full),
    readFiles([full], { features: ['layer2'], timeouts: UNCUT }),
  ]);
  assert.equal(summary.packets, shark.frames.length, 'packets');
  assert.deepEqual(summary.imbalance, []);
  const { raw, adjusted, differences } = ledgers(shark);
  assert.deepEqual(
    entries(printed(shark.conversations, raw)),
    entries(raw),
    'the fields of tshark and its tables agree',
  );
  assert.deepEqual(differences, rows.get(file) ?? {}, 'docs/tshark-differences.md');
  assert.deepEqual(entries(ledgerOfRecords(flowRecords)), entries(adjusted), 'conversations');
  if (Object.keys(differences).length > 0) return;
  const theirs = new Set(shark.frames.map((frame) => frame.communityId).filter((id) => id !== undefined));
  const mine = new Set(flowRecords.map((record) => record.communityId as string));
  assert.deepEqual(
    [...theirs].filter((id) => !mine.has(id)),
    [],
    'Community IDs that only tshark has',
  );
  // It makes none for some protocols.
  const whole = shark.frames.every((frame) => frame.communityId !== undefined || frame.layers.length === 0);
  if (whole)
    assert.deepEqual(
      [...mine].filter((id) => !theirs.has(id)),
      [],
      'Community IDs that only rheo has',
    );
}

const skip = shared === undefined ? 'no ../shared/captures' : hasProgram('tshark') ? false : 'no tshark';

test(`conversations of ${chosen.length} of ${all.length} captures are those of tshark`, { skip }, async (t) => {
  const waiting = [...chosen];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const name = file;
      await t.test(name, () => compare(name));
    }
  };
  await Promise.all([worker(), worker()]);
});

test('the document names only captures that exist', { skip: shared === undefined && 'no ../shared/captures' }, () => {
  for (const file of rows.keys()) assert.ok(all.includes(file), file);
});
