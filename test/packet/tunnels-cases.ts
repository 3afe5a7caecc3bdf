import { Tunnel } from '../../src/packet/tunnel.js';
import { geneve, gre, gtpu, l2tp, teredo, UDP_TUNNELS, vxlan, vxlanGpe } from '../../src/packet/tunnels/index.js';
import { EtherType, type Walk } from '../../src/packet/walk.js';
import { bytes, ipv4, ipv6, PACKET_V4, PACKET_V6, u16, udp } from './link-support.js';

/** A tunnel's header and what is in it. */
export interface TunnelCase {
  name: string;
  parser: (walk: Walk) => number | boolean;
  /** UDP port; 0 for GRE. */
  port: number;
  /** The `Tunnel`, which GRE's parser returns. */
  kind: number;
  /** From the first byte of the tunnel's header on. */
  frame: Uint8Array;
  header: number;
  etherType: number;
  id: number;
  /** Bytes behind the header without which the tunnel is not entered. */
  needs: number;
  /** End of the inner packet by the tunnel's length fields; default: the last byte. */
  wireEnd?: number;
  /** False where tshark does not look inside. */
  tshark?: false;
}

const FRAME_V4 = bytes('0a0000000002 0a0000000001 0800', PACKET_V4);
const FRAME_V6 = bytes('0a0000000002 0a0000000001 86dd', PACKET_V6);

const CONTENT = {
  v4: { inner: PACKET_V4, etherType: EtherType.ipv4, needs: 20 },
  v6: { inner: PACKET_V6, etherType: EtherType.ipv6, needs: 40 },
  frame: { inner: FRAME_V4, etherType: EtherType.ethernet, needs: 14 },
  frame6: { inner: FRAME_V6, etherType: EtherType.ethernet, needs: 14 },
  mpls: { inner: bytes('00010140', PACKET_V4), etherType: EtherType.mpls, needs: 4 },
} as const;
type Content = keyof typeof CONTENT;

function overUdp(name: string, port: number, header: string | Uint8Array, content: Content, id: number): TunnelCase {
  const before = bytes(header);
  const { inner, etherType, needs } = CONTENT[content];
  const entry = UDP_TUNNELS.find((tunnel) => tunnel.port === port);
  if (entry === undefined) throw new Error(`no tunnel on port ${port}`);
  const frame = bytes(before, inner);
  return { name, parser: entry.parser, port, kind: entry.tunnel, frame, header: before.length, etherType, id, needs };
}

function overGre(name: string, kind: number, header: string | Uint8Array, content: Content, id = 0): TunnelCase {
  const before = bytes(header);
  const { inner, etherType } = CONTENT[content];
  const frame = bytes(before, inner);
  return { name, parser: gre, port: 0, kind, frame, header: before.length, etherType, id, needs: 1 };
}

/** Flags, type and length of a GTP-U message with this many bytes before the packet, and its tunnel endpoint. */
function gtp(flags: string, optional: string, content: Content): Uint8Array {
  const more = bytes(optional);
  return bytes(flags, 'ff', u16(more.length + CONTENT[content].inner.length), 'deadbeef', more);
}

const TEREDO_CLIENT = '20010000c0a80001000000000a090807';
const teredoPacket = ipv6(udp(4000, 4001, bytes('68656c6c6f')), 17, TEREDO_CLIENT);
const solicitation = ipv6(
  bytes('8500000000000000'),
  58,
  'fe800000000000000000000000000001',
  'ff020000000000000000000000000002',
);

function overTeredo(name: string, header: string, packet: Uint8Array): TunnelCase {
  const before = bytes(header);
  const frame = bytes(before, packet);
  const rest = { header: before.length, etherType: EtherType.ipv6, id: 0, needs: 40 };
  return { name, parser: teredo, port: 3544, kind: Tunnel.teredo, frame, ...rest };
}

function withTail(tunnel: TunnelCase, tail: string): TunnelCase {
  return { ...tunnel, frame: bytes(tunnel.frame, tail), wireEnd: tunnel.frame.length };
}

