import { TIMEOUT_CLASSES } from '../model/options.js';
import type { RecordBatch } from '../model/record-batch.js';
import { CLASS_SHIFT, Row, State } from '../model/row.js';
import { KeyKind } from '../packet/key.js';
import { ipv6Mask, maskWord, parseDotted, parseIpv6 } from './address.js';
import { IP_PROTOCOLS, ipProtocolNumber, serviceByName } from './names.js';

/** A test on the record whose first word is `at`; `now` in seconds since 1970. */
export type FlowTest = (batch: RecordBatch, at: number, now: number) => boolean;

/** Which end of the flow: initiator, responder, or either. */
export type FlowEnd = 'src' | 'dst' | undefined;

/** State of a connection as people say it → timeout class that holds such flows. */
const STATES: ReadonlyMap<string, string> = new Map([
  ['established', 'tcp'],
  ['syn', 'tcp.syn'],
  ['closed', 'tcp.fin'],
  ['reset', 'tcp.rst'],
  ['single', 'single'],
]);

/** Tests one of the two addresses (first word `at`). */
type AddressTest = (words: Int32Array, at: number) => boolean;

function versionOf(batch: RecordBatch, at: number): number {
  return (batch.words[at + Row.meta] >>> 8) & 0xff;
}

export function versionTest(version: 4 | 6): FlowTest {
  return (batch, at) => versionOf(batch, at) === version;
}

/** Applies a test to the ends that are meant; `a` and `b` are word offsets of what belongs to endpoints A and B. */
function ends(end: FlowEnd, test: (batch: RecordBatch, at: number, endpointB: boolean) => boolean): FlowTest {
  if (end === undefined) return (batch, at) => test(batch, at, false) || test(batch, at, true);
  const responder = end === 'dst';
  return (batch, at) => {
    const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
    return test(batch, at, initiatorB !== responder);
  };
}

/** `10.0.0.1`, `10.0.0.0/8`, `10.1` (a network), `2001:db8::/32`; undefined if the text is none of these. */
export function hostTest(end: FlowEnd, text: string): FlowTest | undefined {
  const [address, length, more] = text.split('/');
  if (more !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined;
  const six = parseIpv6(address);
  let version: number;
  let test: AddressTest;
  if (six !== undefined) {
    const bits = Number(length ?? 128);
    if (bits > 128) return undefined;
    const mask = ipv6Mask(bits);
    version = 6;
    test = (words, at) => {
      for (let w = 0; w < 4; w++) if (((words[at + w] ^ six[w]) & mask[w]) !== 0) return false;
      return true;
    };
  } else {
    if (!/^\d{1,3}(\.\d{1,3}){0,3}$/.test(address)) return undefined;
    const four = parseDotted(address);
    if (four === undefined) return undefined;
    const bits = Number(length ?? four.bits);
    if (bits > 32) return undefined;
    const mask = maskWord(bits);
    const wanted = four.address | 0;
    version = 4;
    test = (words, at) => ((words[at] ^ wanted) & mask) === 0;
  }
  return ends(end, (batch, at, b) => versionOf(batch, at) === version && test(batch.words, at + (b ? Row.b : Row.a)));
}

function portNumber(text: string): number | undefined {
  if (/^\d{1,5}$/.test(text)) return Number(text) <= 65535 ? Number(text) : undefined;
  return serviceByName(text)?.port;
}

/** `443`, `https`; with `range` also `8000-8080`. Undefined if the text is none of these. */
export function portTest(end: FlowEnd, text: string, range: boolean): FlowTest | undefined {
  const parts = range ? text.split('-') : [text];
  if (parts.length > 2) return undefined;
  const low = portNumber(parts[0]);
  const high = portNumber(parts.at(-1) as string);
  if (low === undefined || high === undefined) return undefined;
  return ends(end, (batch, at, b) => {
    if ((batch.words[at + Row.meta] & KeyKind.ports) === 0) return false;
    const ports = batch.words[at + Row.ports];
    const port = b ? ports & 0xffff : ports >>> 16;
    return port >= low && port <= high;
  });
}

/** A protocol by keyword or number; undefined if there is none. */
export function protocolTest(text: string): FlowTest | undefined {
  const known = IP_PROTOCOLS.get(text);
  const number = known?.number ?? (/^\d{1,3}$/.test(text) ? Number(text) : ipProtocolNumber(text));
  if (number === undefined || number > 255) return undefined;
  return (batch, at) => {
    const meta = batch.words[at + Row.meta];
    return (meta & 0xff) === number && (meta & KeyKind.anyProtocol) === 0;
  };
}

/** A state, or a timeout class by its name; else the names that there are. */
export function stateTest(text: string): FlowTest | string[] {
  const cls = TIMEOUT_CLASSES.findIndex((name) => name === (STATES.get(text) ?? text));
  if (cls < 0) return [...new Set([...STATES.keys(), ...TIMEOUT_CLASSES])];
  return (batch, at) => ((batch.words[at + Row.state] >>> CLASS_SHIFT) & 15) === cls;
}

/** The 64-bit counter at a word, as a double: near enough for a comparison. */
function counter(batch: RecordBatch, at: number): number {
  return batch.unsigned[at + 1] * 4294967296 + batch.unsigned[at];
}

function seconds(batch: RecordBatch, at: number): number {
  return batch.unsigned[at] + batch.words[at + 1] / 1e9;
}

type Member = (batch: RecordBatch, at: number, now: number) => number;

const bytes: Member = (batch, at) => counter(batch, at + Row.octetsA) + counter(batch, at + Row.octetsB);
const duration: Member = (batch, at) => seconds(batch, at + Row.lastSeconds) - seconds(batch, at + Row.startSeconds);

/** What can be compared with a number: both directions together, times in seconds. */
const MEMBERS: Readonly<Record<string, Member>> = {
  bytes,
  packets: (batch, at) => counter(batch, at + Row.packetsA) + counter(batch, at + Row.packetsB),
  duration,
  /** Since the flow began, and since its last packet. */
  age: (batch, at, now) => now - seconds(batch, at + Row.startSeconds),
  idle: (batch, at, now) => now - seconds(batch, at + Row.lastSeconds),
  /** Bytes a second; a flow of one moment counts as one second long. */
  rate: (batch, at, now) => bytes(batch, at, now) / Math.max(1, duration(batch, at, now)),
};

export function flowMember(name: string): Member | undefined {
  return Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined;
}
