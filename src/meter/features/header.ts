import type { RecordField } from '../../model/hook.js';
import { Row } from '../../model/row.js';
import { type Batch, Mark } from '../../packet/batch.js';
import {
  directed,
  type FeatureContext,
  type FeatureGroup,
  type FeatureLayout,
  FeaturePass,
  type FieldText,
  octetsOf,
  type PassUpdate,
  packetsOf,
  rounded,
} from './group.js';

/**
 * The state word: ToS in bits 0–7, 255 − lowest TTL in 8–15, highest TTL in 16–23, then these bits.
 * Minima are kept as distance from the greatest value, so that a row of zeros is a right beginning.
 */
const SEEN = 1 << 24;
const HAS_MPLS = 1 << 25;
/** Two bits from here on: 1 the first frame came in, 2 it went out, 0 nobody knows. */
const DIRECTION_SHIFT = 26;
/** No IP packet is longer (jumbograms are refused). */
const LONGEST = 0x1ffff;
/** Counters of 32 bits stop there. */
const MOST_COUNT = 0xffffffff;

interface HeaderColumns {
  /** Hot words and doubles; -1: not wanted. */
  state: number;
  squares: number;
  /** LONGEST − least length, greatest length. */
  lengths: number;
  layer2: number;
  payloadBytes: number;
  payloadPackets: number;
  ttl: boolean;
  /** Cold words; -1: not wanted. */
  fragments: number;
  flowLabel: number;
  iface: number;
  mpls: number;
}

/** What the link and IP headers say, and how large packets are. */
class HeaderPass extends FeaturePass {
  readonly #at: HeaderColumns;

  constructor(at: HeaderColumns) {
    super();
    this.#at = at;
  }

  protected updater(batch: Batch): PassUpdate {
    const { words, unsigned, doubles } = this.side;
    const { octets, wire, ttl, marks, payloadLength } = batch;
    const { state: stateAt, squares, lengths, layer2, payloadPackets, payloadBytes, fragments } = this.#at;
    const hasTtl = this.#at.ttl;
    const hasLength = squares >= 0;
    const hasLayer2 = layer2 >= 0;
    const hasPayload = payloadBytes >= 0;
    const hasFragments = fragments >= 0;
    const { cold } = this;
    return (from, to, bases) => {
      for (let i = from; i < to; i++) {
        const base = bases[i];
        if (base < 0) continue;
        let state = words[base + stateAt];
        if ((state & SEEN) === 0) {
          state = this.#first(batch, i, base);
          words[base + stateAt] = state;
        }
        if (hasTtl) {
          const high = ttl[i];
          const low = 255 - high;
          if (low > ((state >>> 8) & 255) || high > ((state >>> 16) & 255)) {
            const lowest = Math.max(low, (state >>> 8) & 255);
            const highest = Math.max(high, (state >>> 16) & 255);
            words[base + stateAt] = (state & ~0xffff00) | (lowest << 8) | (highest << 16);
          }
        }
        // No branches on sizes: they cannot be foretold.
        const pair = base >> 1;
        if (hasLength) {
          const length = octets[i];
          doubles[pair + squares] += length * length;
          words[base + lengths] = Math.max(words[base + lengths], LONGEST - length);
          words[base + lengths + 1] = Math.max(words[base + lengths + 1], length);
        }
        if (hasLayer2) doubles[pair + layer2] += wire[i];
        if (hasPayload) {
          const length = payloadLength[i];
          doubles[pair + payloadBytes] += length;
          unsigned[base + payloadPackets] = Math.min(MOST_COUNT, unsigned[base + payloadPackets] + Math.min(1, length));
        }
        if (hasFragments && (marks[i] & (Mark.fragmentFirst | Mark.fragmentLater)) !== 0) {
          words[base + cold + fragments]++;
        }
      }
    };
  }

  /** Keeps what the first packet of a direction says; returns the state word. */
  #first(batch: Batch, i: number, base: number): number {
    const { words } = this.side;
    const { flowLabel, iface, mpls } = this.#at;
    const cold = base + this.cold;
    let state = SEEN | batch.tos[i];
    if (flowLabel >= 0) words[cold + flowLabel] = batch.flowLabel[i];
    if (iface >= 0) {
      words[cold + iface] = batch.iface[i];
      if (batch.hasFrameDirection) state |= (batch.frameDirection[i] & 3) << DIRECTION_SHIFT;
    }
    if (mpls >= 0 && batch.mplsDepth[i] > 0) {
      state |= HAS_MPLS;
      words[cold + mpls] = batch.mplsTop[i];
    }
    return state;
  }
}

