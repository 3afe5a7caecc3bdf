import type { Direction, Node } from './ast.js';
import { type Frame, readByte, readShort, type Test } from './frame.js';
import type { Position } from './position.js';

type Port = Extract<Node, { kind: 'port' }>;
type Protocol = Extract<Node, { kind: 'protocol' }>;

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const FRAGMENT = 44;
/** Length of the IPv6 header; extension headers are not walked, as in libpcap. */
const IPV6_HEADER = 40;

/** Ports at `at`, source first. */
function portsMatch(frame: Frame, at: number, direction: Direction, low: number, high: number): boolean {
  if (direction !== 'destination') {
    const port = readShort(frame, at);
    const matches = port >= low && port <= high;
    if (direction === 'source') return matches;
    if (matches === (direction === 'either')) return matches;
  }
  const port = readShort(frame, at + 2);
  return port >= low && port <= high;
}

/** `port` and `portrange`: of the first or only fragment in IPv4, and with no extension header before it in IPv6. */
export function portTest(position: Position, node: Port): Test {
  const { direction, low, high } = node;
  const network = position.networkType();
  const header = position.networkHeader;
  const wanted = node.protocol;
  return (frame) => {
    const type = network(frame);
    const at = frame.payloadBase + header;
    if (type === 0x0800) {
      const protocol = readByte(frame, at + 9);
      if (wanted === undefined ? protocol !== TCP && protocol !== UDP && protocol !== SCTP : protocol !== wanted) {
        return false;
      }
      if ((readShort(frame, at + 6) & 0x1fff) !== 0) return false;
      const length = (readByte(frame, at) & 15) << 2;
      return portsMatch(frame, at + length, direction, low, high);
    }
    if (type === 0x86dd) {
      const protocol = readByte(frame, at + 6);
      if (wanted === undefined ? protocol !== TCP && protocol !== UDP && protocol !== SCTP : protocol !== wanted) {
        return false;
      }
      return portsMatch(frame, at + IPV6_HEADER, direction, low, high);
    }
    return false;
  };
}

/** `ip proto`, `ip6 proto`, `proto` and their abbreviations; a fragment header is the one extension header seen through. */
export function protocolTest(position: Position, node: Pick<Protocol, 'number' | 'version'>): Test {
  const { number, version } = node;
  const network = position.networkType();
  const header = position.networkHeader;
  return (frame) => {
    const type = network(frame);
    const at = frame.payloadBase + header;
    if (type === 0x0800) return version !== 'ip6' && readByte(frame, at + 9) === number;
    if (type !== 0x86dd || version === 'ip') return false;
    const next = readByte(frame, at + 6);
    if (next === number) return true;
    return next === FRAGMENT && readByte(frame, at + IPV6_HEADER) === number;
  };
}

/** First or only fragment of IPv4. */
export function firstFragmentTest(position: Position): Test {
  const header = position.networkHeader;
  return (frame) => (readShort(frame, frame.payloadBase + header + 6) & 0x1fff) === 0;
}
