import { TUNNEL_SHIFT, VLANS_IN_TUNNEL, VLANS_SHIFT } from '../model/row.js';
import { type Batch, MAX_VLAN_DEPTH, Mark } from '../packet/batch.js';

const ID_BITS = 12;

/**
 * Keeps VLAN ids and tunnel of packet i, the first of its flow, in the three words from `at` on; returns their bits of the
 * state word (model/row.ts). A stack of more than five ids within a tunnel loses the innermost ones.
 */
export function putLayers(words: Int32Array, at: number, batch: Batch, i: number): number {
  const tunnelled = (batch.marks[i] & Mark.tunnelled) !== 0;
  const depth = Math.min(batch.vlanDepth[i], tunnelled ? VLANS_IN_TUNNEL : MAX_VLAN_DEPTH);
  words.fill(0, at, at + 3);
  for (let tag = 0; tag < depth; tag++) {
    const id = batch.vlan[i * MAX_VLAN_DEPTH + tag];
    const word = at + ((tag * ID_BITS) >> 5);
    const shift = (tag * ID_BITS) & 31;
    words[word] |= id << shift;
    if (shift > 32 - ID_BITS) words[word + 1] |= id >>> (32 - shift);
  }
  if (!tunnelled) return depth << VLANS_SHIFT;
  words[at + 2] = batch.tunnelId[i];
  return (depth << VLANS_SHIFT) | (batch.tunnel[i] << TUNNEL_SHIFT);
}
