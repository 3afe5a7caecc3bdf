import { readFileSync } from 'node:fs';
import path from 'node:path';
import { EtherType } from '../../src/packet/walk.js';
import { LINK_CASES, REFUSED } from '../packet/link-cases.js';
import { bytes, u16 } from '../packet/link-support.js';
import { TUNNEL_CASES } from '../packet/tunnels-cases.js';
import { projectRoot } from '../support/shared.js';
import { mutate } from './mutate.js';
import type { Random } from './target.js';

/** A frame as a source hands it out. */
export interface HostileFrame {
  /** pcap's LINKTYPE_ number. */
  link: number;
  bytes: Uint8Array;
  /** Bytes on the wire beyond those of the frame. */
  more: number;
}

/** Link types that are known, and one that is not. */
export const LINK_TYPES: readonly number[] = [...new Set(LINK_CASES.map((one) => one.link)), 147];

/** Frames of the sample: real traffic. Read here by hand, so that a broken reader does not hide what it feeds. */
export function sampleFrames(): Uint8Array[] {
  const file = readFileSync(path.join(projectRoot, 'samples/house.pcapng'));
  const frames: Uint8Array[] = [];
  for (let at = 0; at + 12 <= file.length; at += file.readUInt32LE(at + 4)) {
    if (file.readUInt32LE(at) !== 6) continue;
    const captured = file.readUInt32LE(at + 20);
    frames.push(Uint8Array.from(file.subarray(at + 28, at + 28 + captured)));
  }
  return frames;
}

const HOSTS_V4 = ['0a000001', '0a000002', 'c0000207', 'ffffffff', '00000000', '0a000001'];
const HOSTS_V6 = [
  '20010db8000000000000000000000001',
  '20010db8000000000000000000000002',
  'fe800000000000000000000000000001',
  'ff020000000000000000000000000001',
];
const PORTS = [53, 80, 443, 1024, 51820, 0, 65535, 4789, 4790, 6081, 2152, 3544, 1701, 8472];
const OPTIONS = [
  '',
  '',
  '020405b4',
  '0103030e',
  '0204ffff',
  '02',
  '0200',
  '0201',
  '080a0000000100000002',
  '0501',
  '05ff',
];
const FLAGS = [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x1f, 0x00, 0xff];
const MACS = '0a0000000002 0a0000000001';

/** IP, transport and tunnels in one another, mostly valid; `depth` is how many more IP headers there may be. */
class Builder {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** What stands behind an EtherType. */
  behind(etherType: number, depth: number): Uint8Array {
    switch (etherType) {
      case EtherType.ipv4:
        return this.ipv4(depth);
      case EtherType.ipv6:
        return this.ipv6(depth);
      case EtherType.mpls:
        return this.mpls(depth);
      case EtherType.ethernet:
        return bytes(MACS, this.tagged(depth));
      default:
        return bytes(u16(this.random.below(4096)), this.tagged(depth));
    }
  }

  /** An EtherType and what it says, with tags, labels and PPPoE before it now and then. */
  tagged(depth: number): Uint8Array {
    const { random } = this;
    let tags = bytes();
    while (random.once(4)) {
      tags = bytes(tags, random.pick(['8100', '88a8', '9100', '9200']), u16(random.below(0x10000)));
    }
    switch (random.below(12)) {
      case 0:
        return bytes(tags, '8847', this.mpls(depth));
      case 1: {
        const inner = random.once(2) ? bytes('0021', this.ipv4(depth)) : bytes('57', this.ipv6(depth));
        return bytes(tags, '8864 1100 0001', u16(inner.length), inner);
      }
      case 2:
        return bytes(tags, u16(8 + 40), 'aaaa03 000000', '0800', this.ipv4(depth));
      default:
        return bytes(tags, random.once(3) ? bytes('86dd', this.ipv6(depth)) : bytes('0800', this.ipv4(depth)));
    }
  }

