import { type DataType, VARIABLE_LENGTH } from '../../codec/ipfix/data-type.js';
import { ELEMENTS } from '../../model/elements.js';
import { reverseName } from '../../model/elements-lookup.js';
import { OWN_ELEMENT_OF, OWN_ELEMENTS } from '../../model/elements-own.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { reverseOf } from './core-members.js';
import { ENRICHMENT_FIELDS } from './enrichment-fields.js';
import type { Member, Variant, WireField, Write } from './variant.js';

const WORD = 0x1_0000_0000;
/** Semantic of a list whose order means something (RFC 6313 §4.4.5). */
const ORDERED = 4;

/** Fields whose values need fewer bytes than their type has (RFC 7011 §6.2). */
const REDUCED: Readonly<Record<string, number>> = {
  minimumIpTotalLength: 4,
  maximumIpTotalLength: 4,
  transportPacketDeltaCount: 4,
  tcpSynTotalCount: 4,
  tcpFinTotalCount: 4,
  tcpRstTotalCount: 4,
};

/** Elements whose members are in µs, with decimals, and that are themselves in ns. */
const NANOS_PER_UNIT = 1000;

const LENGTHS: Partial<Record<DataType, number>> = {
  unsigned8: 1,
  unsigned16: 2,
  unsigned32: 4,
  unsigned64: 8,
  float32: 4,
  float64: 8,
  boolean: 1,
  macAddress: 6,
  unsigned256: 32,
};

/** A value as whole number of 0…`most`; 0 where there is none. */
function whole(value: unknown, factor: number, most: number): number {
  if (typeof value !== 'number') return 0;
  const number = factor === 1 ? value : value * factor;
  if (!(number > 0)) return 0;
  return number >= most ? most : Math.round(number);
}

/** The lower half by subtraction: a remainder of doubles takes many times as long. */
function writeWide(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  view.setUint32(at, high);
  view.setUint32(at + 4, value - high * WORD);
}

function unsignedWriter(length: number, factor: number, from: Source): Write {
  switch (length) {
    case 1:
      return (view, at, batch, index) => {
        view.setUint8(at, whole(from.read(batch, index), factor, 0xff));
        return at + 1;
      };
    case 2:
      return (view, at, batch, index) => {
        view.setUint16(at, whole(from.read(batch, index), factor, 0xffff));
        return at + 2;
      };
    case 4:
      return (view, at, batch, index) => {
        view.setUint32(at, whole(from.read(batch, index), factor, 0xffffffff));
        return at + 4;
      };
    default:
      return (view, at, batch, index) => {
        writeWide(view, at, whole(from.read(batch, index), factor, Number.MAX_SAFE_INTEGER));
        return at + 8;
      };
  }
}

/** `aa:bb:cc:dd:ee:ff`; zeros where it is not known. */
function writeMac(view: DataView, at: number, value: unknown): number {
  for (let k = 0; k < 6; k++) {
    view.setUint8(at + k, typeof value === 'string' ? Number.parseInt(value.slice(k * 3, k * 3 + 2), 16) : 0);
  }
  return at + 6;
}

const encoder = new TextEncoder();

function writeText(view: DataView, at: number, value: unknown): number {
  let length = 0;
  if (typeof value === 'string') {
    length = encoder.encodeInto(value, new Uint8Array(view.buffer, view.byteOffset + at + 1, 254)).written;
  }
  view.setUint8(at, length);
  return at + 1 + length;
}

function writeHex(view: DataView, at: number, value: unknown): number {
  const text = typeof value === 'string' ? value : '';
  const length = Math.min(254, text.length >>> 1);
  view.setUint8(at, length);
  for (let k = 0; k < length; k++) view.setUint8(at + 1 + k, Number.parseInt(text.slice(k * 2, k * 2 + 2), 16));
  return at + 1 + length;
}

/** A basicList (RFC 6313 §4.5.1) of whole numbers, with its length in one byte or in three. */
function writeList(
  view: DataView,
  at: number,
  values: readonly number[],
  pen: number,
  id: number,
  length: number,
): number {
  const size = (pen === 0 ? 5 : 9) + values.length * length;
  let next = at;
  if (size < 255) view.setUint8(next++, size);
  else {
    view.setUint8(next, 255);
    view.setUint16(next + 1, size);
    next += 3;
  }
  view.setUint8(next, ORDERED);
  view.setUint16(next + 1, pen === 0 ? id : id | 0x8000);
  view.setUint16(next + 3, length);
  next += 5;
  if (pen !== 0) {
    view.setUint32(next, pen);
    next += 4;
  }
  for (let k = 0; k < values.length; k++, next += length) {
    if (length === 1) view.setUint8(next, values[k]);
    else if (length === 2) view.setUint16(next, values[k]);
    else if (length === 4) view.setUint32(next, values[k]);
    else writeWide(view, next, values[k]);
  }
  return next;
}

