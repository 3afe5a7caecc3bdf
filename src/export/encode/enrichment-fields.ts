import { ASIDE_END, ASIDE_WORDS, Aside, HOP_SHIFT, Hop } from '../../model/aside.js';
import type { RecordBatch } from '../../model/record-batch.js';
import type { Variant, WireField } from './variant.js';

/** A field that enrichment gives: the information elements and how they are written, straight from the words beside the record. */
interface EnrichmentField {
  readonly elements: readonly string[];
  fields(variant: Variant): readonly WireField[];
}

/** First word beside the record of an endpoint: 0 that of the source of what is being written, 1 the other. -1: nothing is known. */
function endOf(batch: RecordBatch, index: number, source: number, responder: 0 | 1): number {
  if (batch.aside === undefined) return -1;
  return index * ASIDE_WORDS + ((source ^ responder) === 0 ? 0 : ASIDE_END);
}

/** An AS number; 0 where it is not known. */
function asNumber(element: string, id: number, word: number, responder: 0 | 1): EnrichmentField {
  const field: WireField = {
    pen: 0,
    id,
    length: 4,
    write(view, at, batch, index, _base, source) {
      const end = endOf(batch, index, source, responder);
      view.setInt32(at, end < 0 ? 0 : batch.aside![end + word]);
      return at + 4;
    },
  };
  return { elements: [element], fields: () => [field] };
}

function prefixLength(
  elements: readonly [string, string],
  ids: readonly [number, number],
  responder: 0 | 1,
): EnrichmentField {
  const field = (id: number): WireField => ({
    pen: 0,
    id,
    length: 1,
    write(view, at, batch, index, _base, source) {
      view.setUint8(at, prefixBits(batch, index, source, responder));
      return at + 1;
    },
  });
  const fields = ids.map((id) => [field(id)]);
  return { elements, fields: ({ ipv6 }) => fields[ipv6 ? 1 : 0] };
}

/**
 * The next hop on the way to the destination, as BGP's and, for collectors that look there only, as IP's. An IPv4 flow whose next
 * hop is an IPv6 address has none that the element could hold.
 */
function nextHops(): EnrichmentField {
  const four = (id: number): WireField => ({
    pen: 0,
    id,
    length: 4,
    write(view, at, batch, index, _base, source) {
      view.setInt32(at, nextHop4(batch, index, source));
      return at + 4;
    },
  });
  const six = (id: number): WireField => ({
    pen: 0,
    id,
    length: 16,
    write(view, at, batch, index, _base, source) {
      const end = endOf(batch, index, source, 1);
      const known = end >= 0 && batch.aside![end + Aside.prefix] >>> HOP_SHIFT === Hop.ipv6;
      for (let w = 0; w < 4; w++) view.setInt32(at + 4 * w, known ? batch.aside![end + Aside.nextHop + w] : 0);
      return at + 16;
    },
  });
  const fields4 = [four(18), four(15)];
  const fields6 = [six(63), six(62)];
  return {
    elements: ['bgpNextHopIPv4Address', 'bgpNextHopIPv6Address', 'ipNextHopIPv4Address', 'ipNextHopIPv6Address'],
    fields: ({ ipv6 }) => (ipv6 ? fields6 : fields4),
  };
}

/** AS number of the source (0) or the destination (1) of what is being written; 0 where it is not known. */
export function asOf(batch: RecordBatch, index: number, source: number, responder: 0 | 1): number {
  const end = endOf(batch, index, source, responder);
  return end < 0 ? 0 : batch.aside![end + Aside.as] >>> 0;
}

/** Bits of its prefix; 0 where no route is known, and for the default route. */
export function prefixBits(batch: RecordBatch, index: number, source: number, responder: 0 | 1): number {
  const end = endOf(batch, index, source, responder);
  const length = end < 0 ? 0 : batch.aside![end + Aside.prefix] & 0xff;
  return length === 0 ? 0 : length - 1;
}

/** The IPv4 next hop on the way to the destination; 0 where there is none. */
export function nextHop4(batch: RecordBatch, index: number, source: number): number {
  const end = endOf(batch, index, source, 1);
  if (end < 0 || batch.aside![end + Aside.prefix] >>> HOP_SHIFT !== Hop.ipv4) return 0;
  return batch.aside![end + Aside.nextHop];
}

/** By the names of the members that the enricher gives. */
export const ENRICHMENT_FIELDS: Readonly<Record<string, EnrichmentField>> = {
  srcAs: asNumber('bgpSourceAsNumber', 16, Aside.as, 0),
  dstAs: asNumber('bgpDestinationAsNumber', 17, Aside.as, 1),
  srcPrefixLength: prefixLength(['sourceIPv4PrefixLength', 'sourceIPv6PrefixLength'], [9, 29], 0),
  dstPrefixLength: prefixLength(['destinationIPv4PrefixLength', 'destinationIPv6PrefixLength'], [13, 30], 1),
  nextHop: nextHops(),
  bgpNextAdjacentAs: asNumber('bgpNextAdjacentAsNumber', 128, Aside.adjacentAs, 1),
  bgpPrevAdjacentAs: asNumber('bgpPrevAdjacentAsNumber', 129, Aside.adjacentAs, 0),
};