const v4Length = u16(PACKET_V4.length + 12);

/** Every tunnel, in the forms in which it comes. */
export const TUNNEL_CASES: readonly TunnelCase[] = [
  overGre('GRE', Tunnel.gre, '0000 0800', 'v4'),
  overGre('GRE', Tunnel.gre, '0000 86dd', 'v6'),
  overGre('GRE, MPLS', Tunnel.gre, '0000 8847', 'mpls'),
  overGre('GRE, checksum', Tunnel.gre, '8000 0800 12340000', 'v4'),
  overGre('GRE, key', Tunnel.gre, '2000 0800 00000007', 'v4', 7),
  overGre('GRE, checksum, key, sequence', Tunnel.gre, 'b000 86dd 12340000 80000007 00000001', 'v6', 0x80000007 | 0),
  overGre('GRE, Ethernet', Tunnel.gre, '0000 6558', 'frame'),
  overGre('GRE, Ethernet, key and sequence', Tunnel.gre, '3000 6558 00000007 00000001', 'frame', 7),
  overGre('NVGRE', Tunnel.nvgre, '2000 6558 fedcba 11', 'frame6', 0xfedcba),
  overGre('ERSPAN I', Tunnel.erspan, '0000 88be', 'frame'),
  overGre('ERSPAN II', Tunnel.erspan, '1000 88be 00000001 1007 6364 00000001', 'frame', 0x364),
  overGre('ERSPAN III', Tunnel.erspan, '1000 22eb 00000001 2007 0364 00000001 0000 0000', 'frame', 0x364),
  overGre(
    'ERSPAN III, platform header',
    Tunnel.erspan,
    '1000 22eb 00000001 2007 0364 00000001 0000 0001 0000000000000000',
    'frame',
    0x364,
  ),
  {
    ...overGre('ERSPAN III, IP', Tunnel.erspan, '1000 22eb 00000001 2007 0364 00000001 0000 0800', 'v6', 0x364),
    tshark: false,
  },
  overGre('GRE, WCCP 1', Tunnel.gre, '0000 883e', 'v4'),
  overGre('GRE, WCCP 2', Tunnel.gre, '0000 883e 80000000', 'v4'),
  withTail(
    overGre('PPTP', Tunnel.gre, bytes('3001 880b', u16(4 + PACKET_V4.length), '0042 00000001 ff03 0021'), 'v4', 0x42),
    '0000',
  ),
  overGre(
    'PPTP, acknowledgement',
    Tunnel.gre,
    bytes('3081 880b', u16(1 + PACKET_V6.length), '0042 00000001 00000001 57'),
    'v6',
    0x42,
  ),
  overUdp('VXLAN', 4789, '08000000 fedcba00', 'frame', 0xfedcba),
  overUdp('VXLAN', 8472, '08000000 00000100', 'frame6', 1),
  overUdp('VXLAN, group policy', 4789, '88081234 00000100', 'frame', 1),
  overUdp('VXLAN-GPE, IPv4', 4790, '0c000001 fedcba00', 'v4', 0xfedcba),
  overUdp('VXLAN-GPE, IPv6', 4790, '0c000002 fedcba00', 'v6', 0xfedcba),
  overUdp('VXLAN-GPE, Ethernet', 4790, '0c000003 fedcba00', 'frame', 0xfedcba),
  overUdp('VXLAN-GPE, MPLS', 4790, '0c000005 fedcba00', 'mpls', 0xfedcba),
  { ...overUdp('VXLAN-GPE without a protocol', 4790, '08000000 fedcba00', 'frame', 0xfedcba), tshark: false },
  overUdp('Geneve', 6081, '00006558 fedcba00', 'frame', 0xfedcba),
  overUdp('Geneve, IPv4, options', 6081, '04400800 fedcba00 0102 80 01 00000000 0102 03 01 00000000', 'v4', 0xfedcba),
  overUdp('Geneve, IPv6, empty option', 6081, '010086dd fedcba00 01020300', 'v6', 0xfedcba),
  overUdp('GTP-U', 2152, gtp('30', '', 'v4'), 'v4', 0xdeadbeef | 0),
  overUdp('GTP-U, sequence number', 2152, gtp('32', '0001 00 00', 'v6'), 'v6', 0xdeadbeef | 0),
  overUdp('GTP-U, N-PDU number', 2152, gtp('31', '0000 07 85', 'v4'), 'v4', 0xdeadbeef | 0),
  overUdp(
    'GTP-U, extension headers',
    2152,
    gtp('34', '0000 00 c0 01 0007 85 02 000900000000 00', 'v4'),
    'v4',
    0xdeadbeef | 0,
  ),
  withTail(overUdp('GTP-U, bytes behind', 2152, gtp('30', '', 'v4'), 'v4', 0xdeadbeef | 0), '000000'),
  overTeredo('Teredo', '', teredoPacket),
  overTeredo('Teredo, origin', '0000 f0e0 f5f6f7f8', teredoPacket),
  overTeredo('Teredo, authentication', '0001 0000 0102030405060708 00', teredoPacket),
  overTeredo(
    'Teredo, authentication and origin',
    '0001 0204 abcd 01020304 0102030405060708 00 0000 f0e0 f5f6f7f8',
    teredoPacket,
  ),
  overTeredo('Teredo, link-local', '', solicitation),
  overUdp('L2TP', 1701, '0002 1234 8765 ff03 0021', 'v4', 0x12348765),
  overUdp('L2TP, bare PPP', 1701, '0002 f234 8765 57', 'v6', 0xf2348765 | 0),
  withTail(overUdp('L2TP, length', 1701, bytes('4002', v4Length, '1234 8765 ff03 0021'), 'v4', 0x12348765), '00'),
  overUdp('L2TP, sequence, offset', 1701, '0a02 1234 8765 0001 0000 0003 000000 ff03 0021', 'v4', 0x12348765),
];

