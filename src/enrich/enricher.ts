import { Family } from '../codec/bgp.js';
import { addressText } from '../model/address.js';
import { ASIDE_END, ASIDE_WORDS, Aside, HOP_SHIFT, Hop } from '../model/aside.js';
import type { RecordField } from '../model/hook.js';
import type { RecordBatch } from '../model/record-batch.js';
import { Row, State } from '../model/row.js';
import type { AsChoice } from './as-choice.js';
import type { Place, Places } from './places.js';
import { emptyAnswer, type RouteTable } from './route-table.js';

/** Addresses that are remembered, direct-mapped. */
const CACHE_SLOTS = 1 << 14;
const KEY_WORDS = 8;
const SLOT_WORDS = KEY_WORDS + ASIDE_END;

/**
 * Adds to records what routes and MMDB files say of their addresses, a batch at a time, into `RecordBatch.aside`. Of several
 * tables the first counts that has a route for the address; the AS of an MMDB file counts where no route is known. What was found
 * for an address is remembered until a route changes.
 */
export class Enricher {
  /** Records seen, and endpoints for which a route, a place was found. */
  readonly counters: { records: number; routed: number; placed: number } = { records: 0, routed: 0, placed: 0 };
  /** Members that records then have. */
  readonly fields: readonly RecordField[];
  private readonly tables: readonly RouteTable[];
  private readonly places: Places | undefined;
  private readonly choice: AsChoice;
  private readonly answer = emptyAnswer();
  /** Answers by address: epoch, version and four words of the address, and the words of an endpoint. */
  private readonly slots = new Int32Array(CACHE_SLOTS * SLOT_WORDS);
  /** Goes up when a route has changed: what was remembered before does not count any more. 0 is in no slot that is used. */
  private epoch = 1;
  /** Changes of the tables that the epoch stands for. */
  private changes = 0;
  /** Endpoints of the batch at hand. */
  private routed = 0;
  private placed = 0;

  constructor(tables: readonly RouteTable[], places: Places | undefined, choice: AsChoice = 'origin') {
    this.tables = tables;
    this.places = places;
    this.choice = choice;
    this.fields = [
      ...(tables.length + (places === undefined ? 0 : 1) === 0 ? [] : AS_FIELDS),
      ...(tables.length === 0 ? [] : ROUTE_FIELDS),
      ...(places === undefined ? [] : placeFields(places)),
    ];
  }

  /** Fills `aside` for all records of the batch, and counts them. */
  enrich(batch: RecordBatch): void {
    this.routed = 0;
    this.placed = 0;
    this.fill(batch);
    this.counters.records += batch.count;
    this.counters.routed += this.routed;
    this.counters.placed += this.placed;
  }

  /** The same for flows that somebody only looks at, which do not count. */
  fill(batch: RecordBatch): void {
    const { words, layout, count } = batch;
    const wanted = count * ASIDE_WORDS;
    let { aside } = batch;
    if (aside === undefined || aside.length < wanted) {
      // A batch that comes again gets room for as many records as it can have.
      aside = new Int32Array(aside === undefined ? wanted : batch.capacity * ASIDE_WORDS);
      batch.aside = aside;
    } else aside.fill(0, 0, wanted);
    this.forget();
    for (let index = 0, at = 0, to = 0; index < count; index++, at += layout.stride, to += ASIDE_WORDS) {
      const version = (words[at + Row.meta] >>> 8) & 0xff;
      this.end(words, at + Row.a, version, aside, to);
      this.end(words, at + Row.b, version, aside, to + ASIDE_END);
    }
  }

  /** What is remembered counts as long as no route and no file has changed. */
  private forget(): void {
    let changes = this.places?.changes ?? 0;
    for (let t = 0; t < this.tables.length; t++) changes += this.tables[t].changes;
    if (changes === this.changes) return;
    this.changes = changes;
    this.epoch++;
  }

