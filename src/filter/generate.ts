import { addressTest4, addressTest6, bytesTest } from './address-test.js';
import { relationTest } from './arithmetic-test.js';
import type { Node } from './ast.js';
import { filterError, notYet } from './error.js';
import { etherTypeTest, requireNoMpls, shortTest } from './ether-type-test.js';
import { readByte, readShort, readWord, type Test } from './frame.js';
import { networkType, pppAt } from './layout.js';
import { and, or } from './logic.js';
import type { Position } from './position.js';
import { portTest, protocolTest } from './transport-test.js';

const BROADCAST = new Uint8Array(6).fill(255);
/**
 * Makes a test of an expression's tree for one link layer.
 * @throws RheoError for what this link layer cannot have
 */
export function generate(node: Node, position: Position): Test {
  switch (node.kind) {
    case 'all':
      return () => true;
    case 'not':
      return not(generate(node.operand, position));
    case 'chain':
      return chain(
        node.operands.map((operand) => generate(operand, position)),
        node.operators,
      );
    case 'host4':
      if (node.family !== 'any' && node.family !== 'ip') requireNoMpls(node, position);
      return addressTest4(position, node);
    case 'host6':
      return addressTest6(position, node);
    case 'mac': {
      const mac = macOffset(node, position);
      const destination = bytesTest('link', mac, node.address);
      const source = bytesTest('link', mac + 6, node.address);
      if (node.direction === 'source') return source;
      if (node.direction === 'destination') return destination;
      return node.direction === 'both' ? and(source, destination) : or(source, destination);
    }
    case 'port':
      return portTest(position, node);
    case 'protocol':
      return protocolTest(position, node);
    case 'etherType':
      return etherTypeTest(node, position, node.number);
    case 'vlan':
      return vlanTest(node, position, node.id);
    case 'mpls':
      return mplsTest(node, position, node.label);
    case 'pppoe':
      return pppoeTest(node, position, node.session);
    case 'broadcast':
      if (node.layer === 'link') return bytesTest('link', macOffset(node, position), BROADCAST);
      return broadcastTest4(position);
    case 'multicast':
      return multicastTest(node, position, node.layer);
    case 'relation':
      return relationTest(position, node, (etherType, at) => etherTypeTest({ at }, position, etherType));
  }
}

function not(test: Test): Test {
  return (frame) => !test(frame);
}

function chain(tests: readonly Test[], operators: readonly ('and' | 'or')[]): Test {
  const [first, second] = tests;
  if (first === undefined || second === undefined) return first ?? (() => true);
  if (tests.length === 2) return operators[0] === 'and' ? and(first, second) : or(first, second);
  const rest = tests.slice(1);
  const isAnd = Uint8Array.from(operators, (operator) => (operator === 'and' ? 1 : 0));
  return (frame) => {
    let matches = first(frame);
    for (let k = 0; k < rest.length; k++) {
      if (matches === (isAnd[k] === 1)) matches = rest[k]!(frame);
    }
    return matches;
  };
}

function macOffset(node: { at: number }, position: Position): number {
  const { mac, name } = position.layout;
  if (mac !== undefined) return mac;
  if (position.layout.field === 'wlan' || position.layout.field === 'llc') {
    throw notYet(position.expression, node.at, `looking at the link addresses of ${name}`);
  }
  throw filterError(
    position.expression,
    node.at,
    `packets of link type "${name}" have no Ethernet addresses that the filter can look at`,
  );
}

function vlanTest(node: { at: number }, position: Position, id: number | undefined): Test {
  const { layout, payload } = position;
  if (position.labels > 0) {
    throw filterError(position.expression, node.at, 'vlan cannot stand behind mpls');
  }
  if (!layout.vlan) {
    throw filterError(position.expression, node.at, `packets of link type "${layout.name}" have no VLAN tags`);
  }
  const type = networkType(layout, position.type, payload);
  const network = position.network;
  position.type += 4;
  position.payload += 4;
  const tag = payload + network;
  return (frame) => {
    const number = type(frame);
    if (number !== 0x8100 && number !== 0x88a8 && number !== 0x9100) return false;
    return id === undefined || (readShort(frame, frame.payloadBase + tag) & 0xfff) === id;
  };
}

function mplsTest(node: { at: number }, position: Position, label: number | undefined): Test {
  const { layout } = position;
  const header = position.networkHeader;
  let inStack: Test;
  if (position.labels > 0) {
    inStack = (frame) => (readByte(frame, frame.payloadBase + header - 2) & 1) === 0;
  } else if (layout.mpls !== undefined) {
    inStack = shortTest(position.type, layout.mpls);
  } else {
    throw filterError(position.expression, node.at, `mpls cannot be recognised in link type "${layout.name}"`);
  }
  position.network += 4;
  position.labels++;
  if (label === undefined) return inStack;
  return and(inStack, (frame) => readWord(frame, frame.payloadBase + header) >>> 12 === label);
}

function pppoeTest(node: { at: number }, position: Position, session: number | undefined): Test {
  if (position.layout.measure !== undefined) {
    throw notYet(position.expression, node.at, `pppoes in link type "${position.layout.name}"`);
  }
  const isSession = etherTypeTest(node, position, 0x8864);
  const header = position.networkHeader;
  const layout = pppAt(header + 6);
  position.layout = layout;
  position.type = layout.type;
  position.payload = layout.payload;
  position.network = 0;
  if (session === undefined) return isSession;
  return and(isSession, (frame) => (readWord(frame, header) & 0xffff) === session);
}

/** tcpdump knows no netmask when it reads a file; what is left is the two addresses that need none. */
function broadcastTest4(position: Position): Test {
  const network = position.networkType();
  const destination = position.networkHeader + 16;
  return (frame) => {
    if (network(frame) !== 0x0800) return false;
    const address = readWord(frame, frame.payloadBase + destination);
    return address === 0 || address === -1;
  };
}

function multicastTest(node: { at: number }, position: Position, layer: 'link' | 'ip' | 'ip6'): Test {
  if (layer === 'link') {
    const mac = macOffset(node, position);
    return (frame) => (readByte(frame, mac) & 1) !== 0;
  }
  const network = position.networkType();
  const header = position.networkHeader;
  if (layer === 'ip') {
    return (frame) => network(frame) === 0x0800 && readByte(frame, frame.payloadBase + header + 16) >= 224;
  }
  return (frame) => network(frame) === 0x86dd && readByte(frame, frame.payloadBase + header + 24) === 255;
}