const raw = (header: string, payload: Uint8Array = PACKET_V4): Uint8Array => bytes(header, payload);

/** What is not looked into, though it came on the tunnel's port or protocol. */
export const NOT_TUNNELS: readonly { name: string; parser: TunnelCase['parser']; frame: Uint8Array }[] = [
  { name: 'GRE, source routing', parser: gre, frame: raw('4000 0800 0000 0000') },
  { name: 'GRE, version 2', parser: gre, frame: raw('0002 0800') },
  { name: 'GRE, ARP', parser: gre, frame: raw('0000 0806') },
  { name: 'GRE, keepalive', parser: gre, frame: raw('0000 0000') },
  { name: 'GRE, WCCP, neither IP', parser: gre, frame: raw('0000 883e 80000000 00') },
  { name: 'ERSPAN II, version 2', parser: gre, frame: raw('1000 88be 00000001 2007 6364 00000001', FRAME_V4) },
  {
    name: 'ERSPAN III, version 1',
    parser: gre,
    frame: raw('1000 22eb 00000001 1007 0364 00000001 00000000', FRAME_V4),
  },
  {
    name: 'ERSPAN III, unknown frame',
    parser: gre,
    frame: raw('1000 22eb 00000001 2007 0364 00000001 00007c00', FRAME_V4),
  },
  { name: 'PPTP, acknowledgement only', parser: gre, frame: bytes('2081 880b 0000 0042 00000001') },
  { name: 'PPTP, encrypted', parser: gre, frame: raw('3001 880b 0025 0042 00000001 ff03 00fd') },
  { name: 'PPTP without a key', parser: gre, frame: raw('1001 880b 0025 0042 00000001 ff03 0021') },
  { name: 'VXLAN without an identifier', parser: vxlan, frame: raw('00000000 fedcba00', FRAME_V4) },
  { name: 'VXLAN, reserved bits', parser: vxlan, frame: raw('08000001 fedcba00', FRAME_V4) },
  { name: 'VXLAN, reserved byte', parser: vxlan, frame: raw('08000000 fedcba01', FRAME_V4) },
  { name: 'VXLAN, undefined policy bits', parser: vxlan, frame: raw('88801234 00000100', FRAME_V4) },
  { name: 'VXLAN, next protocol', parser: vxlan, frame: raw('0c000003 00000100', FRAME_V4) },
  { name: 'DNS on VXLAN-GPE', parser: vxlanGpe, frame: bytes('123401000001000000000000 07') },
  { name: 'VXLAN-GPE, network service header', parser: vxlanGpe, frame: raw('0c000004 fedcba00') },
  { name: 'VXLAN-GPE, management', parser: vxlanGpe, frame: raw('0d000001 fedcba00') },
  {
    name: 'VXLAN-GPE, says IPv6, is IPv4',
    parser: vxlanGpe,
    frame: raw('0c000002 fedcba00', bytes(PACKET_V4, PACKET_V4)),
  },
  { name: 'Geneve, version 1', parser: geneve, frame: raw('40000800 fedcba00') },
  { name: 'Geneve, control', parser: geneve, frame: raw('00800800 fedcba00') },
  { name: 'Geneve, ARP', parser: geneve, frame: raw('00000806 fedcba00') },
  { name: 'Geneve, option longer than all', parser: geneve, frame: raw('02000800 fedcba00 01020305 00000000') },
  {
    name: 'Geneve, IPv4 with impossible length',
    parser: geneve,
    frame: raw('00000800 fedcba00', bytes('4500ffff', PACKET_V4.subarray(4))),
  },
  { name: 'GTP-U, echo', parser: gtpu, frame: bytes('32 01 0004 00000000 0001 0000') },
  { name: 'GTP-U, version 2', parser: gtpu, frame: raw('50 ff 0021 deadbeef') },
  { name: "GTP'", parser: gtpu, frame: raw('20 ff 0021 deadbeef') },
  { name: 'GTP-U, longer than the datagram', parser: gtpu, frame: raw('30 ff 0022 deadbeef') },
  { name: 'GTP-U, shorter than its packet', parser: gtpu, frame: raw('30 ff 0020 deadbeef') },
  { name: 'GTP-U, extension header of length 0', parser: gtpu, frame: raw('34 ff 0029 deadbeef 000000c0 00000000') },
  {
    name: 'GTP-U, too many extension headers',
    parser: gtpu,
    frame: bytes('34 ff 0049 deadbeef 000000c0', ...Array(9).fill('010000c0'), PACKET_V4),
  },
  { name: 'GTP-U, neither IP', parser: gtpu, frame: raw('30 ff 0022 deadbeef 00') },
  { name: 'Teredo, other addresses', parser: teredo, frame: PACKET_V6 },
  { name: 'Teredo, IPv4', parser: teredo, frame: PACKET_V4 },
  { name: 'Teredo, cut by its length', parser: teredo, frame: teredoPacket.subarray(0, -1) },
  { name: 'Teredo, authentication longer than the datagram', parser: teredo, frame: bytes('0001 ffff', teredoPacket) },
  { name: 'L2TP, control', parser: l2tp, frame: raw('c802 0031 1234 8765 00010001 ff030021') },
  { name: 'L2TP, version 3', parser: l2tp, frame: raw('0003 1234 8765 ff030021') },
  { name: 'L2TP, reserved bits', parser: l2tp, frame: raw('0012 1234 8765 ff030021') },
  { name: 'L2TP, session 0', parser: l2tp, frame: raw('0002 1234 0000 ff030021') },
  { name: 'L2TP, link control', parser: l2tp, frame: bytes('0002 1234 8765 ff03 c021 0101 0004') },
  { name: 'L2TP, longer than the datagram', parser: l2tp, frame: raw('4002 0fff 1234 8765 ff030021') },
  { name: 'L2TP, offset behind the end', parser: l2tp, frame: raw('0202 1234 8765 ffff ff030021') },
  {
    name: 'L2TP, IPv6 announced, IPv4 there',
    parser: l2tp,
    frame: raw('0002 1234 8765 ff030057', ipv4(new Uint8Array(60))),
  },
];