  private mpls(depth: number): Uint8Array {
    const { random } = this;
    let labels = bytes();
    for (let more = random.below(4); more > 0; more--) labels = bytes(labels, u16(random.below(0x10000)), '0040');
    const inner = random.pick([0, 1, 2]);
    const control = random.once(2) ? '00000000' : '';
    return bytes(
      labels,
      u16(random.below(0x10000)),
      '0140',
      inner === 0 ? this.ipv4(depth) : inner === 1 ? this.ipv6(depth) : bytes(control, MACS, this.tagged(depth - 1)),
    );
  }

  ipv4(depth: number): Uint8Array {
    const { random } = this;
    const [protocol, payload] = this.upper(4, depth);
    const options = random.once(8) ? random.bytes(4 * random.below(10)) : bytes();
    const header = 20 + options.length;
    const fragment = random.once(5) ? random.pick([0x2000, 0x2001, 0x0001, 0x1fff, 0x3fff, 0x2003, 185]) : 0x4000;
    return bytes(
      Uint8Array.of(0x40 | (header / 4), random.byte()),
      u16(random.once(20) ? random.below(0x10000) : header + payload.length),
      u16(random.below(3)),
      u16(fragment),
      Uint8Array.of(random.byte(), protocol),
      '0000',
      random.pick(HOSTS_V4),
      random.pick(HOSTS_V4),
      options,
      payload,
    );
  }

  ipv6(depth: number): Uint8Array {
    const { random } = this;
    let [protocol, payload] = this.upper(6, depth);
    for (let more = random.once(3) ? random.below(14) : 0; more > 0; more--) {
      const kind = random.pick([0, 43, 44, 51, 60, 135, 139]);
      const next = Uint8Array.of(protocol);
      if (kind === 44) {
        payload = bytes(
          next,
          '00',
          u16(random.pick([0, 1, 8, 9, 0xfff8])),
          '000000',
          u16(random.below(3)).subarray(1),
          payload,
        );
      } else if (kind === 51) payload = bytes(next, '04 0000 00000007 00000001', random.bytes(12), payload);
      else {
        const units = random.below(3);
        payload = bytes(next, Uint8Array.of(units), random.bytes(6 + 8 * units), payload);
      }
      protocol = kind;
    }
    return bytes(
      u16(0x6000 | random.below(0x1000)),
      u16(random.below(4)),
      u16(random.once(20) ? random.below(0x10000) : payload.length),
      Uint8Array.of(protocol, random.byte()),
      random.pick(HOSTS_V6),
      random.pick(HOSTS_V6),
      payload,
    );
  }

  /** Protocol number and what stands behind the IP header. */
  private upper(version: 4 | 6, depth: number): [number, Uint8Array] {
    const { random } = this;
    const inside = depth > 0 && random.once(2);
    switch (inside ? random.below(4) : 4 + random.below(10)) {
      case 0:
        return random.once(2) ? [4, this.ipv4(depth - 1)] : [41, this.ipv6(depth - 1)];
      case 1: {
        const tunnel = random.pick(GRE);
        return [47, bytes(tunnel.frame.subarray(0, tunnel.header), this.behind(tunnel.etherType, depth - 1))];
      }
      case 2:
      case 3:
        return [17, this.overUdp(depth)];
      case 4:
      case 5:
      case 6:
      case 7:
        return [6, this.tcp()];
      case 8:
      case 9:
        return [random.once(8) ? 136 : 17, this.udp(random.pick(PORTS), random.pick(PORTS), this.payload())];
      case 10:
        return version === 4 ? [1, this.icmp(4, depth)] : [58, this.icmp(6, depth)];
      case 11:
        return [random.pick([50, 51]), bytes('11 04 0000', u16(random.below(3)), '0001 00000001', random.bytes(24))];
      case 12:
        return [random.pick([132, 33]), bytes(u16(random.pick(PORTS)), u16(random.pick(PORTS)), random.bytes(12))];
      default:
        return [random.byte(), this.payload()];
    }
  }

  private payload(): Uint8Array {
    const { random } = this;
    return random.bytes(random.pick([0, 0, 1, 4, 8, 16, 40, 100]));
  }

