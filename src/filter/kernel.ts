import type { Direction, Node } from './ast.js';
import { parse } from './parser.js';

/** One instruction of the classic Berkeley packet filter: struct sock_filter of linux/filter.h. */
export interface Instruction {
  readonly code: number;
  /** Instructions to skip if a comparison holds, and if it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const Code = {
  loadWord: 0x20,
  loadShort: 0x28,
  loadByte: 0x30,
  loadShortIndexed: 0x48,
  /** X = 4 × (low four bits of a byte): length of an IPv4 header. */
  loadHeaderLength: 0xb1,
  and: 0x54,
  jump: 0x05,
  equal: 0x15,
  greater: 0x25,
  greaterOrEqual: 0x35,
  anyBit: 0x45,
  accept: 0x06,
} as const;

/** SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT: 1 if the kernel has taken a VLAN tag off the frame. */
const TAG_PRESENT = 0xfffff030;
const WHOLE_PACKET = 0x40000;
/** Most instructions that the kernel takes (BPF_MAXINSNS). */
const MOST = 4096;

const TYPE = 12;
const NETWORK = 14;
/** AppleTalk and its ARP come behind LLC and SNAP as well. */
const IN_SNAP: readonly number[] = [0x809b, 0x80f3];
const TRANSPORTS: readonly number[] = [6, 17, 132];

/** A place in the program, known when it is bound. */
interface Label {
  at: number;
}

/**
 * Translates a pcap filter expression for the kernel, so that packets nobody wants never come into the ring. For Ethernet
 * frames; frames whose VLAN tag the kernel has taken off are all let through, as the expression is about the frame with its
 * tag. The packets are filtered again by `PacketFilter`: the kernel's filter may let pass more, never less.
 *
 * @returns undefined if the expression is too much for it: then all packets come
 * @throws RheoError (filter) as `compileFilter`
 */
export function kernelFilter(expression: string): Instruction[] | undefined {
  const tree = parse(expression);
  if (tree.kind === 'all' || !isSimple(tree)) return undefined;
  return new Program().translate(tree);
}

function isSimple(node: Node): boolean {
  switch (node.kind) {
    case 'not':
      return isSimple(node.operand);
    case 'chain':
      return node.operands.every(isSimple);
    case 'etherType':
      return node.number > 1500 && !IN_SNAP.includes(node.number);
    case 'all':
    case 'host4':
    case 'host6':
    case 'port':
    case 'protocol':
      return true;
    default:
      return false;
  }
}

class Program {
  readonly #code: { code: number; k: number; yes?: Label; no?: Label }[] = [];

  translate(tree: Node): Instruction[] | undefined {
    const accept = label();
    const refuse = label();
    const begin = label();
    this.#load(Code.loadByte, TAG_PRESENT);
    this.#branch(Code.equal, 0, begin, accept);
    this.#bind(begin);
    this.#node(tree, accept, refuse);
    this.#bind(accept);
    this.#load(Code.accept, WHOLE_PACKET);
    this.#bind(refuse);
    this.#load(Code.accept, 0);
    return this.#resolve();
  }

