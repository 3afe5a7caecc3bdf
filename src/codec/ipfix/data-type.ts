/**
 * Abstract data types of information elements; the index is the number that RFC 5610 §3.1 gives them
 * (informationElementDataType; structured data: RFC 6313 §4.6; unsigned256: RFC 9740 §8.3.1).
 */
export const DATA_TYPES = [
  'octetArray',
  'unsigned8',
  'unsigned16',
  'unsigned32',
  'unsigned64',
  'signed8',
  'signed16',
  'signed32',
  'signed64',
  'float32',
  'float64',
  'boolean',
  'macAddress',
  'string',
  'dateTimeSeconds',
  'dateTimeMilliseconds',
  'dateTimeMicroseconds',
  'dateTimeNanoseconds',
  'ipv4Address',
  'ipv6Address',
  'basicList',
  'subTemplateList',
  'subTemplateMultiList',
  'unsigned256',
] as const;
export type DataType = (typeof DATA_TYPES)[number];

/** Semantics; the index is the number of RFC 5610 §3.6 (informationElementSemantics). */
export const SEMANTICS = [
  'default',
  'quantity',
  'totalCounter',
  'deltaCounter',
  'identifier',
  'flags',
  'list',
  'snmpCounter',
  'snmpGauge',
] as const;
export type Semantics = (typeof SEMANTICS)[number];

/** Units; the index is the number of RFC 5610 §3.7 (informationElementUnits). */
export const UNITS = [
  'none',
  'bits',
  'octets',
  'packets',
  'flows',
  'seconds',
  'milliseconds',
  'microseconds',
  'nanoseconds',
  '4-octet words',
  'messages',
  'hops',
  'entries',
  'frames',
  'ports',
  'inferred',
] as const;
export type Unit = (typeof UNITS)[number];

/** Length in a field specifier that stands for a length written in front of each value (RFC 7011 §7). */
export const VARIABLE_LENGTH = 65535;

/** Enterprise number of IANA's elements seen from the other side of a biflow (RFC 5103 §6.1). */
export const REVERSE_PEN = 29305;
/** Bit of the number of an enterprise's element that makes it the reverse one (RFC 5103 §6.2). */
export const VENDOR_REVERSE_BIT = 0x4000;

/** One field of a template. */
export interface FieldSpecifier {
  /** Private enterprise number; 0 for IANA's. */
  readonly pen: number;
  readonly id: number;
  /** Bytes, or VARIABLE_LENGTH. */
  readonly length: number;
}

/** What is known of an element. */
export interface ElementInfo {
  readonly name: string;
  readonly type: DataType;
}

/** Finds what is known of an element; undefined for a stranger's. */
export type ElementLookup = (pen: number, id: number) => ElementInfo | undefined;

/** Seconds from 1900 to 1970: IPFIX's micro- and nanosecond times are NTP timestamps (RFC 7011 §6.1.9, §6.1.10). */
export const NTP_UNIX_OFFSET = 2_208_988_800;
