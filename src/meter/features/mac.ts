import type { FlowHook, RecordField, SideTable } from '../../model/hook.js';
import type { Batch } from '../../packet/batch.js';
import { initiator, sideBase, single } from './group.js';

const HOOK = 'mac';
/** A's address, then B's: high 16 bits, low 32 bits. */
const WORDS = 4;
/** Set in the first word if there are any. */
const PRESENT = 1 << 16;

/** MAC addresses of the first packet of a flow. Only the packets that create flows cost anything. */
class MacHook implements FlowHook {
  readonly name = HOOK;
  readonly words = WORDS;
  #side: SideTable | undefined;
  #offset = 0;

  bind(side: SideTable, offset: number): void {
    this.#side = side;
    this.#offset = offset;
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    const { words, stride } = this.#side!;
    const { flow, mac, direction, view } = batch;
    for (let k = 0; k < count; k++) {
      const i = indexes[k];
      if (mac[i] === 0 || flow[i] < 0) continue;
      const base = Math.imul(flow[i], stride) + this.#offset;
      // In the frame the destination comes first.
      const a = mac[i] + (direction[i] === 0 ? 6 : 0);
      const b = mac[i] + (direction[i] === 0 ? 0 : 6);
      words[base] = PRESENT | view.getUint16(a);
      words[base + 1] = view.getInt32(a + 2);
      words[base + 2] = view.getUint16(b);
      words[base + 3] = view.getInt32(b + 2);
    }
  }
}

/** A MAC address, given as its high 16 and low 32 bits, as aa:bb:cc:dd:ee:ff. */
function macText(high: number, low: number): string {
  const hex = high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0');
  return hex.replace(/..(?!$)/g, '$&:');
}

function field(name: string, description: string, responder: 0 | 1, element: string, id: number): RecordField {
  return single({ name, description, type: 'string', element: { name: element, id } }, (batch, index) => {
    const base = sideBase(batch, index, HOOK);
    if (base < 0 || (batch.words[base] & PRESENT) === 0) return undefined;
    const at = base + (initiator(batch, index) ^ responder) * 2;
    return macText(batch.words[at] & 0xffff, batch.unsigned[at + 1]);
  });
}

export function createMac(): { hook: FlowHook; fields: RecordField[] } {
  return {
    hook: new MacHook(),
    fields: [
      field('srcMac', 'MAC address of the initiator, as the first frame has it', 0, 'sourceMacAddress', 56),
      field('dstMac', 'MAC address of the responder, as the first frame has it', 1, 'destinationMacAddress', 80),
    ],
  };
}