/** Features of the link and IP headers and of packet sizes. */
export function createHeader(
  selected: ReadonlySet<string>,
  layout: FeatureLayout,
  context: FeatureContext,
): FeatureGroup {
  const { hot, cold } = layout;
  const at: HeaderColumns = {
    state: hot.word(),
    payloadPackets: selected.has('payload') ? hot.word() : -1,
    payloadBytes: selected.has('payload') ? hot.double() : -1,
    squares: selected.has('length') ? hot.double() : -1,
    lengths: selected.has('length') ? hot.word(2) : -1,
    layer2: selected.has('layer2') ? hot.double() : -1,
    ttl: selected.has('ttl'),
    fragments: selected.has('fragments') ? cold.word() : -1,
    flowLabel: selected.has('flowLabel') ? cold.word() : -1,
    iface: selected.has('interface') ? cold.word() : -1,
    mpls: selected.has('mpls') ? cold.word() : -1,
  };
  const fields: RecordField[] = [];
  type Read = Parameters<typeof directed>[3];
  const field = (text: FieldText, read: Read, feature: string = text.name): void => {
    if (selected.has(feature)) fields.push(...directed(layout, 'hot', text, read));
  };
  const coldField = (text: FieldText, read: Read, feature: string = text.name): void => {
    if (selected.has(feature)) fields.push(...directed(layout, 'cold', text, read));
  };

  field(
    {
      name: 'tos',
      description: 'ToS or Traffic Class byte of the first packet',
      type: 'number',
      element: { name: 'ipClassOfService', id: 5 },
    },
    (batch, base) => batch.words[base + at.state] & 255,
  );
  field(
    {
      name: 'ttlMin',
      description: 'Lowest TTL or hop limit',
      type: 'number',
      element: { name: 'minimumTTL', id: 52 },
    },
    (batch, base) => 255 - ((batch.words[base + at.state] >>> 8) & 255),
    'ttl',
  );
  field(
    {
      name: 'ttlMax',
      description: 'Highest TTL or hop limit',
      type: 'number',
      element: { name: 'maximumTTL', id: 53 },
    },
    (batch, base) => (batch.words[base + at.state] >>> 16) & 255,
    'ttl',
  );
  coldField(
    {
      name: 'flowLabel',
      description: 'IPv6 flow label of the first packet',
      type: 'number',
      element: { name: 'flowLabelIPv6', id: 31 },
    },
    (batch, base, index) => {
      const version = (batch.words[index * batch.layout.stride + Row.meta] >>> 8) & 255;
      return version === 6 ? batch.words[base + at.flowLabel] : undefined;
    },
  );
  field(
    {
      name: 'lengthMin',
      description: 'Length of the shortest IP packet',
      type: 'number',
      unit: 'B',
      element: { name: 'minimumIpTotalLength', id: 25 },
    },
    (batch, base) => LONGEST - batch.words[base + at.lengths],
    'length',
  );
  field(
    {
      name: 'lengthMax',
      description: 'Length of the longest IP packet',
      type: 'number',
      unit: 'B',
      element: { name: 'maximumIpTotalLength', id: 26 },
    },
    (batch, base) => batch.words[base + at.lengths + 1],
    'length',
  );
  field(
    { name: 'lengthMean', description: 'Mean length of the IP packets', type: 'number', unit: 'B' },
    (batch, _base, index, endpoint) => rounded(octetsOf(batch, index, endpoint) / packetsOf(batch, index, endpoint)),
    'length',
  );
  field(
    {
      name: 'lengthDeviation',
      description: 'Standard deviation (of the population) of the lengths of the IP packets',
      type: 'number',
      unit: 'B',
    },
    (batch, base, index, endpoint) => {
      const packets = packetsOf(batch, index, endpoint);
      const mean = octetsOf(batch, index, endpoint) / packets;
      const variance = batch.doubles[(base >> 1) + at.squares] / packets - mean * mean;
      return rounded(Math.sqrt(Math.max(0, variance)));
    },
    'length',
  );
  coldField(
    { name: 'fragments', description: 'Packets that were fragments; absent if none was', type: 'number' },
    (batch, base) => batch.unsigned[base + at.fragments] || undefined,
  );
  field(
    {
      name: 'layer2Bytes',
      description: 'Bytes of the frames on the wire, link-layer headers and padding included',
      type: 'number',
      unit: 'B',
      element: { name: 'layer2OctetDeltaCount', id: 352 },
    },
    (batch, base) => batch.doubles[(base >> 1) + at.layer2],
    'layer2',
  );
  field(
    {
      name: 'payloadPackets',
      description: 'Packets with at least one byte behind the transport header (later fragments are not counted)',
      type: 'number',
      element: { name: 'transportPacketDeltaCount', id: 402 },
    },
    (batch, base) => batch.unsigned[base + at.payloadPackets],
    'payload',
  );
  field(
    {
      name: 'payloadBytes',
      description: 'Bytes behind the transport headers (later fragments are not counted)',
      type: 'number',
      unit: 'B',
      element: { name: 'transportOctetDeltaCount', id: 401 },
    },
    (batch, base) => batch.doubles[(base >> 1) + at.payloadBytes],
    'payload',
  );
  coldField(
    {
      name: 'interface',
      description: 'Number of the interface that the first packet was seen on, from 0 in the order of the source',
      type: 'number',
      element: { name: 'ingressInterface', id: 10 },
    },
    (batch, base) => batch.words[base + at.iface],
  );
  coldField(
    {
      name: 'interfaceName',
      description: 'Its name; absent if it has none',
      type: 'string',
      element: { name: 'interfaceName', id: 82 },
    },
    (batch, base) => context.interfaces[batch.words[base + at.iface]]?.name || undefined,
    'interface',
  );
  field(
    {
      name: 'flowDirection',
      description: '0 if the first packet came in at that interface, 1 if it went out; absent if that is not known',
      type: 'number',
      element: { name: 'flowDirection', id: 61 },
    },
    (batch, base) => {
      const direction = (batch.words[base + at.state] >>> DIRECTION_SHIFT) & 3;
      return direction === 0 ? undefined : direction - 1;
    },
    'interface',
  );
  field(
    {
      name: 'mpls',
      description: 'Top label of the MPLS stack of the first packet',
      type: 'number',
      element: { name: 'mplsTopLabelStackSection', id: 70 },
    },
    (batch, base) => {
      const state = batch.words[base + at.state];
      return (state & HAS_MPLS) === 0 ? undefined : batch.words[base + layout.hot.words + at.mpls];
    },
    'mpls',
  );
  return { pass: new HeaderPass(at), fields };
}