  private tcp(): Uint8Array {
    const { random } = this;
    let options = bytes();
    while (options.length < 24 && random.once(2)) options = bytes(options, random.pick(OPTIONS));
    options = bytes(options, new Uint8Array((4 - (options.length & 3)) & 3).fill(random.below(2)));
    return bytes(
      u16(random.pick(PORTS)),
      u16(random.pick(PORTS)),
      u16(random.pick([0, 0xffff, 1])),
      u16(random.below(200)),
      '0000',
      u16(random.below(200)),
      Uint8Array.of(((20 + options.length) / 4) << 4, random.pick(FLAGS)),
      u16(random.pick([0, 1, 1000, 65535])),
      '00000000',
      options,
      this.payload(),
    );
  }

  private udp(source: number, target: number, payload: Uint8Array): Uint8Array {
    const { random } = this;
    const length = random.once(20) ? random.below(0x10000) : payload.length + 8;
    return bytes(u16(source), u16(target), u16(length), '0000', payload);
  }

  private overUdp(depth: number): Uint8Array {
    const { random } = this;
    const tunnel = random.pick(OVER_UDP);
    const inner = this.behind(tunnel.etherType, depth - 1);
    const header = tunnel.frame.slice(0, tunnel.header);
    // GTP-U and L2TP say how long they are.
    if (tunnel.port === 2152) header.set(u16(header.length - 8 + inner.length), 2);
    if (tunnel.port === 1701 && (header[0] & 0x40) !== 0) header.set(u16(header.length + inner.length), 2);
    const source = random.once(2) ? random.pick(PORTS) : 40_000;
    return this.udp(source, tunnel.port, bytes(header, inner));
  }

  private icmp(version: 4 | 6, depth: number): Uint8Array {
    const { random } = this;
    const type = random.pick(version === 4 ? [0, 8, 13, 14, 3, 5, 11, 12] : [128, 129, 135, 136, 1, 2, 3, 4]);
    const error = type >= 1 && type <= 12 && type !== 8;
    if (!error) return bytes(Uint8Array.of(type, 0), '0000', u16(random.below(2)), '0001', this.payload());
    const quoted = version === 4 ? this.ipv4(depth > 0 ? 1 : 0) : this.ipv6(depth > 0 ? 1 : 0);
    return bytes(
      Uint8Array.of(type, random.below(16)),
      '0000 00000000',
      quoted.subarray(0, random.pick([8, 28, 48, 999])),
    );
  }
}

const GRE = TUNNEL_CASES.filter((one) => one.port === 0);
const OVER_UDP = TUNNEL_CASES.filter((one) => one.port !== 0);
const LINKS = [...LINK_CASES, ...REFUSED];
let real: Uint8Array[] | undefined;

function more(random: Random): number {
  return random.once(4) ? random.pick([1, 4, 18, 1000, 65_536, 0x7fffffff]) : 0;
}

/** A frame of any link layer with whatever nesting, damaged or not. */
export function linkFrame(random: Random): HostileFrame {
  const one = random.pick(LINKS);
  let frame = one.frame;
  if ('header' in one && !random.once(4)) {
    frame = bytes(frame.subarray(0, one.header), new Builder(random).behind(one.etherType, 2));
  }
  const others = LINKS.map((other) => other.frame);
  return { link: one.link, bytes: random.once(3) ? frame : mutate(frame, random, others), more: more(random) };
}

/** Ethernet with tunnels inside tunnels, damaged or not. */
export function tunnelFrame(random: Random): HostileFrame {
  const frame = bytes(MACS, new Builder(random).tagged(random.below(7)));
  return { link: 1, bytes: random.once(3) ? frame : mutate(frame, random), more: more(random) };
}

/** A real frame of the sample, damaged or not. */
export function realFrame(random: Random): HostileFrame {
  real ??= sampleFrames();
  const frame = random.pick(real);
  return { link: 1, bytes: random.once(3) ? frame : mutate(frame, random, real), more: more(random) };
}

export function anyFrame(random: Random): HostileFrame {
  const kind = random.below(6);
  if (kind < 3) return tunnelFrame(random);
  return kind === 3 ? linkFrame(random) : realFrame(random);
}
