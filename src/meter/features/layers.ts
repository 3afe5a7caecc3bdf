import type { RecordField } from '../../model/hook.js';
import { Row, TUNNEL_SHIFT, VLANS_SHIFT } from '../../model/row.js';
import { TUNNEL_NAMES } from '../../packet/tunnel.js';
import { single } from './group.js';

/** VLAN tags and tunnel of the first packet. The row of a flow has them anyway (meter/layers.ts): they cost nothing. */
export const vlanField: RecordField = single(
  {
    name: 'vlan',
    description: 'VLAN ids of the first packet, outermost first; five at the most if it came through a tunnel',
    type: 'list',
    element: { name: 'dot1qVlanId', id: 243 },
  },
  ({ words, layout }, index) => {
    const row = index * layout.stride;
    const depth = words[row + Row.state] >>> VLANS_SHIFT;
    if (depth === 0) return undefined;
    const ids: number[] = [];
    for (let tag = 0; tag < depth; tag++) {
      const word = row + Row.layers + ((tag * 12) >> 5);
      const shift = (tag * 12) & 31;
      const low = words[word] >>> shift;
      ids.push((shift > 20 ? low | (words[word + 1] << (32 - shift)) : low) & 0xfff);
    }
    return ids;
  },
);

export const tunnelField: RecordField = single(
  {
    name: 'tunnel',
    description: 'Innermost tunnel that the first packet came through: its type, and its id (VNI, key, TEID)',
    type: 'object',
  },
  ({ words, unsigned, layout }, index) => {
    const row = index * layout.stride;
    const number = (words[row + Row.state] >>> TUNNEL_SHIFT) & 15;
    if (number === 0) return undefined;
    const type = TUNNEL_NAMES[number];
    const id = unsigned[row + Row.layers + 2];
    return id === 0 ? { type } : { type, id };
  },
);
