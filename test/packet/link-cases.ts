import { EtherType } from '../../src/packet/walk.js';
import { bytes, ipv4, PACKET_V4, PACKET_V6, u16 } from './link-support.js';

/** A frame that carries something to look at, and where that stands. */
export interface LinkCase {
  name: string;
  link: number;
  frame: Uint8Array;
  /** Length of the link layer's headers. */
  header: number;
  etherType: number;
  /** Offset of the MAC addresses; -1 if there are none as the column wants them. */
  mac: number;
  /** End of the frame by its own length fields; default: its last byte. */
  wireEnd?: number;
  /** Who else reads this frame in the same way; default: tshark. */
  reader?: 'tcpdump' | 'nobody';
}

const MACS = '0a0000000002 0a0000000001';
const SNAP_V4 = 'aaaa03 000000 0800';
const SNAP_V6 = 'aaaa03 000000 86dd';
const PAD = '00000000 0000';
const FCS = 'deadbeef';

function v4(name: string, link: number, header: string | Uint8Array, mac = -1): LinkCase {
  const before = bytes(header);
  return { name, link, frame: bytes(before, PACKET_V4), header: before.length, etherType: EtherType.ipv4, mac };
}

function v6(name: string, link: number, header: string | Uint8Array, mac = -1): LinkCase {
  const before = bytes(header);
  return { name, link, frame: bytes(before, PACKET_V6), header: before.length, etherType: EtherType.ipv6, mac };
}

const zeros = (count: number): Uint8Array => new Uint8Array(count);
const BSSID = '0a00000000bb';
const DST = '0a0000000002';
const SRC = '0a0000000001';

/** Frame control, duration, three addresses, sequence control. */
function wlanHeader(control: string, first = DST, second = SRC, third = BSSID): Uint8Array {
  return bytes(control, '0000', first, second, third, '1000');
}

const WLAN_ADHOC = bytes(wlanHeader('0800'), SNAP_V4);
const WLAN_FROM = bytes(wlanHeader('0802', DST, BSSID, SRC), SNAP_V4);

function padded(frame: LinkCase, tail: string): LinkCase {
  return { ...frame, frame: bytes(frame.frame, tail), wireEnd: frame.frame.length };
}

const nflogLittle = bytes('0800 0100 0800 0300', '0500 0a00 78 000000', Uint8Array.of(4 + PACKET_V4.length, 0), '0900');
const aggregate = bytes(wlanHeader('8801', BSSID, SRC, DST), '8000', MACS, u16(8 + PACKET_V4.length), SNAP_V4);

