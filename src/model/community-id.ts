import { KeyKind } from '../packet/key.js';
import { icmpReplyType, Protocol } from '../packet/transport.js';
import { Row, State } from './row.js';

/**
 * Community ID v1 (corelight/community-id-spec): "1:" and base64 of SHA-1 over seed, addresses, protocol and ports, the
 * lower endpoint first. The input is at most 40 bytes, so one SHA-1 block always holds it with its padding; computing that
 * block here, on 32-bit words, takes a third of the time of a call of node:crypto and allocates nothing.
 */

const block = new Int32Array(80);
let used = 0;

/** Appends `count` (2 or 4) low bytes of `value`, big-endian. */
function append(value: number, count: 2 | 4): void {
  const word = used >> 2;
  if ((used & 3) === 0) {
    block[word] = count === 4 ? value : value << 16;
  } else if (count === 2) {
    block[word] |= value & 0xffff;
  } else {
    block[word] |= value >>> 16;
    block[word + 1] = value << 16;
  }
  used += count;
}

function appendAddress(words: Int32Array, at: number, count: number): void {
  for (let k = 0; k < count; k++) append(words[at + k], 4);
}

function compareAddresses(words: Int32Array, a: number, b: number, count: number): number {
  for (let k = 0; k < count; k++) {
    const left = words[a + k] >>> 0;
    const right = words[b + k] >>> 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** SHA-1 (FIPS 180-4 §6.1.2) of the bytes appended to the block. */
function sha1(out: Int32Array): void {
  append(0x8000, 2);
  const first = (used + 3) >> 2;
  for (let t = first; t < 15; t++) block[t] = 0;
  block[15] = (used - 2) * 8;
  for (let t = 16; t < 80; t++) {
    const x = block[t - 3] ^ block[t - 8] ^ block[t - 14] ^ block[t - 16];
    block[t] = (x << 1) | (x >>> 31);
  }
  let a = 0x67452301;
  let b = 0xefcdab89 | 0;
  let c = 0x98badcfe | 0;
  let d = 0x10325476;
  let e = 0xc3d2e1f0 | 0;
  for (let t = 0; t < 20; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + 0x5a827999 + block[t]) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 20; t < 40; t++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + block[t]) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 40; t < 60; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e + 0x8f1bbcdc + block[t]) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 60; t < 80; t++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + block[t]) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  out[0] = (a + 0x67452301) | 0;
  out[1] = (b + 0xefcdab89) | 0;
  out[2] = (c + 0x98badcfe) | 0;
  out[3] = (d + 0x10325476) | 0;
  out[4] = (e + 0xc3d2e1f0) | 0;
}

/**
 * Writes the five words of the SHA-1 to `out`. Returns false where the flow has no Community ID: the protocol is not part
 * of its key, or the protocol has ports and they are not known (fragments without their first one, `--track proto`).
 *
 * @param words memory that holds the row (model/row.ts) at word `at`
 * @param seed 0…65535
 */
export function communityDigest(words: Int32Array, at: number, seed: number, out: Int32Array): boolean {
  const meta = words[at + Row.meta];
  if ((meta & KeyKind.anyProtocol) !== 0) return false;
  const protocol = meta & 0xff;
  const addressWords = ((meta >>> 8) & 0xff) === 6 ? 4 : 1;
  const portsWord = words[at + Row.ports];
  let first = at + Row.a;
  let second = at + Row.b;
  let firstPort = -1;
  let secondPort = -1;
  if (protocol === Protocol.tcp || protocol === Protocol.udp || protocol === Protocol.sctp) {
    if ((meta & KeyKind.ports) === 0) return false;
    firstPort = portsWord >>> 16;
    secondPort = portsWord & 0xffff;
    const order = compareAddresses(words, first, second, addressWords);
    if (order > 0 || (order === 0 && firstPort > secondPort)) {
      [first, second, firstPort, secondPort] = [second, first, secondPort, firstPort];
    }
  } else if (protocol === Protocol.icmp || protocol === Protocol.icmp6) {
    if ((meta & KeyKind.icmp) === 0) return false;
    const type = (portsWord >>> 8) & 0xff;
    // The spec makes the types that ask and answer the two ports of one flow, as a TCP connection has them.
    const answer = icmpReplyType(type, protocol === Protocol.icmp ? 4 : 6);
    const oneWay = answer === type;
    const state = words[at + Row.state];
    // Who asked: the initiator, unless the first packet seen was an answer.
    const askedByB = ((state & State.initiatorB) !== 0) !== ((state & State.icmpReply) !== 0);
    if (askedByB) {
      const swap = first;
      first = second;
      second = swap;
    }
    firstPort = type;
    secondPort = oneWay ? portsWord & 0xff : answer;
    if (!oneWay) {
      const order = compareAddresses(words, first, second, addressWords);
      if (order > 0 || (order === 0 && firstPort > secondPort)) {
        [first, second, firstPort, secondPort] = [second, first, secondPort, firstPort];
      }
    }
  } else if (compareAddresses(words, first, second, addressWords) > 0) {
    [first, second] = [second, first];
  }
  used = 0;
  append(seed, 2);
  appendAddress(words, first, addressWords);
  appendAddress(words, second, addressWords);
  append(protocol << 8, 2);
  if (firstPort >= 0) {
    append(firstPort, 2);
    append(secondPort, 2);
  }
  sha1(out);
  return true;
}

const digest = new Int32Array(5);
const digestBytes = new Uint8Array(20);

/** Community ID of the row at word `at`, or undefined where it has none. */
export function communityId(words: Int32Array, at: number, seed: number): string | undefined {
  if (!communityDigest(words, at, seed, digest)) return undefined;
  for (let k = 0; k < 20; k++) digestBytes[k] = digest[k >> 2] >>> (24 - (k & 3) * 8);
  return `1:${Buffer.from(digestBytes.buffer, 0, 20).toString('base64')}`;
}
