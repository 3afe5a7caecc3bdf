import { REVERSE_PEN, VENDOR_REVERSE_BIT } from '../../codec/ipfix/data-type.js';
import { communityDigest } from '../../model/community-id.js';
import { icmpType, partsWords } from '../../model/core-fields.js';
import { ELEMENTS } from '../../model/elements.js';
import { OWN_ELEMENTS } from '../../model/elements-own.js';
import { flowId } from '../../model/flow-id.js';
import { REASON_SHIFT, Row, State } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { icmpReplyType, Protocol } from '../../packet/transport.js';
import type { TimeUnit } from './options.js';
import { Copy, copiedField, type WordCopy } from './plan.js';
import { TIME_ELEMENTS } from './times.js';
import { initiatorOf, KIND, type Member, type Variant, type WireField, type Write } from './variant.js';

/** What the members of the core depend on. */
export interface CoreFormat {
  /** Absent: times since boot (v9), `boot()` says when that was. */
  readonly time: TimeUnit | undefined;
  /** Boot in ms since 1970, as the message under construction has it. */
  readonly boot: () => number;
  readonly enterprise: number;
  readonly communityIdSeed: number;
  readonly interfaceNumber: (index: number) => number;
}

/** `length` other than the type's own is reduced-size encoding (RFC 7011 §6.2). */
function iana(id: number, length: number, write: Write, side: 0 | 1 = 0, key = false): WireField {
  return { pen: side === 0 ? 0 : REVERSE_PEN, id, length, write, ...(key && { key }) };
}

function plain(name: string, elements: readonly number[], fields: (variant: Variant) => readonly WireField[]): Member {
  return {
    name,
    elements: elements.map((id) => ELEMENTS.get(id)!.name),
    fields: (variant, side) => (side === 0 ? fields(variant) : []),
  };
}

function counter(name: string, id: number, a: number, b: number): Member {
  return {
    name,
    elements: [ELEMENTS.get(id)!.name],
    fields: (_variant, side) => [
      copiedField(side === 0 ? 0 : REVERSE_PEN, id, 8, endpoints(Copy.counter, side === 0 ? a : b, side === 0 ? b : a)),
    ],
  };
}

/** Copies word `a` if the source is A, `b` if it is B. */
function endpoints(way: Copy, a: number, b = a): [WordCopy, WordCopy] {
  return [
    { way, word: a },
    { way, word: b },
  ];
}

function address(name: string, ids: readonly [number, number], responder: 0 | 1): Member {
  const [a, b] = responder === 0 ? [Row.a, Row.b] : [Row.b, Row.a];
  return plain(name, ids, ({ ipv6 }) => [
    ipv6
      ? copiedField(0, ids[1], 16, endpoints(Copy.ipv6, a, b), true)
      : copiedField(0, ids[0], 4, endpoints(Copy.word, a, b), true),
  ]);
}

function port(name: string, id: number, responder: 0 | 1): Member {
  const ofA = { way: Copy.high, word: Row.ports };
  const ofB = { way: Copy.low, word: Row.ports };
  return plain(name, [id], ({ kind }) =>
    kind === KIND.ports ? [copiedField(0, id, 2, responder === 0 ? [ofA, ofB] : [ofB, ofA], true)] : [],
  );
}

/** TCP flags of the source, or (`side` 1) of the other endpoint. */
function tcpFlags({ tcp, wideFlags }: Variant, side: 0 | 1): WireField {
  const pen = side === 0 ? 0 : REVERSE_PEN;
  if (!tcp) {
    return iana(
      6,
      1,
      (view, at) => {
        view.setUint8(at, 0);
        return at + 1;
      },
      side,
    );
  }
  const ofA = { way: wideFlags ? Copy.low : Copy.byte0, word: Row.tcpFlags };
  const ofB = { way: wideFlags ? Copy.high : Copy.byte2, word: Row.tcpFlags };
  return copiedField(pen, 6, wideFlags ? 2 : 1, side === 0 ? [ofA, ofB] : [ofB, ofA]);
}

