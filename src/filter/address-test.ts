import type { Node } from './ast.js';
import { type Frame, readShort, readWord, type Test } from './frame.js';
import type { Position } from './position.js';

type Host4 = Extract<Node, { kind: 'host4' }>;
type Host6 = Extract<Node, { kind: 'host6' }>;

/** Source and destination in the header of IPv4, and sender and target in that of ARP and RARP (for IPv4 on Ethernet). */
const IP_SOURCE = 12;
const IP_DESTINATION = 16;
const ARP_SENDER = 14;
const ARP_TARGET = 24;

export function addressTest4(position: Position, node: Host4): Test {
  const { direction } = node;
  if (position.onlyIp && (node.family === 'arp' || node.family === 'rarp')) return () => false;
  const network = position.networkType();
  const header = position.networkHeader;
  const wantsIp = node.family === 'any' || node.family === 'ip';
  const wantsArp = (node.family === 'any' || node.family === 'arp') && !position.onlyIp;
  const wantsRarp = (node.family === 'any' || node.family === 'rarp') && !position.onlyIp;
  // The machine of libpcap skips loads of which no bit is compared.
  const mask = node.mask;
  const address = node.address & mask;
  const trivial = mask === 0;
  return (frame) => {
    const type = network(frame);
    let source = frame.payloadBase + header;
    let destination = source;
    if (type === 0x0800 && wantsIp) {
      source += IP_SOURCE;
      destination += IP_DESTINATION;
    } else if ((type === 0x0806 && wantsArp) || (type === 0x8035 && wantsRarp)) {
      source += ARP_SENDER;
      destination += ARP_TARGET;
    } else {
      return false;
    }
    if (trivial) return true;
    switch (direction) {
      case 'source':
        return (readWord(frame, source) & mask) === address;
      case 'destination':
        return (readWord(frame, destination) & mask) === address;
      case 'both':
        return (readWord(frame, source) & mask) === address && (readWord(frame, destination) & mask) === address;
      case 'either':
        return (readWord(frame, source) & mask) === address || (readWord(frame, destination) & mask) === address;
    }
  };
}

export function addressTest6(position: Position, node: Host6): Test {
  const { direction, address, mask } = node;
  const network = position.networkType();
  const source = position.networkHeader + 8;
  const destination = position.networkHeader + 24;
  const matches = (frame: Frame, at: number): boolean => {
    for (let k = 0; k < 4; k++) {
      const wordMask = mask[k]!;
      if (wordMask !== 0 && (readWord(frame, at + 4 * k) & wordMask) !== address[k]!) return false;
    }
    return true;
  };
  return (frame) => {
    if (network(frame) !== 0x86dd) return false;
    const { payloadBase } = frame;
    switch (direction) {
      case 'source':
        return matches(frame, payloadBase + source);
      case 'destination':
        return matches(frame, payloadBase + destination);
      case 'both':
        return matches(frame, payloadBase + source) && matches(frame, payloadBase + destination);
      case 'either':
        return matches(frame, payloadBase + source) || matches(frame, payloadBase + destination);
    }
  };
}

/** Six or eight bytes at an offset, compared from the end as libpcap does: where a cut frame ends decides what rejects it. */
export function bytesTest(base: 'link' | 'payload', offset: number, bytes: Uint8Array): Test {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const last = bytes.length - 4;
  const lastWord = view.getInt32(last);
  const isMac = bytes.length === 6;
  const first = isMac ? view.getUint16(0) : view.getInt32(0);
  return (frame) => {
    const at = offset + (base === 'link' ? frame.linkBase : frame.payloadBase);
    if (readWord(frame, at + last) !== lastWord) return false;
    return (isMac ? readShort(frame, at) : readWord(frame, at)) === first;
  };
}