const NONE: readonly number[] = [];
const OPTION_KINDS: Readonly<Record<string, number>> = {
  eol: 0,
  nop: 1,
  mss: 2,
  wscale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
  md5: 19,
  timeout: 28,
  ao: 29,
  mptcp: 30,
  fastopen: 34,
  eno: 69,
  exp1: 253,
  exp2: 254,
};

/** Names or numbers of TCP options as bits, bit 0 is the lowest (RFC 9740 §4.1). */
function writeOptionBits(view: DataView, at: number, value: unknown): number {
  for (let k = 0; k < 32; k += 4) view.setUint32(at + k, 0);
  if (Array.isArray(value)) {
    for (const option of value) {
      const kind = OPTION_KINDS[String(option)] ?? Number(option);
      if (!(kind >= 0 && kind < 256)) continue;
      const byte = at + 31 - (kind >>> 3);
      view.setUint8(byte, view.getUint8(byte) | (1 << (kind & 7)));
    }
  }
  return at + 32;
}

/** Where the values of a field come from: the member of the side that is being written. */
type Source = Pick<RecordField, 'read'>;

/** The writer of a value of a data type; undefined for types that no feature has. */
function writer(element: string, type: DataType, length: number, enterprise: number, from: Source): Write | undefined {
  switch (type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
      return unsignedWriter(length, OWN_ELEMENTS.get(element)?.unit === 'nanoseconds' ? NANOS_PER_UNIT : 1, from);
    case 'float32':
    case 'float64':
      return (view, at, batch, index) => {
        const value = from.read(batch, index);
        const number = typeof value === 'number' ? value : 0;
        if (length === 4) view.setFloat32(at, number);
        else view.setFloat64(at, number);
        return at + length;
      };
    case 'macAddress':
      return (view, at, batch, index) => writeMac(view, at, from.read(batch, index));
    case 'string':
      return (view, at, batch, index) => writeText(view, at, from.read(batch, index));
    case 'octetArray':
      return (view, at, batch, index) => writeHex(view, at, from.read(batch, index));
    case 'unsigned256':
      return (view, at, batch, index) => writeOptionBits(view, at, from.read(batch, index));
    case 'basicList': {
      // slotOctetsList holds slotOctets, and so on.
      const item = OWN_ELEMENTS.get(element.slice(0, -'List'.length));
      if (item === undefined) return undefined;
      const size = LENGTHS[item.type]!;
      return (view, at, batch, index) => {
        const value = from.read(batch, index);
        return writeList(view, at, Array.isArray(value) ? value : NONE, enterprise, item.id, size);
      };
    }
    default:
      return undefined;
  }
}

/** Fields that are not simply a value of an element's type. */
interface Special {
  readonly elements: readonly string[];
  fields(from: Source, variant: Variant, enterprise: number): readonly WireField[];
}

/** Top label in the three bytes of mplsTopLabelStackSection: label, traffic class and bottom bit (which are not kept). */
const MPLS: Special = {
  elements: ['mplsTopLabelStackSection'],
  fields: (from) => [
    {
      pen: 0,
      id: 70,
      length: 3,
      write(view, at, batch, index) {
        const label = Number(from.read(batch, index) ?? 0);
        view.setUint16(at, label >>> 4);
        view.setUint8(at + 2, (label & 15) << 4);
        return at + 3;
      },
    },
  ],
};

/** VLAN ids of the record that is being added; found once, as the template depends on their number. */
const current: { ids: readonly number[] } = { ids: NONE };

/** Reads the VLAN ids of a record for the fields of `vlan`, and returns how many there are. */
export function readVlans(field: RecordField, batch: RecordBatch, index: number): number {
  const value = field.read(batch, index);
  current.ids = Array.isArray(value) ? value : NONE;
  return current.ids.length;
}

function vlanField(id: number, position: number): WireField {
  return {
    pen: 0,
    id,
    length: 2,
    write(view, at) {
      view.setUint16(at, current.ids[position]);
      return at + 2;
    },
  };
}

