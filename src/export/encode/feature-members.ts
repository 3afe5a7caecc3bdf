import { type DataType, VARIABLE_LENGTH } from '../../codec/ipfix/data-type.js';
import { ELEMENTS } from '../../model/elements.js';
import { reverseName } from '../../model/elements-lookup.js';
import { OWN_ELEMENT_OF, OWN_ELEMENTS } from '../../model/elements-own.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { reverseOf } from './core-members.js';
import { ENRICHMENT_FIELDS } from './enrichment-fields.js';
import { initiatorOf, type Member, type Variant, type WireField, type Write } from './variant.js';

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

function writeUnsigned(view: DataView, at: number, length: number, value: number): number {
  switch (length) {
    case 1:
      view.setUint8(at, value);
      break;
    case 2:
      view.setUint16(at, value);
      break;
    case 4:
      view.setUint32(at, value);
      break;
    default:
      view.setUint32(at, Math.floor(value / WORD));
      view.setUint32(at + 4, value % WORD);
  }
  return at + length;
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
  for (let k = 0; k < values.length; k++) next = writeUnsigned(view, next, length, values[k]);
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

/** The value of the side that is being written. */
type Read = (batch: RecordBatch, index: number, base: number, source: number) => unknown;

/** The writer of a value of a data type; undefined for types that no feature has. */
function writer(element: string, type: DataType, length: number, enterprise: number, read: Read): Write | undefined {
  switch (type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64': {
      const most = length === 8 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * length) - 1;
      const factor = OWN_ELEMENTS.get(element)?.unit === 'nanoseconds' ? NANOS_PER_UNIT : 1;
      return (view, at, batch, index, base, source) => {
        const value = read(batch, index, base, source);
        const number = typeof value === 'number' ? Math.round(value * factor) : 0;
        return writeUnsigned(view, at, length, number < 0 ? 0 : number > most ? most : number);
      };
    }
    case 'float32':
    case 'float64':
      return (view, at, batch, index, base, source) => {
        const value = read(batch, index, base, source);
        const number = typeof value === 'number' ? value : 0;
        if (length === 4) view.setFloat32(at, number);
        else view.setFloat64(at, number);
        return at + length;
      };
    case 'macAddress':
      return (view, at, batch, index, base, source) => writeMac(view, at, read(batch, index, base, source));
    case 'string':
      return (view, at, batch, index, base, source) => writeText(view, at, read(batch, index, base, source));
    case 'octetArray':
      return (view, at, batch, index, base, source) => writeHex(view, at, read(batch, index, base, source));
    case 'unsigned256':
      return (view, at, batch, index, base, source) => writeOptionBits(view, at, read(batch, index, base, source));
    case 'basicList': {
      // slotOctetsList holds slotOctets, and so on.
      const item = OWN_ELEMENTS.get(element.slice(0, -'List'.length));
      if (item === undefined) return undefined;
      const size = LENGTHS[item.type]!;
      return (view, at, batch, index, base, source) => {
        const value = read(batch, index, base, source);
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
  fields(read: Read, variant: Variant, enterprise: number): readonly WireField[];
}

/** Top label in the three bytes of mplsTopLabelStackSection: label, traffic class and bottom bit (which are not kept). */
const MPLS: Special = {
  elements: ['mplsTopLabelStackSection'],
  fields: (read) => [
    {
      pen: 0,
      id: 70,
      length: 3,
      write(view, at, batch, index, base, source) {
        const label = Number(read(batch, index, base, source) ?? 0);
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
      { elements, fields: (_read: Read, variant: Variant) => fields(variant) },
    ]),
  ),
  mpls: MPLS,
  mplsLabel: MPLS,
  vlan: {
    elements: ['vlanId', 'dot1qVlanId', 'dot1qCustomerVlanId'],
    fields(_read, { vlans }) {
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
    fields(read, _variant, enterprise) {
      const part = (read: Read, name: 'type' | 'id'): Read => {
        return (batch, index, base, source) => {
          const value = read(batch, index, base, source) as { type: string; id?: number } | undefined;
          return value?.[name];
        };
      };
      const id = OWN_ELEMENTS.get('tunnelId')!;
      const type = OWN_ELEMENTS.get('tunnelType')!;
      return [
        {
          pen: enterprise,
          id: type.id,
          length: VARIABLE_LENGTH,
          write: writer(type.name, 'string', VARIABLE_LENGTH, enterprise, part(read, 'type'))!,
        },
        {
          pen: enterprise,
          id: id.id,
          length: 4,
          write: writer(id.name, 'unsigned32', 4, enterprise, part(read, 'id'))!,
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

/** Reads the member of the initiator or the responder, whichever is the source of what is being written. */
function sideReader(field: RecordField, twin: RecordField | undefined, side: 0 | 1): Read {
  if (twin === undefined) return (batch, index) => field.read(batch, index);
  return (batch, index, base, source) =>
    (source ^ side) === initiatorOf(batch.words, base) ? field.read(batch, index) : twin.read(batch, index);
}

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
    const reader = (side: 0 | 1): Read => {
      const read = sideReader(field, twin, side);
      if (!numbered) return read;
      return (batch, index, base, source) => {
        const value = read(batch, index, base, source);
        return value === undefined ? undefined : interfaceNumber(Number(value));
      };
    };
    const key = keys.has(field.name);
    const special = SPECIALS[field.name];
    const element = OWN_ELEMENT_OF[field.name] ?? field.element?.name ?? '';
    const info = OWN_ELEMENTS.get(element) ?? byNumber(field);
    if (special === undefined && info === undefined) continue;
    const isOwn = OWN_ELEMENTS.has(element);
    const make = (variant: Variant, side: 0 | 1): readonly WireField[] => {
      if (special !== undefined) return special.fields(reader(side), variant, enterprise);
      const length = REDUCED[element] ?? LENGTHS[info!.type] ?? VARIABLE_LENGTH;
      const write = writer(element, info!.type, length, enterprise, reader(side));
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
