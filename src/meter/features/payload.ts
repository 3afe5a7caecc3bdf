import type { RecordField } from '../../model/hook.js';
import { type Batch, Mark } from '../../packet/batch.js';
import { directed, type FeatureGroup, type FeatureLayout, FeaturePass, type PassUpdate, rounded } from './group.js';

/** Bytes of the first payload that are kept. A multiple of 4. */
const FIRST_BYTES = 16;
/** Bytes of the first payload that its entropy is taken of, at most. */
export const ENTROPY_BYTES = 256;

/** The state word: bit 0 seen, bits 1–5 number of first bytes kept, bits 16–31 entropy × ENTROPY_SCALE. */
const SEEN = 1;
const ENTROPY_SCALE = 8000;

/** STEP[c] = (c + 1) log2(c + 1) − c log2 c: what the (c + 1)th occurrence of a byte adds to the sum. */
const STEP = new Float64Array(ENTROPY_BYTES);
for (let c = 0; c < ENTROPY_BYTES; c++) STEP[c] = (c + 1) * Math.log2(c + 1) - (c === 0 ? 0 : c * Math.log2(c));
/** Occurrences of each byte value; all zero between calls. */
const occurrences = new Int32Array(256);

/** Shannon entropy in bits a byte of `bytes[from … to)`; 0 for fewer than two bytes. */
export function entropy(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k < to; k++) sum += STEP[occurrences[bytes[k]]++];
  for (let k = from; k < to; k++) occurrences[bytes[k]] = 0;
  const length = to - from;
  return length < 2 ? 0 : Math.max(0, Math.log2(length) - sum / length);
}

/** Looks at the first captured payload of each direction; later fragments are not a beginning and are passed over. */
class PayloadPass extends FeaturePass {
  readonly #state: number;
  readonly #firstBytes: number;
  readonly #entropy: boolean;

  constructor(state: number, firstBytes: number, entropy: boolean) {
    super();
    this.#state = state;
    this.#firstBytes = firstBytes;
    this.#entropy = entropy;
  }

  protected updater(batch: Batch): PassUpdate {
    const { words } = this.side;
    const { payloadCaptured, marks } = batch;
    const state = this.#state;
    return (from, to, bases) => {
      for (let i = from; i < to; i++) {
        const base = bases[i];
        if (base < 0 || (words[base + state] & SEEN) !== 0 || payloadCaptured[i] <= 0) continue;
        if ((marks[i] & Mark.fragmentLater) === 0) this.#first(batch, i, base);
      }
    };
  }

  #first(batch: Batch, i: number, base: number): void {
    const { words } = this.side;
    const { bytes } = batch;
    const from = batch.payload[i];
    const length = batch.payloadCaptured[i];
    let state = SEEN;
    if (this.#firstBytes >= 0) {
      const count = Math.min(FIRST_BYTES, length);
      state |= count << 1;
      const first = base + this.cold + this.#firstBytes;
      for (let k = 0; k < count; k++) words[first + (k >> 2)] |= bytes[from + k] << ((k & 3) << 3);
    }
    if (this.#entropy) {
      const bits = entropy(bytes, from, from + Math.min(ENTROPY_BYTES, length));
      state |= Math.round(bits * ENTROPY_SCALE) << 16;
    }
    words[base + this.#state] = state;
  }
}

/** Features `entropy` and `firstBytes`. */
export function createPayload(selected: ReadonlySet<string>, layout: FeatureLayout): FeatureGroup {
  const stateAt = layout.hot.word();
  const firstBytes = selected.has('firstBytes') ? layout.cold.word(FIRST_BYTES / 4) : -1;
  const fields: RecordField[] = [];
  if (selected.has('entropy')) {
    fields.push(
      ...directed(
        layout,
        'hot',
        {
          name: 'payloadEntropy',
          description: `Shannon entropy of the first captured payload, of its first ${ENTROPY_BYTES} bytes at most`,
          type: 'number',
          unit: 'bit/B',
        },
        (batch, base) => {
          const state = batch.words[base + stateAt];
          return (state & SEEN) === 0 ? undefined : rounded((state >>> 16) / ENTROPY_SCALE);
        },
      ),
    );
  }
  if (firstBytes >= 0) {
    fields.push(
      ...directed(
        layout,
        'hot',
        {
          name: 'payloadStart',
          description: `First bytes of the first captured payload, up to ${FIRST_BYTES}, in hexadecimal`,
          type: 'string',
        },
        (batch, base) => {
          const count = (batch.words[base + stateAt] >>> 1) & 31;
          if (count === 0) return undefined;
          const first = base + layout.hot.words + firstBytes;
          let text = '';
          for (let k = 0; k < count; k++) {
            const byte = (batch.words[first + (k >> 2)] >>> ((k & 3) << 3)) & 255;
            text += byte.toString(16).padStart(2, '0');
          }
          return text;
        },
      ),
    );
  }
  return { pass: new PayloadPass(stateAt, firstBytes, selected.has('entropy')), fields };
}
