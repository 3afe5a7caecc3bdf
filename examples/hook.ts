// A hook on the meter: measures something of our own for each flow, on batches of packets, and puts it into the records.
// This one counts how often the two sides of a flow took turns: 1 for a question and its answer, many for a conversation.
//
//     node dist/examples/hook.js CAPTURE…
import { type Batch, type FlowHook, type RecordField, readFlows, type SideTable } from 'rheo';

const NEVER = 0;

class Turns implements FlowHook {
  readonly name = 'turns';
  /** Words of memory a flow, an even number: the number of turns, and who sent the last packet. */
  readonly words = 2;
  #memory: Int32Array = new Int32Array(0);
  #stride = 0;
  #offset = 0;

  bind(side: SideTable, offset: number): void {
    this.#memory = side.words;
    this.#stride = side.stride;
    this.#offset = offset;
  }

  updated(batch: Batch, from: number, to: number): void {
    const { flow, direction } = batch;
    for (let i = from; i < to; i++) {
      // -1: the packet belongs to no flow.
      if (flow[i] < 0) continue;
      const at = flow[i] * this.#stride + this.#offset;
      // A flow begins with zeros, so the sides are 1 and 2.
      const sender = direction[i] + 1;
      const last = this.#memory[at + 1];
      if (last !== NEVER && last !== sender) this.#memory[at]++;
      this.#memory[at + 1] = sender;
    }
  }
}

/** Reads the hook's column from a finished record. */
const turns: RecordField = {
  name: 'turns',
  description: 'How often the two sides took turns',
  type: 'number',
  read: (batch, index) => batch.words[index * batch.layout.stride + batch.layout.side.turns],
};

const flows = readFlows(process.argv.slice(2), { hooks: [new Turns()], fields: [turns] });
const found: { who: string; turns: number }[] = [];
for await (const flow of flows) {
  found.push({ who: `${flow.proto} ${flow.src} ${flow.dst} ${flow.dstPort ?? ''}`.trim(), turns: Number(flow.turns) });
}
found.sort((a, b) => b.turns - a.turns);
for (const { who, turns } of found.slice(0, 10)) console.log(`${turns} turns: ${who}`);
