import { KEY_PARTS, type KeyPart } from '../packet/key.js';
import { TUNNEL_NAMES } from '../packet/tunnel.js';
import type { RecordField } from './hook.js';
import type { RecordBatch } from './record-batch.js';
import { Row, State } from './row.js';

/** A member that a key part gives; `read` gets the first word of the part and whether the initiator is endpoint B. */
interface PartField extends Omit<RecordField, 'read'> {
  read(words: Int32Array, at: number, swapped: boolean): unknown;
}

function macText(high: number, low: number): string {
  const digits = (high & 0xffff).toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0');
  return digits.replace(/..(?=.)/g, '$&:');
}

/** Words as packet/key-maker.ts writes them for each part. */
const PARTS: Record<KeyPart, readonly PartField[]> = {
  vlan: [
    {
      name: 'vlan',
      element: { name: 'dot1qVlanId/dot1qCustomerVlanId', id: '243/245' },
      description: 'VLAN ids, outermost first (two at the most)',
      type: 'list',
      read(words, at) {
        // Each id is stored plus one, so that 0 says that there is none.
        const outer = words[at] >>> 16;
        const inner = words[at] & 0xffff;
        if (outer === 0) return undefined;
        return inner === 0 ? [outer - 1] : [outer - 1, inner - 1];
      },
    },
  ],
  mac: [
    {
      name: 'srcMac',
      element: { name: 'sourceMacAddress', id: '56' },
      description: 'MAC address of the initiator',
      type: 'string',
      read: (words, at, swapped) => mac(words, at, swapped),
    },
    {
      name: 'dstMac',
      element: { name: 'destinationMacAddress', id: '80' },
      description: 'MAC address of the responder',
      type: 'string',
      read: (words, at, swapped) => mac(words, at, !swapped),
    },
  ],
  dscp: [
    {
      name: 'dscp',
      element: { name: 'ipDiffServCodePoint', id: '195' },
      description: 'Differentiated services code point',
      type: 'number',
      read: (words, at) => words[at],
    },
  ],
  tos: [
    {
      name: 'tos',
      element: { name: 'ipClassOfService', id: '5' },
      description: 'Type of service, traffic class',
      type: 'number',
      read: (words, at) => words[at],
    },
  ],
  interface: [
    {
      name: 'interfaceIndex',
      element: { name: 'ingressInterface', id: '10' },
      description: 'Number of the observation point, from 0',
      type: 'number',
      read: (words, at) => words[at],
    },
  ],
  mpls: [
    {
      name: 'mplsLabel',
      element: { name: 'mplsTopLabelStackSection', id: '70' },
      description: 'Label at the top of the MPLS stack',
      type: 'number',
      read: (words, at) => (words[at] === 0 ? undefined : words[at] - 1),
    },
  ],
  tunnel: [
    {
      name: 'tunnel',
      description: 'Innermost tunnel that the packets came through, and its id (VNI, key, TEID)',
      type: 'object',
      read(words, at) {
        const kind = words[at];
        if (kind === 0) return undefined;
        const type = TUNNEL_NAMES[kind];
        const id = words[at + 1] >>> 0;
        return id === 0 ? { type } : { type, id };
      },
    },
  ],
  flowLabel: [
    {
      name: 'flowLabel',
      element: { name: 'flowLabelIPv6', id: '31' },
      description: 'IPv6 flow label',
      type: 'number',
      read: (words, at) => words[at] || undefined,
    },
  ],
};

/** MAC address of endpoint A or B; absent where the link has none (all words are 0). */
function mac(words: Int32Array, at: number, ofB: boolean): string | undefined {
  if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0) return undefined;
  if (ofB) return macText(words[at + 1], words[at + 2]);
  return macText(words[at] >>> 16, (words[at] << 16) | (words[at + 1] >>> 16));
}

/** Members that the parts of `--key` add to a record, in the order of the parts. */
export function keyFields(parts: readonly string[]): readonly RecordField[] {
  const fields: RecordField[] = [];
  let offset = 0;
  for (const name of parts) {
    const wordOffset = offset;
    for (const field of PARTS[name as KeyPart]) {
      fields.push({
        ...field,
        read(batch: RecordBatch, index: number): unknown {
          const at = index * batch.layout.stride;
          const swapped = (batch.words[at + Row.state] & State.initiatorB) !== 0;
          return field.read(batch.words, at + batch.layout.keyOffset + wordOffset, swapped);
        },
      });
    }
    offset += KEY_PARTS[name as KeyPart];
  }
  return fields;
}
