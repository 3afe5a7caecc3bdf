import type { Arithmetic, Node } from './ast.js';
import { type Frame, readByte, readShort, readWord, type Test } from './frame.js';
import type { Position } from './position.js';
import { firstFragmentTest, protocolTest } from './transport-test.js';

type RelationNode = Extract<Node, { kind: 'relation' }>;
/** 32 bits as a signed number: an unsigned one above 2³¹ would be allocated on the way from closure to closure. */
type Value = (frame: Frame) => number;
type EtherTypeTest = (etherType: number, at: number) => Test;

/**
 * A comparison. The headers whose bytes both sides look at must be there before anything is computed, else it does not
 * match (and its negation by `not` does).
 */
export function relationTest(position: Position, node: RelationNode, etherType: EtherTypeTest): Test {
  const guards: Test[] = [];
  const left = value(position, node.left, guards, etherType);
  const right = value(position, node.right, guards, etherType);
  const test = comparison(node, left, right);
  if (guards.length === 0) return test;
  return (frame) => {
    for (let k = 0; k < guards.length; k++) {
      if (!guards[k]!(frame)) return false;
    }
    return test(frame);
  };
}

function comparison(node: RelationNode, left: Value, right: Value): Test {
  switch (node.relation) {
    case '=':
      return (frame) => left(frame) === right(frame);
    case '!=':
      return (frame) => left(frame) !== right(frame);
    case '<':
      return (frame) => left(frame) >>> 0 < right(frame) >>> 0;
    case '<=':
      return (frame) => left(frame) >>> 0 <= right(frame) >>> 0;
    case '>':
      return (frame) => left(frame) >>> 0 > right(frame) >>> 0;
    case '>=':
      return (frame) => left(frame) >>> 0 >= right(frame) >>> 0;
  }
}

function value(position: Position, node: Arithmetic, guards: Test[], etherType: EtherTypeTest): Value {
  switch (node.kind) {
    case 'constant': {
      const constant = node.value | 0;
      return () => constant;
    }
    case 'length':
      return (frame) => frame.wire | 0;
    case 'negate': {
      const operand = value(position, node.operand, guards, etherType);
      return (frame) => -operand(frame) | 0;
    }
    case 'binary':
      return binaryValue(position, node, guards, etherType);
    case 'load':
      return loadValue(position, node, guards, etherType);
  }
}

function binaryValue(
  position: Position,
  node: Extract<Arithmetic, { kind: 'binary' }>,
  guards: Test[],
  etherType: EtherTypeTest,
): Value {
  const { operator } = node;
  const left = value(position, node.left, guards, etherType);
  // As in libpcap, only the left operand's headers must be there; the right one reads what stands in their place.
  const right = value(position, node.right, [], etherType);
  switch (operator) {
    case '&':
      return (frame) => left(frame) & right(frame);
    case '|':
      return (frame) => left(frame) | right(frame);
    case '^':
      return (frame) => left(frame) ^ right(frame);
    case '+':
      return (frame) => (left(frame) + right(frame)) | 0;
    case '-':
      return (frame) => (left(frame) - right(frame)) | 0;
    case '*':
      return (frame) => Math.imul(left(frame), right(frame));
    case '<<':
      return (frame) => {
        const value = left(frame);
        const bits = right(frame);
        return (bits & ~31) === 0 ? value << bits : 0;
      };
    case '>>':
      return (frame) => {
        const value = left(frame);
        const bits = right(frame);
        return (bits & ~31) === 0 ? (value >>> bits) | 0 : 0;
      };
    case '/':
    case '%': {
      const isDivision = operator === '/';
      return (frame) => {
        const dividend = left(frame) >>> 0;
        const divisor = right(frame) >>> 0;
        if (divisor !== 0) return isDivision ? (dividend / divisor) | 0 : (dividend % divisor) | 0;
        frame.rejected = true;
        return 0;
      };
    }
  }
}

function reader(size: 1 | 2 | 4): (frame: Frame, offset: number) => number {
  if (size === 1) return readByte;
  return size === 2 ? readShort : readWord;
}

function loadValue(
  position: Position,
  node: Extract<Arithmetic, { kind: 'load' }>,
  guards: Test[],
  etherType: EtherTypeTest,
): Value {
  const { base, at } = node;
  const { networkHeader, layout } = position;
  const innerGuards: Test[] = [];
  const index = value(position, node.index, innerGuards, etherType);
  const fixed = node.index.kind === 'constant' ? node.index.value : undefined;
  const read = reader(node.size);
  switch (base.header) {
    case 'link':
      guards.push(...innerGuards);
      return load(read, layout.header, index, fixed, true);
    case 'network':
      guards.push(...innerGuards, etherType(base.etherType, at));
      return load(read, networkHeader, index, fixed, false);
    case 'icmp6':
      guards.push(...innerGuards, etherType(0x86dd, at), nextHeaderTest(networkHeader, 58));
      return load(read, networkHeader + 40, index, fixed, false);
    case 'transport': {
      const protocol = protocolTest(position, { number: base.protocol, version: base.version });
      guards.push(etherType(0x0800, at), ...innerGuards, protocol, firstFragmentTest(position));
      if (fixed !== undefined) {
        const offset = (networkHeader + fixed) >>> 0;
        return (frame) => {
          const length = (readByte(frame, frame.payloadBase + networkHeader) & 15) << 2;
          return read(frame, frame.payloadBase + length + offset);
        };
      }
      return (frame) => {
        const length = (readByte(frame, frame.payloadBase + networkHeader) & 15) << 2;
        return read(frame, frame.payloadBase + networkHeader + ((length + index(frame)) >>> 0));
      };
    }
  }
}

/** A constant index wraps at 2³² (`ip[-2:2]` is the two bytes before the header), a computed one is out of range then. */
function load(
  read: (frame: Frame, offset: number) => number,
  header: number,
  index: Value,
  fixed: number | undefined,
  isLink: boolean,
): Value {
  if (fixed !== undefined) {
    const offset = (header + fixed) >>> 0;
    if (isLink) return (frame) => read(frame, frame.linkBase + offset);
    return (frame) => read(frame, frame.payloadBase + offset);
  }
  return (frame) => read(frame, (isLink ? frame.linkBase : frame.payloadBase) + header + (index(frame) >>> 0));
}

function nextHeaderTest(networkHeader: number, protocol: number): Test {
  return (frame) => readByte(frame, frame.payloadBase + networkHeader + 6) === protocol;
}
