import type { FlowHook, RecordField, SideTable } from '../../model/hook.js';
import { type Batch, MAX_VLAN_DEPTH, Mark } from '../../packet/batch.js';
import { TUNNEL_NAMES } from '../../packet/tunnel.js';
import { Columns, initiator, sideBase, single } from './group.js';

const HOOK = 'firstPacket';
/** Set in the 16 bits of a VLAN id (which needs 12) to tell tag 0 from none. */
const VLAN_PRESENT = 0x8000;
/** Set in the first word of the MAC addresses if there are any. */
const MAC_PRESENT = 1 << 16;

/** What the first packet of a flow says for the whole flow. Only the packets that create flows cost anything. */
class FirstPacketHook implements FlowHook {
  readonly name = HOOK;
  readonly words: number;
  readonly #vlan: number;
  readonly #tunnel: number;
  readonly #mac: number;
  #side: SideTable | undefined;
  #offset = 0;

  /** First word of the VLAN ids (two a word), the tunnel (kind, id), the MAC addresses (A's, B's); -1: not wanted. */
  constructor(words: number, vlan: number, tunnel: number, mac: number) {
    this.words = words;
    this.#vlan = vlan;
    this.#tunnel = tunnel;
    this.#mac = mac;
  }

  bind(side: SideTable, offset: number): void {
    this.#side = side;
    this.#offset = offset;
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    const side = this.#side!;
    const { words, stride } = side;
    const { flow, marks, vlanDepth, vlan, tunnel, tunnelId, mac, direction, view } = batch;
    const vlanAt = this.#vlan;
    const tunnelAt = this.#tunnel;
    const macAt = this.#mac;
    for (let k = 0; k < count; k++) {
      const i = indexes[k];
      const depth = vlanAt < 0 ? 0 : vlanDepth[i];
      const tunnelled = tunnelAt >= 0 && (marks[i] & Mark.tunnelled) !== 0;
      const hasMac = macAt >= 0 && mac[i] !== 0;
      if ((depth === 0 && !tunnelled && !hasMac) || flow[i] < 0) continue;
      const base = Math.imul(flow[i], stride) + this.#offset;
      for (let tag = 0; tag < depth; tag++) {
        const id = vlan[i * MAX_VLAN_DEPTH + tag] | VLAN_PRESENT;
        words[base + vlanAt + (tag >> 1)] |= id << ((tag & 1) << 4);
      }
      if (tunnelled) {
        words[base + tunnelAt] = tunnel[i];
        words[base + tunnelAt + 1] = tunnelId[i];
      }
      if (hasMac) {
        // In the frame the destination comes first.
        const a = mac[i] + (direction[i] === 0 ? 6 : 0);
        const b = mac[i] + (direction[i] === 0 ? 0 : 6);
        words[base + macAt] = MAC_PRESENT | view.getUint16(a);
        words[base + macAt + 1] = view.getInt32(a + 2);
        words[base + macAt + 2] = view.getUint16(b);
        words[base + macAt + 3] = view.getInt32(b + 2);
      }
    }
  }
}

/** A MAC address, given as its high 16 and low 32 bits, as aa:bb:cc:dd:ee:ff. */
function macText(high: number, low: number): string {
  const hex = high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0');
  return hex.replace(/..(?!$)/g, '$&:');
}

/** Names of the features that are made here; they need no look at later packets. */
export const FIRST_PACKET_FEATURES: readonly string[] = ['vlan', 'tunnel', 'mac'];

/** Hook and fields of those of FIRST_PACKET_FEATURES that are selected. */
export function createFirstPacket(selected: ReadonlySet<string>): { hook: FlowHook; fields: RecordField[] } {
  const columns = new Columns();
  const vlan = selected.has('vlan') ? columns.word(MAX_VLAN_DEPTH / 2) : -1;
  const tunnel = selected.has('tunnel') ? columns.word(2) : -1;
  const mac = selected.has('mac') ? columns.word(4) : -1;
  const fields: RecordField[] = [];
  if (vlan >= 0) {
    fields.push(
      single(
        {
          name: 'vlan',
          description: 'VLAN ids of the first packet, outermost first',
          type: 'list',
          element: { name: 'dot1qVlanId', id: 243 },
        },
        (batch, index) => {
          const base = sideBase(batch, index, HOOK);
          if (base < 0 || batch.words[base + vlan] === 0) return undefined;
          const ids: number[] = [];
          for (let tag = 0; tag < MAX_VLAN_DEPTH; tag++) {
            const id = batch.words[base + vlan + (tag >> 1)] >>> ((tag & 1) << 4);
            if ((id & VLAN_PRESENT) === 0) break;
            ids.push(id & 0xfff);
          }
          return ids;
        },
      ),
    );
  }
  if (tunnel >= 0) {
    fields.push(
      single(
        {
          name: 'tunnel',
          description: 'Innermost tunnel that the first packet came through: its type, and its id (VNI, key, TEID)',
          type: 'object',
        },
        (batch, index) => {
          const base = sideBase(batch, index, HOOK);
          if (base < 0 || batch.words[base + tunnel] === 0) return undefined;
          const type = TUNNEL_NAMES[batch.words[base + tunnel]];
          const id = batch.unsigned[base + tunnel + 1];
          return id === 0 ? { type } : { type, id };
        },
      ),
    );
  }
  if (mac >= 0) {
    const address = (name: string, description: string, responder: 0 | 1, element: string, id: number): void => {
      fields.push(
        single({ name, description, type: 'string', element: { name: element, id } }, (batch, index) => {
          const base = sideBase(batch, index, HOOK);
          if (base < 0 || (batch.words[base + mac] & MAC_PRESENT) === 0) return undefined;
          const at = base + mac + (initiator(batch, index) ^ responder) * 2;
          return macText(batch.words[at] & 0xffff, batch.unsigned[at + 1]);
        }),
      );
    };
    address('srcMac', 'MAC address of the initiator, as the first frame has it', 0, 'sourceMacAddress', 56);
    address('dstMac', 'MAC address of the responder, as the first frame has it', 1, 'destinationMacAddress', 80);
  }
  return { hook: new FirstPacketHook(columns.words, vlan, tunnel, mac), fields };
}