const SPECIALS: Readonly<Record<string, Special>> = {
  ...Object.fromEntries(
    Object.entries(ENRICHMENT_FIELDS).map(([name, { elements, fields }]) => [
      name,
      { elements, fields: (_from: Source, variant: Variant) => fields(variant) },
    ]),
  ),
  mpls: MPLS,
  mplsLabel: MPLS,
  vlan: {
    elements: ['vlanId', 'dot1qVlanId', 'dot1qCustomerVlanId'],
    fields(_from, { vlans }) {
      if (vlans === 0) return [];
      // Older collectors know 58 only. More than two are a list, besides.
      const fields = [vlanField(58, 0), vlanField(243, 0)];
      if (vlans > 1) fields.push(vlanField(245, 1));
      if (vlans > 2) {
        fields.push({
          pen: 0,
          id: 291,
          length: VARIABLE_LENGTH,
          write: (view, at) => writeList(view, at, current.ids, 0, 243, 2),
        });
      }
      return fields;
    },
  },
  tunnel: {
    elements: ['tunnelType', 'tunnelId'],
    fields(from, _variant, enterprise) {
      const part = (name: 'type' | 'id'): Source => ({
        read: (batch, index) => (from.read(batch, index) as { type: string; id?: number } | undefined)?.[name],
      });
      const id = OWN_ELEMENTS.get('tunnelId')!;
      const type = OWN_ELEMENTS.get('tunnelType')!;
      return [
        {
          pen: enterprise,
          id: type.id,
          length: VARIABLE_LENGTH,
          write: writer(type.name, 'string', VARIABLE_LENGTH, enterprise, part('type'))!,
        },
        {
          pen: enterprise,
          id: id.id,
          length: 4,
          write: writer(id.name, 'unsigned32', 4, enterprise, part('id'))!,
        },
      ];
    },
  },
};

/** Members of the two ends that are not called reverse…: they change places in the record of the other direction. */
const SWAPPED: Readonly<Record<string, string>> = {
  srcMac: 'dstMac',
  dstMac: 'srcMac',
  srcCountry: 'dstCountry',
  dstCountry: 'srcCountry',
  srcCity: 'dstCity',
  dstCity: 'srcCity',
  srcOrganization: 'dstOrganization',
  dstOrganization: 'srcOrganization',
};

/**
 * Members that features and key parts give, by the information elements that they name, and by our own where they name none.
 * Values that a record does not have go out as zero or empty.
 * @param keys names of those that are part of the flow key
 */
export function featureMembers(
  fields: readonly RecordField[],
  keys: ReadonlySet<string>,
  enterprise: number,
  interfaceNumber: (index: number) => number,
): readonly Member[] {
  const byName = new Map(fields.map((field) => [field.name, field]));
  const twins = new Set(fields.map((field) => reverseName(field.name)).filter((name) => byName.has(name)));
  const members: Member[] = [];
  for (const field of fields) {
    if (twins.has(field.name)) continue;
    const twin = byName.get(SWAPPED[field.name] ?? reverseName(field.name));
    const reversible = byName.has(reverseName(field.name));
    const numbered = field.name === 'interface' || field.name === 'interfaceIndex';
    /** The member of the initiator or the responder, whichever is the source of what is being written. */
    const sourceOf = (side: 0 | 1, turned: boolean): Source => {
      const from = twin === undefined || (side === 1) === turned ? field : twin;
      if (!numbered) return from;
      return {
        read(batch, index) {
          const value = from.read(batch, index);
          return value === undefined ? undefined : interfaceNumber(Number(value));
        },
      };
    };
    const key = keys.has(field.name);
    const special = SPECIALS[field.name];
    const element = OWN_ELEMENT_OF[field.name] ?? field.element?.name ?? '';
    const info = OWN_ELEMENTS.get(element) ?? byNumber(field);
    if (special === undefined && info === undefined) continue;
    const isOwn = OWN_ELEMENTS.has(element);
    const make = (variant: Variant, side: 0 | 1): readonly WireField[] => {
      if (special !== undefined) return special.fields(sourceOf(side, variant.turned), variant, enterprise);
      const length = REDUCED[element] ?? LENGTHS[info!.type] ?? VARIABLE_LENGTH;
      const write = writer(element, info!.type, length, enterprise, sourceOf(side, variant.turned));
      return write === undefined ? [] : [{ pen: isOwn ? enterprise : 0, id: info!.id, length, write }];
    };
    const elements = special?.elements ?? [element];
    const own = elements.filter((name) => OWN_ELEMENTS.has(name));
    for (const name of own) if (name.endsWith('List')) own.push(name.slice(0, -'List'.length));
    members.push({
      name: field.name === 'interfaceIndex' ? 'interface' : field.name,
      elements,
      own,
      fields(variant, side) {
        if (side === 1 && !reversible) return [];
        return make(variant, side).map((wire) => ({
          ...wire,
          ...(side === 1 && reverseOf(wire.pen, wire.id)),
          ...(key && { key }),
        }));
      },
    });
  }
  return members;
}

/** IANA's element that the field names by its number. */
function byNumber(field: RecordField): { id: number; type: DataType } | undefined {
  const id = Number(field.element?.id);
  return Number.isInteger(id) ? ELEMENTS.get(id) : undefined;
}
