import fc from 'fast-check';
import { type Capture, frameAt } from './oracle.js';

/** Addresses and ports that occur in a capture, so that generated expressions select something. */
interface Vocabulary {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly macs: readonly string[];
  readonly ports: readonly number[];
}

/** Looks for IP headers anywhere in the first bytes of some frames: crude, but it needs no decoder. */
export function vocabularyOf(capture: Capture): Vocabulary {
  const ipv4 = new Set(['10.0.0.1', '255.255.255.255']);
  const ipv6 = new Set(['fe80::1', 'ff02::fb']);
  const macs = new Set(['ff:ff:ff:ff:ff:ff', '1:2:3:4:5:6']);
  const ports = new Set([53, 80, 443]);
  const step = Math.max(1, Math.floor(capture.offsets.length / 400));
  for (let k = 0; k < capture.offsets.length; k += step) {
    const frame = frameAt(capture, k);
    if (frame.length >= 12) {
      macs.add([...frame.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
    }
    for (let at = 0; at <= 40 && at + 60 <= frame.length; at++) {
      if (frame[at] === 0x45 && [6, 17, 132].includes(frame[at + 9] ?? 0)) {
        ipv4.add([...frame.subarray(at + 12, at + 16)].join('.'));
        ipv4.add([...frame.subarray(at + 16, at + 20)].join('.'));
        ports.add(frame.readUInt16BE(at + 20));
        ports.add(frame.readUInt16BE(at + 22));
      } else if (frame[at] === 0x60 && [0, 6, 17, 44, 58].includes(frame[at + 6] ?? 0)) {
        ipv6.add(groups(frame.subarray(at + 8, at + 24)));
        ports.add(frame.readUInt16BE(at + 40));
      }
    }
  }
  return { ipv4: [...ipv4], ipv6: [...ipv6], macs: [...macs], ports: [...ports] };
}

function groups(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, k) => bytes.readUInt16BE(2 * k).toString(16)).join(':');
}

/** An IPv4 network of `bits` that the address is in. */
function network(address: string, bits: number): string {
  const word = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const masked = bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (masked >>> shift) & 255).join('.')}/${bits}`;
}

const words = (text: string): fc.Arbitrary<string> => fc.constantFrom(...text.split(' '));
const joined = (separator: string, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => all.filter((part) => part !== '').join(separator));

function arithmetic(): fc.Arbitrary<string> {
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.nat(300).map(String),
      fc.constantFrom('len', '0xffffffff', 'tcp-syn', 'icmp-echo', '1', '2', '4', '8'),
      joined(
        '',
        words('ip ip tcp udp ether ip6 icmp icmp6 arp link sctp'),
        fc.constantFrom('[0]', '[2:2]', '[4:4]', '[9]', '[6:2]', '[12]', '[13]'),
      ),
      joined('', words('ip tcp udp ether'), fc.constant('['), tie('value'), fc.constantFrom(']', ':2]', ':4]')),
      joined(' ', tie('value'), fc.constantFrom('+', '-', '*', '&', '|', '^', '%', '/', '<<', '>>'), tie('value')),
      tie('value').map((inner) => `(${inner})`),
      tie('value').map((inner) => `- ${inner}`),
    ),
  }));
  return value;
}

/** Expressions of this subset over a vocabulary, most of them without errors; with arithmetic or without. */
export function expressions(vocabulary: Vocabulary, arithmetics = true): fc.Arbitrary<string> {
  const ipv4 = fc.constantFrom(...vocabulary.ipv4);
  const ipv6 = fc.constantFrom(...vocabulary.ipv6);
  const mac = fc.constantFrom(...vocabulary.macs);
  const port = fc.constantFrom(...vocabulary.ports).map(String);
  const direction = fc.constantFrom('', '', 'src', 'dst', 'src or dst', 'src and dst', 'dst or src');
  const operator = fc.constantFrom('and', 'or', '&&', '||');
  const address = fc.oneof(ipv4, ipv4, ipv6);
  const list = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.oneof(
      value,
      value,
      joined(' ', value, operator, value),
      joined(' ', value, operator, fc.constant('not'), value),
      joined(' ', fc.constant('('), value, operator, value, fc.constant(')')),
    );
  const host = joined(' ', fc.constantFrom('', '', '', 'ip', 'arp'), direction, fc.constant('host'), list(ipv4));
  const host6 = joined(' ', fc.constantFrom('', 'ip6'), direction, fc.constant('host'), list(ipv6));
  const mixed = joined(' ', direction, fc.constant('host'), list(address));
  const net = fc
    .tuple(fc.constantFrom('', 'ip'), direction, ipv4, fc.integer({ min: 0, max: 32 }))
    .map(([protocol, towards, base, bits]) => `${protocol} ${towards} net ${network(base, bits)}`);
  const partial = joined(
    ' ',
    direction,
    fc.constant('net'),
    ipv4.map((text) => text.split('.').slice(0, 2).join('.')),
  );
  const ports = joined(' ', fc.constantFrom('', '', 'tcp', 'udp', 'sctp'), direction, fc.constant('port'), list(port));
  const range = fc
    .tuple(fc.constantFrom('', 'tcp', 'udp'), direction, port, port)
    .map(([protocol, towards, low, high]) => `${protocol} ${towards} portrange ${low}-${high}`);
  const ether = joined(' ', fc.constant('ether'), direction, fc.constant('host'), list(mac));
  const protocol = fc.oneof(
    words(
      'ip ip6 tcp udp icmp icmp6 arp rarp sctp igmp esp ah pim vrrp stp ipx atalk aarp netbeui iso multicast broadcast',
    ),
    joined(' ', fc.constantFrom('ip proto', 'ip6 proto', 'proto'), list(fc.constantFrom('1', '6', '17', '44', '58'))),
    joined(
      ' ',
      fc.constant('ether proto'),
      fc.constantFrom('0x800', '0x86dd', '0x806', '0x42', '6', '0x8100', '0x8864'),
    ),
    fc.constantFrom('ip broadcast', 'ip multicast', 'ip6 multicast', 'ether multicast', 'ether broadcast', 'pppoed'),
  );
  const shift = fc.constantFrom('vlan', 'vlan 1', 'vlan 100', 'mpls', 'pppoes', 'mpls 16', 'pppoes 1');
  const length = joined(' ', words('less greater'), fc.nat(1500).map(String));
  const relation = joined(' ', arithmetic(), fc.constantFrom('=', '==', '!=', '<', '>', '<=', '>='), arithmetic());
  const primitive = fc.oneof(
    host,
    host6,
    mixed,
    net,
    partial,
    ports,
    ports,
    range,
    ether,
    protocol,
    protocol,
    shift,
    length,
    arithmetics ? relation : length,
  );
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      primitive,
      primitive,
      joined(' ', tie('expression'), operator, tie('expression')),
      tie('expression').map((inner) => `(${inner})`),
      tie('expression').map((inner) => `not ${inner}`),
      joined(' ', ports, fc.constant('and ('), tie('expression'), fc.constant(') or'), port),
    ),
  }));
  return expression;
}