/** Every link layer, in the forms in which it comes. */
export const LINK_CASES: readonly LinkCase[] = [
  v4('Ethernet II', 1, `${MACS} 0800`, 0),
  v6('Ethernet II', 1, `${MACS} 86dd`, 0),
  padded(v4('802.3, LLC/SNAP, padding', 1, bytes(MACS, u16(8 + PACKET_V4.length), SNAP_V4), 0), PAD),
  padded(v4('802.3, LLC with the SAP of IP', 1, bytes(MACS, u16(3 + PACKET_V4.length), '060603'), 0), PAD),
  v6('802.3, LLC/SNAP', 1, bytes(MACS, u16(8 + PACKET_V6.length), SNAP_V6), 0),
  v4('802.3, SNAP of a bridge tunnel', 1, bytes(MACS, u16(8 + PACKET_V4.length), 'aaaa03 0000f8 0800'), 0),
  v4('Token Ring', 6, `10 40 ${MACS} ${SNAP_V4}`, 2),
  v4('Token Ring, source routing', 6, `10 40 ${DST} 8a0000000001 0630 0011 0020 ${SNAP_V4}`),
  { ...v4('SLIP', 8, bytes('00 40', zeros(14))), reader: 'tcpdump' },
  { ...v6('SLIP', 8, bytes('01 40', zeros(14))), reader: 'tcpdump' },
  v4('PPP', 9, '0021'),
  v4('PPP, compressed protocol', 9, '21'),
  v4('PPP in HDLC-like framing', 9, 'ff03 0021'),
  v6('PPP in HDLC-like framing', 50, 'ff03 0057'),
  v6('PPP in HDLC-like framing, compressed protocol', 50, 'ff03 57'),
  v4('PPP link with Cisco HDLC', 50, '0f00 0800'),
  { ...v4('PPP with MPLS', 50, 'ff03 0281 00010140'), header: 4, etherType: EtherType.mpls },
  v4('FDDI', 10, `50 ${MACS} ${SNAP_V4}`, 1),
  v6('FDDI', 10, `57 ${MACS} ${SNAP_V6}`, 1),
  v4('raw', 12, ''),
  v6('raw', 12, ''),
  v4('raw', 14, ''),
  v4('raw', 101, ''),
  v6('raw', 101, ''),
  v4('raw IPv4', 228, ''),
  v6('raw IPv6', 229, ''),
  padded(v4('PPPoE', 51, bytes('1100 0007', u16(2 + PACKET_V4.length), '0021')), PAD),
  v6('PPPoE', 51, bytes('1100 0007', u16(2 + PACKET_V6.length), '0057')),
  v4('Cisco HDLC', 104, '0f00 0800'),
  v6('Cisco HDLC', 104, '8f00 86dd'),
  v4('Cisco HDLC of NetBSD', 112, '0f00 0800'),
  { ...v4('Cisco HDLC with direction', 205, '01 0f00 0800'), reader: 'nobody' },
  v4('null, little-endian', 0, '02000000'),
  v4('null, big-endian', 0, '00000002'),
  // tshark and tcpdump do not know the families of Linux and Windows.
  ...['0a', '17'].flatMap((family): LinkCase[] => [
    { ...v6(`null, little-endian, family 0x${family}`, 0, `${family}000000`), reader: 'nobody' },
    { ...v6(`loop, family 0x${family}`, 108, `000000${family}`), reader: 'nobody' },
  ]),
  ...['18', '1c', '1e'].flatMap((family) => [
    v6(`null, little-endian, family 0x${family}`, 0, `${family}000000`),
    v6(`loop, family 0x${family}`, 108, `000000${family}`),
  ]),
  v4('loop', 108, '00000002'),
  v4('802.11, ad hoc', 105, WLAN_ADHOC, 4),
  v4('802.11, to the access point', 105, bytes(wlanHeader('0801', BSSID, SRC, DST), SNAP_V4)),
  v4('802.11, from the access point', 105, WLAN_FROM),
  v6('802.11, quality of service', 105, bytes(wlanHeader('8802'), '0000', SNAP_V6)),
  v4('802.11, four addresses', 105, bytes(wlanHeader('0803'), SRC, SNAP_V4)),
  v4('802.11, four addresses, quality of service', 105, bytes(wlanHeader('8803'), SRC, '0000', SNAP_V4)),
  v4('802.11, HT control', 105, bytes(wlanHeader('8881', BSSID, SRC, DST), '0000 00000000', SNAP_V4)),
  padded(v4('802.11, A-MSDU', 105, aggregate, 26), '0000'),
  v4('radiotap', 127, bytes('0000 0800 00000000', WLAN_FROM)),
  padded(v4('radiotap, frame check sequence', 127, bytes('0000 0900 02000000 10', WLAN_FROM)), FCS),
  padded(
    v4('radiotap, timestamp, check sequence', 127, bytes('0000 1100 03000000', zeros(8), '10', WLAN_ADHOC), 21),
    FCS,
  ),
  padded(
    v4('radiotap, two words', 127, bytes('0000 1900 03000080 00000000', zeros(4), zeros(8), '10', WLAN_FROM)),
    FCS,
  ),
  v4('radiotap, padded header', 127, bytes('0000 0900 02000000 20', wlanHeader('8802'), '0000 0000', SNAP_V4)),
  v4('Prism', 119, bytes('44000000 90000000', zeros(136), WLAN_FROM)),
  v4('Prism, big-endian', 119, bytes('00000044 00000090', zeros(136), WLAN_FROM)),
  v4('Prism, without a length', 119, bytes('44000000 00000000', zeros(136), WLAN_FROM)),
  v4('AVS in the place of Prism', 119, bytes('80211001 00000040', zeros(56), WLAN_FROM)),
  v4('AVS', 163, bytes('80211001 00000040', zeros(56), WLAN_ADHOC), 68),
  v4('Linux cooked', 113, bytes('0000 0001 0006', SRC, '0000 0800')),
  v6('Linux cooked', 113, bytes('0004 0001 0006', SRC, '0000 86dd')),
  v4('Linux cooked, LLC', 113, bytes('0000 0001 0006', SRC, '0000 0004', SNAP_V4)),
  v4('Linux cooked, GRE device', 113, bytes('0000 030a 0004', SRC, '0000 0800')),
  v4('Linux cooked, radiotap', 113, bytes('0000 0323 0006', SRC, '0000 0019', '0000 0800 00000000', WLAN_FROM)),
  {
    ...v4('Linux cooked, VLAN', 113, bytes('0000 0001 0006', SRC, '0000 8100', '0007 0800')),
    header: 16,
    etherType: EtherType.vlan,
  },
  v4('Linux cooked 2', 276, bytes('0800 0000 00000003 0001 00 06', SRC, '0000')),
  v6('Linux cooked 2', 276, bytes('86dd 0000 00000003 0001 04 06', SRC, '0000')),
  v4('Linux cooked 2, LLC', 276, bytes('0004 0000 00000003 0001 04 06', SRC, '0000', SNAP_V4)),
  v4('PFLOG of OpenBSD 3', 117, bytes('2d02 0000', zeros(44))),
  v4('PFLOG of FreeBSD', 117, bytes('3d02 0000', zeros(60))),
  v6('PFLOG of OpenBSD', 117, bytes('6418 0000', zeros(96))),
  v4('IP over Fibre Channel', 122, bytes(zeros(16), SNAP_V4)),
  { ...v4('PPP of pppd', 166, '00 03 0021'), reader: 'tcpdump' },
  { ...v6('PPP of pppd, out', 166, '01 03 57'), reader: 'tcpdump' },
  v4('PPP with direction', 204, '00 ff03 0021'),
  v4('PPP with direction, no framing', 204, '01 21'),
  v4('IPNET', 226, bytes('01 02 0000', '0000', u16(PACKET_V4.length), zeros(16))),
  v6('IPNET', 226, bytes('01 1a 0001', '0000', u16(PACKET_V6.length), zeros(16))),
  v4('NFLOG, little-endian', 239, bytes('0200 0001', nflogLittle)),
  v6(
    'NFLOG, little-endian',
    239,
    bytes('0a00 0001', '0800 0100 86dd 0300', Uint8Array.of(4 + PACKET_V6.length, 0), '0900'),
  ),
  {
    ...v4('NFLOG, big-endian', 239, bytes('0200 0001', '0008 0001 0800 0300', u16(4 + PACKET_V4.length), '0009')),
    reader: 'nobody',
  },
  padded(
    v4('NFLOG, nested flag, padding', 239, bytes('0200 0001', Uint8Array.of(4 + PACKET_V4.length, 0), '0980')),
    '000000',
  ),
  v4('IP over InfiniBand', 242, bytes(zeros(40), '0800 0000')),
];

