import { bytesTest } from './address-test.js';
import { filterError } from './error.js';
import { type Frame, readByte, readShort, type Test } from './frame.js';
import { isWlanData } from './layout.js';
import { and, or } from './logic.js';
import type { Position } from './position.js';

/** Greatest length field of an 802.3 frame; above it, the field is an EtherType. */
const MAX_8023 = 1500;
/** Cooked captures' type for frames with an LLC header, and for Novell's raw 802.3. */
const COOKED_LLC = 4;
const COOKED_8023 = 1;
const SAP_IP = 0x06;
const SAP_IPX = 0xe0;
const SAP_NETBEUI = 0xf0;
const SAP_ISO = 0xfe;
const APPLETALK = 0x809b;
const APPLETALK_ARP = 0x80f3;
const IPX = 0x8137;
/** Protocol numbers of PPP that differ from the EtherType or SAP. */
const PPP_NUMBERS: ReadonlyMap<number, number> = new Map([
  [0x0800, 0x0021],
  [0x86dd, 0x0057],
  [0x6003, 0x0027],
  [APPLETALK, 0x0029],
  [0x0600, 0x0025],
  [SAP_ISO, 0x0023],
  [0x42, 0x0031],
  [SAP_IPX, 0x002b],
]);

/** @throws RheoError if labels stand before: behind them no type field tells what follows */
export function requireNoMpls(node: { at: number }, position: Position): void {
  if (position.labels > 0) {
    throw filterError(position.expression, node.at, 'behind mpls only IPv4 and IPv6 can be recognised');
  }
}

const never: Test = () => false;

export function shortTest(offset: number, value: number): Test {
  return (frame) => readShort(frame, offset) === value;
}

/** LLC and SNAP header with this organisation and type at the beginning of the payload. */
function snapTest(position: Position, organisation: number, type: number): Test {
  const bytes = [0xaa, 0xaa, 3, organisation >>> 16, organisation >>> 8, organisation, type >>> 8, type];
  return bytesTest('payload', position.payload, Uint8Array.from(bytes));
}

/** A type field that holds `number`: an EtherType, or an LLC SAP if at most 1500. */
export function etherTypeTest(node: { at: number }, position: Position, number: number): Test {
  const { layout, type, payload } = position;
  if (number === 0x0800 || number === 0x86dd) {
    const network = position.networkType();
    return (frame) => network(frame) === number;
  }
  requireNoMpls(node, position);
  const llcShort =
    (value: number): Test =>
    (frame) =>
      readShort(frame, frame.payloadBase + payload) === value;
  const llcByte =
    (value: number): Test =>
    (frame) =>
      readByte(frame, frame.payloadBase + payload) === value;
  switch (layout.field) {
    case 'ip':
      return never;
    case 'etherType':
      return shortTest(type, number);
    case 'hdlc':
      return shortTest(type, number === SAP_ISO ? 0xfefe : number);
    case 'ppp':
      return shortTest(type, PPP_NUMBERS.get(number) ?? number);
    case 'llc':
    case 'wlan': {
      const test =
        number === SAP_IP || number === SAP_ISO || number === SAP_NETBEUI
          ? llcShort((number << 8) | number)
          : number === APPLETALK
            ? snapTest(position, 0x080007, APPLETALK)
            : number <= MAX_8023
              ? llcByte(number)
              : (frame: Frame) => readShort(frame, frame.payloadBase + payload + 6) === number;
      return layout.field === 'wlan' ? and(isWlanData, test) : test;
    }
  }
  // Ethernet and cooked captures: an EtherType, or an LLC header.
  const hasLlc: Test =
    layout.field === 'ethernet' ? (frame) => readShort(frame, type) <= MAX_8023 : shortTest(type, COOKED_LLC);
  switch (number) {
    case SAP_IP:
    case SAP_ISO:
    case SAP_NETBEUI:
      return and(hasLlc, llcShort((number << 8) | number));
    case SAP_IPX: {
      const sapOrSnap =
        layout.field === 'ethernet'
          ? or(snapTest(position, 0, IPX), or(llcByte(SAP_IPX), llcShort(0xffff)))
          : or(llcByte(SAP_IPX), snapTest(position, 0, IPX));
      const framed = and(hasLlc, sapOrSnap);
      const raw = layout.field === 'cooked' ? or(shortTest(type, COOKED_8023), framed) : framed;
      return or(shortTest(type, IPX), raw);
    }
    case APPLETALK:
      return or(shortTest(type, number), and(hasLlc, snapTest(position, 0x080007, APPLETALK)));
    case APPLETALK_ARP:
      return or(shortTest(type, number), and(hasLlc, snapTest(position, 0, APPLETALK_ARP)));
    default:
      return number <= MAX_8023 ? and(hasLlc, llcByte(number)) : shortTest(type, number);
  }
}