/** ICMP type << 8 | code of the messages of that endpoint; messages that come in pairs have a type for each side. */
export function icmpTypeCode(words: Int32Array, base: number, source: number): number {
  const code = words[base + Row.ports] & 0xff;
  const request = (words[base + Row.ports] >>> 8) & 0xff;
  if (source === initiatorOf(words, base)) return (icmpType(words, base) << 8) | code;
  const answered = (words[base + Row.state] & State.icmpReply) !== 0;
  return ((answered ? request : icmpReplyType(request, (words[base + Row.meta] >>> 8) & 0xff)) << 8) | code;
}

/** TCP flags of that endpoint, 9 bits; 0 where the flow is not TCP. */
export function tcpFlagsOf(words: Int32Array, base: number, source: number): number {
  const meta = words[base + Row.meta];
  if ((meta & 0xff) !== Protocol.tcp || (meta & KeyKind.orphanFragments) !== 0) return 0;
  const flags = words[base + Row.tcpFlags];
  return (source === 0 ? flags : flags >>> 16) & 0x1ff;
}

/** Start and end. */
function times(format: CoreFormat): Member[] {
  const member = (
    name: string,
    sinceBoot: number,
    absolute: 'start' | 'end',
    secondsAt: number,
    nanosAt: number,
  ): Member => {
    if (format.time === undefined) {
      return plain(name, [sinceBoot], () => [
        iana(sinceBoot, 4, (view, at, batch, _index, base) => {
          const ms = batch.unsigned[base + secondsAt] * 1000 + Math.floor(batch.words[base + nanosAt] / 1_000_000);
          view.setUint32(at, Math.max(0, ms - format.boot()));
          return at + 4;
        }),
      ]);
    }
    const unit = TIME_ELEMENTS[format.time];
    if (format.time === 'ms') {
      return plain(name, [unit[absolute]], () => [
        copiedField(0, unit[absolute], unit.length, endpoints(Copy.milliseconds, secondsAt)),
      ]);
    }
    return plain(name, [unit[absolute]], () => [
      iana(unit[absolute], unit.length, (view, at, batch, _index, base) =>
        unit.write(view, at, batch.unsigned[base + secondsAt], batch.words[base + nanosAt]),
      ),
    ]);
  };
  return [
    member('start', 22, 'start', Row.startSeconds, Row.startNanos),
    member('end', 21, 'end', Row.lastSeconds, Row.lastNanos),
  ];
}

const ids = new Int32Array(2);

/** Our own elements of the core. */
function own(name: string, element: string, enterprise: number, length: number, write: Write): Member {
  const { id } = OWN_ELEMENTS.get(element)!;
  return {
    name,
    elements: [element],
    own: [element],
    fields: (_variant, side) => (side === 0 ? [{ pen: enterprise, id, length, write }] : []),
  };
}

const digest = new Int32Array(5);
const BASE64 = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', (c) =>
  c.charCodeAt(0),
);
/** `1:` and base64 of 20 bytes. */
const COMMUNITY_ID_BYTES = 30;

/** Writes the Community ID of `digest` with its length in front. */
function writeCommunityId(view: DataView, from: number): number {
  view.setUint8(from, COMMUNITY_ID_BYTES);
  view.setUint16(from + 1, 0x313a);
  let at = from + 3;
  // 18 bytes are 24 digits; the last two make three digits and the padding.
  let bits = 0;
  let held = 0;
  for (let word = 0; word < 5; word++) {
    for (let shift = 24; shift >= 0; shift -= 8) {
      bits = (bits << 8) | ((digest[word] >>> shift) & 0xff);
      held += 8;
      while (held >= 6) {
        held -= 6;
        view.setUint8(at++, BASE64[(bits >>> held) & 63]);
      }
      bits &= 0xffff;
    }
  }
  view.setUint8(at++, BASE64[(bits << 2) & 63]);
  view.setUint8(at++, 61);
  return at;
}

