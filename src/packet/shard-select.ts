import type { Batch } from './batch.js';
import { type KeyMaker, mixPair, shardOf } from './key-maker.js';
import { LINK_ETHERNET } from './plain.js';
import { Protocol } from './transport.js';
import { EtherType } from './walk.js';

/**
 * Drops plain TCP and UDP packets of other shards from a batch that a source has filled, before anything else is done with
 * them: what is left moves together. All that is not plain stays for the decoder to judge, and so do the packets that the
 * meter's clock needs: the first of each tick, one whose time is before that of the packet in front of it, and the last.
 *
 * Whether a packet is this shard's cannot be predicted; so no branch depends on it.
 *
 * @param udpPorts not 0 for ports of tunnels that are looked into
 * @returns how many packets were dropped
 */
export function dropOtherShards(batch: Batch, keys: KeyMaker, udpPorts: Uint8Array, tickNanos: number): number {
  const { view, offset, captured, wire, seconds, nanos, iface, link } = batch;
  const { seed, shard, shards } = keys;
  const n = batch.count;
  let kept = 0;
  let second = -1;
  let earliest = 0;
  let tickEnd = 0;
  let lastKept = 1;
  for (let i = 0; i < n; i++) {
    const start = offset[i];
    const length = captured[i];
    const there = wire[i] - 14;
    const ip = start + 14;
    let keep = 1;
    if (link[i] === LINK_ETHERNET && length >= 54) {
      const type = view.getUint16(start + 12);
      let at = 0;
      let protocol = 0;
      let mixed = 0;
      if (type === EtherType.ipv4) {
        const first = view.getInt32(ip);
        const total = first & 0xffff;
        protocol = view.getUint8(ip + 9);
        mixed = mixPair(seed, seed, view.getInt32(ip + 12), view.getInt32(ip + 16));
        if (first >>> 24 === 0x45 && (view.getUint16(ip + 6) & 0x3fff) === 0 && total >= 28 && total <= there)
          at = ip + 20;
      } else if (type === EtherType.ipv6 && length >= 74) {
        const size = view.getUint16(ip + 4);
        protocol = view.getUint8(ip + 6);
        mixed = seed;
        for (let k = 8; k < 24; k += 4) mixed = mixPair(mixed, seed, view.getInt32(ip + k), view.getInt32(ip + k + 16));
        if (view.getUint8(ip) >>> 4 === 6 && size >= 8 && size + 40 <= there) at = ip + 40;
      }
      if (at !== 0) {
        const isUdp = protocol === Protocol.udp;
        const tunnel = isUdp && (udpPorts[view.getUint16(at)] | udpPorts[view.getUint16(at + 2)]) !== 0;
        if ((isUdp && !tunnel) || protocol === Protocol.tcp) {
          const difference = shardOf(mixed, shards) - shard;
          keep = ((difference | -difference) >>> 31) ^ 1;
        }
      }
    }
    const now = seconds[i];
    const nano = nanos[i];
    if (now !== second || nano < earliest || nano >= tickEnd) {
      // The packet in front of a step back is the latest until then: it still stands behind those that are kept.
      if (i > 0 && kept > 0 && lastKept === 0) kept++;
      keep = 1;
      second = now;
      tickEnd = (Math.floor(nano / tickNanos) + 1) * tickNanos;
    }
    earliest = nano;
    if (i === n - 1) keep = 1;
    offset[kept] = start;
    captured[kept] = length;
    wire[kept] = wire[i];
    seconds[kept] = now;
    nanos[kept] = nano;
    iface[kept] = iface[i];
    link[kept] = link[i];
    kept += keep;
    lastKept = keep;
  }
  batch.count = kept;
  return n - kept;
}