/** Frames that are refused, and why (names of `Refusal`). */
export const REFUSED: readonly {
  name: string;
  link: number;
  frame: Uint8Array;
  refusal: 'notIp' | 'encrypted' | 'linkShort' | 'networkMalformed';
}[] = [
  { name: 'Novell raw 802.3', link: 1, frame: bytes(MACS, '0022', 'ffff 0022', zeros(30)), refusal: 'notIp' },
  { name: 'spanning tree', link: 1, frame: bytes('0180c2000000', SRC, '0026 424203', zeros(43)), refusal: 'notIp' },
  { name: 'SNAP of Cisco', link: 1, frame: bytes(MACS, '0026 aaaa03 00000c 2000', zeros(38)), refusal: 'notIp' },
  { name: 'neither length nor EtherType', link: 1, frame: bytes(MACS, '05f0', SNAP_V4, PACKET_V4), refusal: 'notIp' },
  {
    name: '802.3 shorter than its SNAP',
    link: 1,
    frame: bytes(MACS, '0005', SNAP_V4, PACKET_V4),
    refusal: 'linkShort',
  },
  { name: 'Token Ring MAC frame', link: 6, frame: bytes('10 00', MACS, zeros(20)), refusal: 'notIp' },
  {
    name: 'Token Ring, routing of length 0',
    link: 6,
    frame: bytes('10 40', DST, '8a0000000001 0030', zeros(20)),
    refusal: 'linkShort',
  },
  { name: 'FDDI station management', link: 10, frame: bytes('41', MACS, zeros(20)), refusal: 'notIp' },
  { name: 'PPP link control', link: 9, frame: bytes('c021 0101 0004'), refusal: 'notIp' },
  { name: 'PPP, Van Jacobson compressed', link: 9, frame: bytes('2d', zeros(20)), refusal: 'notIp' },
  { name: 'PPP, Van Jacobson uncompressed', link: 50, frame: bytes('ff03 002f', PACKET_V4), refusal: 'notIp' },
  { name: 'PPPoE discovery', link: 51, frame: bytes('1109 0000 0004 0101 0000'), refusal: 'notIp' },
  { name: 'raw, version 5', link: 101, frame: bytes('55', zeros(20)), refusal: 'networkMalformed' },
  { name: 'null, AppleTalk', link: 0, frame: bytes('10000000', zeros(20)), refusal: 'notIp' },
  { name: '802.11 beacon', link: 105, frame: bytes(wlanHeader('8000'), zeros(20)), refusal: 'notIp' },
  { name: '802.11 acknowledgement', link: 105, frame: bytes('d400 0000', DST), refusal: 'notIp' },
  { name: '802.11 null function', link: 105, frame: bytes(wlanHeader('4801')), refusal: 'notIp' },
  { name: '802.11 QoS null', link: 105, frame: bytes(wlanHeader('c801'), '0000'), refusal: 'notIp' },
  { name: '802.11 protected', link: 105, frame: bytes(wlanHeader('0842'), zeros(40)), refusal: 'encrypted' },
  {
    name: '802.11 later fragment',
    link: 105,
    frame: bytes('0802 0000', DST, BSSID, SRC, '1100', SNAP_V4, PACKET_V4),
    refusal: 'notIp',
  },
  {
    name: 'radiotap, protected',
    link: 127,
    frame: bytes('0000 0800 00000000', wlanHeader('8842'), zeros(40)),
    refusal: 'encrypted',
  },
  {
    name: 'radiotap, version 1',
    link: 127,
    frame: bytes('0100 0800 00000000', WLAN_FROM, PACKET_V4),
    refusal: 'notIp',
  },
  {
    name: 'radiotap, header too short',
    link: 127,
    frame: bytes('0000 0700 00000000', WLAN_FROM, PACKET_V4),
    refusal: 'linkShort',
  },
  {
    name: 'radiotap, words without end',
    link: 127,
    frame: bytes('0000 1000 020000a0 000000a0 000000a0', WLAN_FROM),
    refusal: 'linkShort',
  },
  {
    name: 'AVS, wrong magic number',
    link: 163,
    frame: bytes('80311001 00000040', zeros(56), WLAN_FROM),
    refusal: 'notIp',
  },
  {
    name: 'AVS, length of 2 GiB',
    link: 163,
    frame: bytes('80211001 ffffffff', zeros(56), WLAN_FROM),
    refusal: 'linkShort',
  },
  {
    name: 'Linux cooked, netlink',
    link: 113,
    frame: bytes('0004 0338 0000', zeros(8), '0800', PACKET_V4),
    refusal: 'notIp',
  },
  {
    name: 'Linux cooked 2, netlink',
    link: 276,
    frame: bytes('0800 0000 00000003 0338 04 00', zeros(8), PACKET_V4),
    refusal: 'notIp',
  },
  { name: 'PFLOG, header too short', link: 117, frame: bytes('2002', zeros(80)), refusal: 'linkShort' },
  { name: 'IPNET, version 2', link: 226, frame: bytes('0202', zeros(22), PACKET_V4), refusal: 'notIp' },
  { name: 'NFLOG without a payload', link: 239, frame: bytes('0200 0001 0800 0100 0800 0300'), refusal: 'linkShort' },
  {
    name: 'NFLOG, attribute of length 0',
    link: 239,
    frame: bytes('0200 0001 0000 0100 0000 0100'),
    refusal: 'linkShort',
  },
  {
    name: 'NFLOG, more attributes than there are',
    link: 239,
    frame: bytes('0200 0001', ...Array(65).fill('0400 0100'), '0900 0900', ipv4(zeros(0))),
    refusal: 'notIp',
  },
  { name: 'NFLOG, ARP', link: 239, frame: bytes('0300 0001 0c00 0900', zeros(8)), refusal: 'notIp' },
];
