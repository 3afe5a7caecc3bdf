import { type Batch, Mark } from './batch.js';
import { KeyKind } from './key.js';
import { type KeyMaker, mixPair, shardOf } from './key-maker.js';
import { Refusal } from './refusal.js';
import { Protocol } from './transport.js';
import { EtherType } from './walk.js';

export const LINK_ETHERNET = 1;
const TCP_META = Protocol.tcp | KeyKind.ports;
/** A difference of 2^31 has the same sign both ways. */
const NO_ORDER = -0x80000000;
const UDP_META = Protocol.udp | KeyKind.ports;

/** Decodes packets [from, to); returns how many it leaves to the long way: their indexes are put into `left`, in order. */
export type PlainDecoder = (from: number, to: number) => number;

/**
 * Makes the short way through the decoder, for what nearly all packets are: Ethernet without tags, IPv4 without options or IPv6
 * without extension headers, TCP or UDP in whole, no fragment, no tunnel's port, lengths that agree. One loop without a
 * call, twice as fast as the long way; whatever is not that plain is left alone and goes the long way. Both ways fill the
 * same columns with the same values (a test compares them on all sorts of packets).
 *
 * Only for the usual key, 5-tuple in both directions. Why a function is made for each batch:
 * docs/decisions/0014-functions-of-the-road.md.
 *
 * @param udpPorts not 0 for ports of tunnels that are looked into
 * @param verdicts counters by verdict
 */
export function plainDecoder(
  batch: Batch,
  udpPorts: Uint8Array,
  keys: KeyMaker,
  left: Int32Array,
  verdicts: Float64Array,
): PlainDecoder {
  const { offset, captured, wire, link, verdict, marks, direction, meta, ports, octets, tos, ttl } = batch;
  const { a0, a1, a2, a3, b0, b1, b2, b3 } = batch;
  const { network, transport, payload, payloadLength, payloadCaptured, tcpFlags, mac, vlanDepth, mplsDepth } = batch;
  const { flowLabel } = batch;
  const { shard, shards, seed } = keys;
  return function decodePlain(from, to) {
    const { view } = batch;
    let count = 0;
    let others = 0;
    for (let i = from; i < to; i++) {
      const start = offset[i];
      const length = captured[i];
      const there = wire[i] - 14;
      const ip = start + 14;
      let at = 0;
      let total = 0;
      let protocol = 0;
      // All ones if the source is endpoint B.
      let swap = 0;
      let mixed = 0;
      if (verdict[i] === Refusal.none && link[i] === LINK_ETHERNET && length >= 54) {
        const type = view.getUint16(start + 12);
        if (type === EtherType.ipv4) {
          const first = view.getInt32(ip);
          total = first & 0xffff;
          protocol = view.getUint8(ip + 9);
          if (first >>> 24 === 0x45 && (view.getUint16(ip + 6) & 0x3fff) === 0 && total >= 28 && total <= there) {
            at = ip + 20;
            const source = view.getInt32(ip + 12);
            const destination = view.getInt32(ip + 16);
            const difference = source ^ destination;
            mixed = mixPair(seed, seed, source, destination);
            const order = (destination - source) | 0;
            swap = order >> 31;
            if (order === NO_ORDER || difference === 0) at = 0;
            a0[i] = source ^ (difference & swap);
            b0[i] = destination ^ (difference & swap);
            marks[i] = 0;
            tos[i] = (first >>> 16) & 0xff;
            ttl[i] = view.getUint8(ip + 8);
            flowLabel[i] = 0;
            meta[i] = 4 << 8;
          }
        } else if (type === EtherType.ipv6 && length >= 74) {
          const first = view.getInt32(ip);
          const second = view.getInt32(ip + 4);
          const size = second >>> 16;
          total = size + 40;
          protocol = (second >>> 8) & 0xff;
          if (first >>> 28 === 6 && size >= 8 && total <= there) {
            at = ip + 40;
            const s0 = view.getInt32(ip + 8);
            const s1 = view.getInt32(ip + 12);
            const s2 = view.getInt32(ip + 16);
            const s3 = view.getInt32(ip + 20);
            const d0 = view.getInt32(ip + 24);
            const d1 = view.getInt32(ip + 28);
            const d2 = view.getInt32(ip + 32);
            const d3 = view.getInt32(ip + 36);
            mixed = mixPair(mixPair(mixPair(mixPair(seed, seed, s0, d0), seed, s1, d1), seed, s2, d2), seed, s3, d3);
            const x0 = s0 ^ d0;
            const x1 = s1 ^ d1;
            const x2 = s2 ^ d2;
            const x3 = s3 ^ d3;
            const order = (x0 !== 0 ? d0 - s0 : x1 !== 0 ? d1 - s1 : x2 !== 0 ? d2 - s2 : d3 - s3) | 0;
            if (order === NO_ORDER || order === 0) at = 0;
            swap = order >> 31;
            a0[i] = s0 ^ (x0 & swap);
            a1[i] = s1 ^ (x1 & swap);
            a2[i] = s2 ^ (x2 & swap);
            a3[i] = s3 ^ (x3 & swap);
            b0[i] = d0 ^ (x0 & swap);
            b1[i] = d1 ^ (x1 & swap);
            b2[i] = d2 ^ (x2 & swap);
            b3[i] = d3 ^ (x3 & swap);
            marks[i] = Mark.ipv6;
            tos[i] = (first >>> 20) & 0xff;
            ttl[i] = second & 0xff;
            flowLabel[i] = first & 0xfffff;
            meta[i] = 6 << 8;
          }
        }
      }
      let header = 8;
      if (at !== 0) {
        const port = view.getInt32(at);
        if (protocol === Protocol.tcp) {
          const word = view.getUint16(at + 12);
          header = (word >>> 10) & 0x3c;
          tcpFlags[i] = word & 0x1ff;
          marks[i] |= Mark.tcp;
          meta[i] |= TCP_META;
          if (header < 20) at = 0;
        } else if (protocol === Protocol.udp) {
          tcpFlags[i] = 0;
          meta[i] |= UDP_META;
          if ((udpPorts[port >>> 16] | udpPorts[port & 0xffff]) !== 0 || view.getUint16(at + 4) !== ip + total - at)
            at = 0;
        } else at = 0;
        ports[i] = port ^ ((port ^ ((port << 16) | (port >>> 16))) & swap);
      }
      const body = at + header;
      const end = start + length;
      const leave = at === 0 || body > end || body > ip + total ? 1 : 0;
      // Counted without a branch: code that was not run before it is compiled is compiled again when it is.
      left[count] = i;
      count += leave;
      if (leave !== 0) continue;
      if (shards !== 1 && shardOf(mixed, shards) !== shard) {
        verdict[i] = Refusal.otherShard;
        others++;
        continue;
      }
      const realEnd = ip + total;
      direction[i] = swap & 1;
      octets[i] = total;
      network[i] = ip;
      transport[i] = at;
      payload[i] = body;
      payloadLength[i] = realEnd - body;
      payloadCaptured[i] = (end < realEnd ? end : realEnd) - body;
      mac[i] = start;
      vlanDepth[i] = 0;
      mplsDepth[i] = 0;
    }
    verdicts[Refusal.none] += to - from - count - others;
    verdicts[Refusal.otherShard] += others;
    return count;
  };
}