/**
 * The members of the core straight from the words of a record, in the order of the fields. Nothing in them allocates.
 */
export function coreMembers(format: CoreFormat): readonly Member[] {
  const { enterprise } = format;
  return [
    ...times(format),
    address('src', [8, 27], 0),
    address('dst', [12, 28], 1),
    port('srcPort', 7, 0),
    port('dstPort', 11, 1),
    plain('icmp', [32, 139], ({ kind, ipv6 }) =>
      kind !== KIND.icmp
        ? []
        : [
            iana(
              ipv6 ? 139 : 32,
              2,
              (view, at, batch, _index, base, source) => {
                view.setUint16(at, icmpTypeCode(batch.words, base, source));
                return at + 2;
              },
              0,
              true,
            ),
          ],
    ),
    plain('spi', [295], ({ kind }) =>
      kind !== KIND.spi ? [] : [copiedField(0, 295, 4, endpoints(Copy.word, Row.ports), true)],
    ),
    plain('proto', [4], ({ kind }) =>
      kind === KIND.anyProtocol ? [] : [copiedField(0, 4, 1, endpoints(Copy.byte0, Row.meta), true)],
    ),
    plain('ipVersion', [60], () => [copiedField(0, 60, 1, endpoints(Copy.byte1, Row.meta))]),
    counter('packets', 2, Row.packetsA, Row.packetsB),
    counter('bytes', 1, Row.octetsA, Row.octetsB),
    {
      name: 'tcpFlags',
      elements: ['tcpControlBits'],
      fields: (variant, side) => [tcpFlags(variant, side)],
    },
    plain('endReason', [136], () => [
      iana(136, 1, (view, at, batch, _index, base) => {
        view.setUint8(at, (batch.words[base + Row.state] >>> REASON_SHIFT) & 15);
        return at + 1;
      }),
    ]),
    plain('interface', [10], () => [
      iana(10, 4, (view, at, batch, _index, base) => {
        view.setUint32(at, format.interfaceNumber(batch.words[base + Row.iface]));
        return at + 4;
      }),
    ]),
    plain('id', [148], () => [
      iana(148, 8, (view, at, batch, _index, base) => {
        const { keyOffset, keyParts } = batch.layout;
        flowId(batch.words, base, base + keyOffset, keyParts.length === 0 ? 0 : partsWords(keyParts), ids);
        view.setInt32(at, ids[0]);
        view.setInt32(at + 4, ids[1]);
        return at + 8;
      }),
    ]),
    own('fragmented', 'flowFragmented', enterprise, 1, (view, at, batch, _index, base) => {
      // RFC 7011 §6.1.5: 1 is true, 2 is false.
      view.setUint8(at, (batch.words[base + Row.state] & State.fragmented) === 0 ? 2 : 1);
      return at + 1;
    }),
    own('icmpErrors', 'icmpErrorTotalCount', enterprise, 4, (view, at, batch, _index, base) => {
      view.setInt32(at, batch.words[base + Row.icmpErrors]);
      return at + 4;
    }),
    own('communityId', 'communityId', enterprise, 65535, (view, at, batch, _index, base) => {
      if (communityDigest(batch.words, base, format.communityIdSeed, digest)) return writeCommunityId(view, at);
      view.setUint8(at, 0);
      return at + 1;
    }),
    {
      name: 'biflowDirection',
      elements: ['biflowDirection'],
      fields: ({ reverse }, side) =>
        reverse && side === 0
          ? [
              iana(239, 1, (view, at) => {
                // RFC 5103 §6.3: 1, the source is the initiator.
                view.setUint8(at, 1);
                return at + 1;
              }),
            ]
          : [],
    },
  ];
}

/** Number of the reverse element. */
export function reverseOf(pen: number, id: number): { pen: number; id: number } {
  return pen === 0 ? { pen: REVERSE_PEN, id } : { pen, id: id | VENDOR_REVERSE_BIT };
}