  /** Instructions with distances; undefined if one is too far for a jump of 8 bits, or there are too many. */
  #resolve(): Instruction[] | undefined {
    const result: Instruction[] = [];
    for (const [at, { code, k, yes, no }] of this.#code.entries()) {
      const jt = yes === undefined ? 0 : yes.at - at - 1;
      const jf = no === undefined ? 0 : no.at - at - 1;
      if (jt > 255 || jf > 255) return undefined;
      result.push({ code, jt, jf, k: k >>> 0 });
    }
    return result.length <= MOST ? result : undefined;
  }

  #load(code: number, k: number): void {
    this.#code.push({ code, k });
  }

  #branch(code: number, k: number, yes: Label, no: Label): void {
    this.#code.push({ code, k, yes, no });
  }

  /** Goes on behind the instruction if the comparison holds. */
  #require(code: number, k: number, no: Label): void {
    const next = label();
    this.#branch(code, k, next, no);
    this.#bind(next);
  }

  #bind(place: Label): void {
    place.at = this.#code.length;
  }

  #node(node: Node, yes: Label, no: Label): void {
    switch (node.kind) {
      case 'not':
        this.#node(node.operand, no, yes);
        break;
      case 'chain':
        this.#chain(node.operands, node.operators, yes, no);
        break;
      case 'host4':
        this.#host4(node, yes, no);
        break;
      case 'host6':
        this.#host6(node, yes, no);
        break;
      case 'port':
        this.#port(node, yes, no);
        break;
      case 'protocol':
        this.#protocol(node.number, node.version, yes, no);
        break;
      case 'etherType':
        this.#load(Code.loadShort, TYPE);
        this.#branch(Code.equal, node.number, yes, no);
        break;
      default:
        // An expression in which nothing stands: an equality that always holds.
        this.#load(Code.loadByte, TAG_PRESENT);
        this.#branch(Code.greaterOrEqual, 0, yes, no);
        break;
    }
  }

  /** Applied from the left: the last operator is the outermost. */
  #chain(operands: readonly Node[], operators: readonly ('and' | 'or')[], yes: Label, no: Label): void {
    const last = operands[operands.length - 1];
    if (operands.length === 1) {
      this.#node(last, yes, no);
      return;
    }
    const next = label();
    const isAnd = operators[operands.length - 2] === 'and';
    this.#chain(operands.slice(0, -1), operators, isAnd ? next : yes, isAnd ? no : next);
    this.#bind(next);
    this.#node(last, yes, no);
  }

  /** Tests of source and destination, joined as the direction wants it. */
  #ends(direction: Direction, test: (source: boolean, yes: Label, no: Label) => void, yes: Label, no: Label): void {
    if (direction === 'source' || direction === 'destination') {
      test(direction === 'source', yes, no);
      return;
    }
    const next = label();
    test(true, direction === 'both' ? next : yes, direction === 'both' ? no : next);
    this.#bind(next);
    test(false, yes, no);
  }

  #host4(node: Extract<Node, { kind: 'host4' }>, yes: Label, no: Label): void {
    const inIp = label();
    const inArp = label();
    const { family, direction, mask } = node;
    const wanted = (node.address & mask) >>> 0;
    this.#load(Code.loadShort, TYPE);
    const types: [number, Label][] = [];
    if (family === 'any' || family === 'ip') types.push([0x0800, inIp]);
    if (family === 'any' || family === 'arp') types.push([0x0806, inArp]);
    if (family === 'any' || family === 'rarp') types.push([0x8035, inArp]);
    this.#oneOf(types, no);
    for (const [place, source, destination] of [
      [inIp, NETWORK + 12, NETWORK + 16],
      [inArp, NETWORK + 14, NETWORK + 24],
    ] as const) {
      if (!types.some(([, to]) => to === place)) continue;
      this.#bind(place);
      this.#ends(
        direction,
        (isSource, matches, fails) => {
          this.#load(Code.loadWord, isSource ? source : destination);
          this.#masked(mask, wanted, matches, fails);
        },
        yes,
        no,
      );
    }
  }

  #masked(mask: number, wanted: number, yes: Label, no: Label): void {
    if (mask !== -1) this.#load(Code.and, mask);
    this.#branch(Code.equal, wanted, yes, no);
  }

  /** Branches by the value that is loaded. */
  #oneOf(values: readonly (readonly [number, Label])[], no: Label): void {
    for (const [n, [value, place]] of values.entries()) {
      const next = n === values.length - 1 ? no : label();
      this.#branch(Code.equal, value, place, next);
      if (next !== no) this.#bind(next);
    }
  }

  #host6(node: Extract<Node, { kind: 'host6' }>, yes: Label, no: Label): void {
    const { address, mask } = node;
    this.#load(Code.loadShort, TYPE);
    this.#require(Code.equal, 0x86dd, no);
    this.#ends(
      node.direction,
      (isSource, matches, fails) => {
        const at = NETWORK + (isSource ? 8 : 24);
        const words = [0, 1, 2, 3].filter((w) => mask[w] !== 0);
        if (words.length === 0) {
          // ::/0: whatever is loaded is not below 0.
          this.#branch(Code.greaterOrEqual, 0, matches, fails);
        }
        for (const [n, w] of words.entries()) {
          const next = n === words.length - 1 ? matches : label();
          this.#load(Code.loadWord, at + 4 * w);
          this.#masked(mask[w], (address[w] & mask[w]) >>> 0, next, fails);
          if (next !== matches) this.#bind(next);
        }
      },
      yes,
      no,
    );
  }

  #port(node: Extract<Node, { kind: 'port' }>, yes: Label, no: Label): void {
    const four = label();
    const six = label();
    const ports4 = label();
    const ports6 = label();
    const protocols = node.protocol === undefined ? TRANSPORTS : [node.protocol];
    this.#load(Code.loadShort, TYPE);
    this.#oneOf(
      [
        [0x0800, four],
        [0x86dd, six],
      ],
      no,
    );
    this.#bind(four);
    const whole = label();
    this.#load(Code.loadByte, NETWORK + 9);
    this.#oneOf(
      protocols.map((number) => [number, whole]),
      no,
    );
    this.#bind(whole);
    this.#load(Code.loadShort, NETWORK + 6);
    this.#branch(Code.anyBit, 0x1fff, no, ports4);
    this.#bind(ports4);
    this.#load(Code.loadHeaderLength, NETWORK);
    this.#ends(
      node.direction,
      (isSource, matches, fails) => {
        this.#load(Code.loadShortIndexed, NETWORK + (isSource ? 0 : 2));
        this.#range(node.low, node.high, matches, fails);
      },
      yes,
      no,
    );
    this.#bind(six);
    this.#load(Code.loadByte, NETWORK + 6);
    this.#oneOf(
      protocols.map((number) => [number, ports6]),
      no,
    );
    this.#bind(ports6);
    this.#ends(
      node.direction,
      (isSource, matches, fails) => {
        this.#load(Code.loadShort, NETWORK + 40 + (isSource ? 0 : 2));
        this.#range(node.low, node.high, matches, fails);
      },
      yes,
      no,
    );
  }

  #range(low: number, high: number, yes: Label, no: Label): void {
    this.#require(Code.greaterOrEqual, low, no);
    this.#branch(Code.greater, high, no, yes);
  }

  #protocol(number: number, version: 'ip' | 'ip6' | 'any', yes: Label, no: Label): void {
    const four = label();
    const six = label();
    const types: [number, Label][] = [];
    if (version !== 'ip6') types.push([0x0800, four]);
    if (version !== 'ip') types.push([0x86dd, six]);
    this.#load(Code.loadShort, TYPE);
    this.#oneOf(types, no);
    if (version !== 'ip6') {
      this.#bind(four);
      this.#load(Code.loadByte, NETWORK + 9);
      this.#branch(Code.equal, number, yes, no);
    }
    if (version !== 'ip') {
      const fragment = label();
      const inside = label();
      this.#bind(six);
      this.#load(Code.loadByte, NETWORK + 6);
      this.#branch(Code.equal, number, yes, fragment);
      this.#bind(fragment);
      this.#branch(Code.equal, 44, inside, no);
      this.#bind(inside);
      this.#load(Code.loadByte, NETWORK + 40);
      this.#branch(Code.equal, number, yes, no);
    }
  }
}

function label(): Label {
  return { at: -1 };
}