  /** Fills in the words of an endpoint, as they are remembered or as they are found now. */
  private end(words: Int32Array, from: number, version: number, aside: Int32Array, to: number): void {
    const { slots, epoch } = this;
    const six = version === 6;
    const w0 = words[from];
    const w1 = six ? words[from + 1] : 0;
    const w2 = six ? words[from + 2] : 0;
    const w3 = six ? words[from + 3] : 0;
    let hash = Math.imul(w0 ^ version, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ Math.imul(w2, 0x27d4eb2f) ^ Math.imul(w3, 0x165667b1);
    const slot = ((hash ^ (hash >>> 16)) & (CACHE_SLOTS - 1)) * SLOT_WORDS;
    if (
      slots[slot] === epoch &&
      slots[slot + 1] === version &&
      slots[slot + 2] === w0 &&
      slots[slot + 3] === w1 &&
      slots[slot + 4] === w2 &&
      slots[slot + 5] === w3
    ) {
      for (let w = 0; w < ASIDE_END; w++) aside[to + w] = slots[slot + KEY_WORDS + w];
    } else {
      this.look(words, from, version, aside, to);
      slots[slot] = epoch;
      slots[slot + 1] = version;
      slots[slot + 2] = w0;
      slots[slot + 3] = w1;
      slots[slot + 4] = w2;
      slots[slot + 5] = w3;
      for (let w = 0; w < ASIDE_END; w++) slots[slot + KEY_WORDS + w] = aside[to + w];
    }
    if (aside[to + Aside.prefix] !== 0) this.routed++;
    if (aside[to + Aside.place] !== 0) this.placed++;
  }

  private look(words: Int32Array, from: number, version: number, aside: Int32Array, to: number): void {
    const { tables, places, answer } = this;
    const family = version === 6 ? Family.ipv6 : Family.ipv4;
    let as = 0;
    let found = false;
    for (let t = 0; t < tables.length; t++) {
      found = tables[t].find(family, words, from, answer);
      if (!found) continue;
      as = this.asOf();
      const { nextHop } = answer;
      const known = (nextHop[0] | nextHop[1] | nextHop[2] | nextHop[3]) !== 0;
      const hop = !known ? Hop.none : answer.nextHop6 ? Hop.ipv6 : Hop.ipv4;
      aside[to + Aside.prefix] = (answer.prefixLength + 1) | (hop << HOP_SHIFT);
      aside[to + Aside.adjacentAs] = answer.adjacentAs;
      if (known) for (let w = 0; w < 4; w++) aside[to + Aside.nextHop + w] = nextHop[w];
      break;
    }
    if (places !== undefined) {
      const place = places.find(words, from, version);
      if (place !== 0) {
        aside[to + Aside.place] = place;
        if (!found) as = places.at(place).as ?? 0;
      }
    }
    aside[to + Aside.as] = as;
  }

  private asOf(): number {
    if (this.choice === 'origin') return this.answer.originAs;
    return this.choice === 'previous' ? this.answer.previousAs : this.answer.adjacentAs;
  }
}

/** First word in `aside` of the initiator, or of the responder. */
function endOf(batch: RecordBatch, index: number, responder: boolean): number {
  const initiatorB = (batch.words[index * batch.layout.stride + Row.state] & State.initiatorB) !== 0;
  return index * ASIDE_WORDS + (initiatorB === responder ? 0 : ASIDE_END);
}

/** An AS number; absent where it is not known. */
function asField(name: string, id: number, element: string, description: string, word: number, responder: boolean) {
  return {
    name,
    element: { name: element, id: String(id) },
    description,
    type: 'number',
    read(batch: RecordBatch, index: number): number | undefined {
      const { aside } = batch;
      return aside === undefined ? undefined : aside[endOf(batch, index, responder) + word] >>> 0 || undefined;
    },
  } as const satisfies RecordField;
}

function prefixField(name: string, element: string, ids: string, description: string, responder: boolean): RecordField {
  return {
    name,
    element: { name: element, id: ids },
    description,
    type: 'number',
    read(batch, index) {
      const length = (batch.aside?.[endOf(batch, index, responder) + Aside.prefix] ?? 0) & 0xff;
      return length === 0 ? undefined : length - 1;
    },
  };
}

function hopField(name: string, description: string, responder: boolean): RecordField {
  return {
    name,
    element: { name: 'bgpNextHopIPv4Address/bgpNextHopIPv6Address', id: '18/63' },
    description,
    type: 'string',
    read(batch, index) {
      const { aside } = batch;
      if (aside === undefined) return undefined;
      const at = endOf(batch, index, responder);
      const hop = (aside[at + Aside.prefix] >>> HOP_SHIFT) & 0xff;
      return hop === Hop.none ? undefined : addressText(aside, at + Aside.nextHop, hop === Hop.ipv6 ? 6 : 4);
    },
  };
}

const AS_FIELDS: readonly RecordField[] = [
  asField('srcAs', 16, 'bgpSourceAsNumber', 'AS number of the initiator', Aside.as, false),
  asField('dstAs', 17, 'bgpDestinationAsNumber', 'AS number of the responder', Aside.as, true),
];

const ROUTE_FIELDS: readonly RecordField[] = [
  prefixField(
    'srcPrefixLength',
    'sourceIPv4PrefixLength/sourceIPv6PrefixLength',
    '9/29',
    'Bits of the prefix that the initiator is routed by',
    false,
  ),
  prefixField(
    'dstPrefixLength',
    'destinationIPv4PrefixLength/destinationIPv6PrefixLength',
    '13/30',
    'Bits of the prefix that the responder is routed by',
    true,
  ),
  hopField('nextHop', 'Next hop of the route to the responder', true),
  asField(
    'bgpNextAdjacentAs',
    128,
    'bgpNextAdjacentAsNumber',
    'First AS on the way to the responder',
    Aside.adjacentAs,
    true,
  ),
  asField(
    'bgpPrevAdjacentAs',
    129,
    'bgpPrevAdjacentAsNumber',
    'Last AS on the way from the initiator, taken to be the first on the way to it',
    Aside.adjacentAs,
    false,
  ),
];

function placeFields(places: Places): readonly RecordField[] {
  const field = (
    name: string,
    responder: boolean,
    member: Exclude<keyof Place, 'as'>,
    description: string,
  ): RecordField => ({
    name,
    description,
    type: 'string',
    read(batch, index) {
      const place = batch.aside?.[endOf(batch, index, responder) + Aside.place] ?? 0;
      return place === 0 ? undefined : places.at(place)[member];
    },
  });
  return [
    field('srcCountry', false, 'country', 'Country of the initiator, ISO 3166-1'),
    field('dstCountry', true, 'country', 'Country of the responder, ISO 3166-1'),
    field('srcCity', false, 'city', 'City of the initiator'),
    field('dstCity', true, 'city', 'City of the responder'),
    field('srcOrganization', false, 'organization', 'Organisation that holds the AS of the initiator'),
    field('dstOrganization', true, 'organization', 'Organisation that holds the AS of the responder'),
  ];
}
