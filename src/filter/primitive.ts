import { ipv6Mask, maskWord, parseDotted, parseIpv6, parseMac } from './address.js';
import type { AddressFamily, Direction, Node } from './ast.js';
import type { Cursor } from './cursor.js';
import { filterError, quote } from './error.js';
import { etherTypeNumber, IP_PROTOCOLS, ipProtocolNumber, LINK_WORDS, serviceByName } from './names.js';

/** What a value means: `tcp src port` and the like. */
export interface Qualifier {
  readonly at: number;
  /** Keyword before the direction, undefined if there is none. */
  readonly protocol: string | undefined;
  readonly direction: Direction;
  /** `host` also if only a direction was given. */
  readonly type: 'host' | 'net' | 'port' | 'portrange' | 'proto';
}

const PORT_PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];

/** Reads one value and makes a primitive of it and the qualifier. */
export function primitive(cursor: Cursor, qualifier: Qualifier | undefined): Node {
  const { token, expression } = cursor;
  const { at, text } = token;
  if (token.kind === 'end') {
    throw filterError(expression, at, 'the expression ends where an address, port or protocol should be');
  }
  if (token.kind === 'operator' || token.kind === 'keyword') {
    const escaped = token.kind === 'keyword' && qualifier?.type === 'proto' ? `write \\${text}` : undefined;
    throw filterError(
      expression,
      at,
      `expected an address, port or protocol here, found ${quote(text)}`,
      escaped ?? (token.kind === 'keyword' ? 'a name that is also a keyword is written with \\ before it' : undefined),
    );
  }
  if (qualifier === undefined) {
    throw filterError(
      expression,
      at,
      `nothing says what ${quote(text)} is`,
      token.kind === 'mac' ? `write ether host ${text}` : 'put host, net, port or proto before it',
    );
  }
  cursor.advance();
  switch (token.kind) {
    case 'number':
      return ofNumber(expression, at, token.value, qualifier);
    case 'name':
      return ofName(expression, at, text, qualifier);
    case 'ipv4':
      return ofIpv4(cursor, at, text, qualifier);
    case 'ipv6':
      return ofIpv6(cursor, at, text, qualifier);
    case 'mac':
      if (qualifier.type !== 'host' || !isLink(qualifier)) {
        throw filterError(expression, at, `${quote(text)} is an Ethernet address`, `write ether host ${text}`);
      }
      return { kind: 'mac', at, direction: qualifier.direction, address: parseMac(text) };
  }
}

function isLink(qualifier: Qualifier): boolean {
  return qualifier.protocol !== undefined && LINK_WORDS.includes(qualifier.protocol);
}

function ofNumber(expression: string, at: number, value: number, qualifier: Qualifier): Node {
  switch (qualifier.type) {
    case 'port':
    case 'portrange':
      return port(expression, at, qualifier, value, value, portProtocol(expression, qualifier));
    case 'proto':
      return protocol(expression, at, qualifier, value);
    case 'net': {
      // As in libpcap, `net 10` is 10.0.0.0/8.
      let address = value;
      let bits = 32;
      while (address !== 0 && address < 0x1000000) {
        address *= 256;
        bits -= 8;
      }
      return host4(expression, at, qualifier, address, bits);
    }
    case 'host':
      return host4(expression, at, qualifier, value, 32);
  }
}

function ofIpv4(cursor: Cursor, at: number, text: string, qualifier: Qualifier): Node {
  const { expression } = cursor;
  const parsed = parseDotted(text);
  if (parsed === undefined) throw filterError(expression, at, `${quote(text)} is not an IPv4 address`);
  let bits = parsed.bits;
  let mask: number | undefined;
  if (cursor.isOperator('/')) {
    cursor.advance();
    bits = prefixLength(cursor, 32);
    mask = maskWord(bits);
  } else if (cursor.isKeyword('mask')) {
    cursor.advance();
    const { token } = cursor;
    const maskText = token.kind === 'ipv4' ? parseDotted(token.text) : undefined;
    if (maskText === undefined) throw filterError(expression, token.at, 'expected a mask like 255.255.0.0 here');
    cursor.advance();
    mask = maskText.address | 0;
  }
  if (mask !== undefined) {
    if (qualifier.type !== 'net') {
      throw filterError(expression, at, 'a mask belongs to a network', `write net ${text}…`);
    }
    if ((parsed.address & ~mask) !== 0) {
      throw filterError(expression, at, `${quote(text)} has bits outside its mask`, 'set them to zero');
    }
    return host4(expression, at, qualifier, parsed.address, mask, true);
  }
  return host4(expression, at, qualifier, parsed.address, bits);
}

function prefixLength(cursor: Cursor, limit: number): number {
  const { token } = cursor;
  if (token.kind !== 'number' || token.value > limit) {
    throw filterError(cursor.expression, token.at, `expected a prefix length of at most ${limit} here`);
  }
  cursor.advance();
  return token.value;
}

function host4(
  expression: string,
  at: number,
  qualifier: Qualifier,
  address: number,
  bitsOrMask: number,
  isMask = false,
): Node {
  if (qualifier.type !== 'host' && qualifier.type !== 'net') throw addressAsPort(expression, at, qualifier);
  const family = qualifier.protocol ?? 'any';
  if (family === 'ip6') {
    throw filterError(expression, at, 'this is an IPv4 address, but "ip6" stands before it');
  }
  if (family !== 'any' && family !== 'ip' && family !== 'arp' && family !== 'rarp') {
    throw wrongProtocol(expression, qualifier);
  }
  return {
    kind: 'host4',
    at,
    family: family satisfies AddressFamily,
    direction: qualifier.direction,
    address: address | 0,
    mask: isMask ? bitsOrMask : maskWord(bitsOrMask),
  };
}

function ofIpv6(cursor: Cursor, at: number, text: string, qualifier: Qualifier): Node {
  const { expression } = cursor;
  const address = parseIpv6(text);
  if (address === undefined) throw filterError(expression, at, `${quote(text)} is not an IPv6 address`);
  let bits = 128;
  if (cursor.isOperator('/')) {
    cursor.advance();
    bits = prefixLength(cursor, 128);
    if (qualifier.type !== 'net' && bits !== 128) {
      throw filterError(expression, at, 'a prefix length belongs to a network', `write net ${text}/${bits}`);
    }
  }
  if (qualifier.type !== 'host' && qualifier.type !== 'net') throw addressAsPort(expression, at, qualifier);
  if (qualifier.protocol !== undefined && qualifier.protocol !== 'ip6') {
    if (['ip', 'arp', 'rarp'].includes(qualifier.protocol)) {
      throw filterError(expression, at, `this is an IPv6 address, but "${qualifier.protocol}" stands before it`);
    }
    throw wrongProtocol(expression, qualifier);
  }
  const mask = ipv6Mask(bits);
  if (address.some((word, k) => (word & ~(mask[k] ?? 0)) !== 0)) {
    throw filterError(expression, at, `${quote(text)} has bits outside its prefix`, 'set them to zero');
  }
  return { kind: 'host6', at, direction: qualifier.direction, address, mask };
}

function addressAsPort(expression: string, at: number, qualifier: Qualifier): Error {
  return filterError(expression, at, `an address cannot follow "${qualifier.type}"`, 'put host or net before it');
}

function wrongProtocol(expression: string, qualifier: Qualifier): Error {
  const word = qualifier.protocol ?? '';
  if (isLink(qualifier)) {
    return filterError(expression, qualifier.at, `"${word}" takes an Ethernet address, not one of IP`);
  }
  return filterError(
    expression,
    qualifier.at,
    `"${word}" cannot qualify ${qualifier.type}`,
    `write ${word} and ${qualifier.type} …`,
  );
}

function ofName(expression: string, at: number, text: string, qualifier: Qualifier): Node {
  switch (qualifier.type) {
    case 'host':
    case 'net':
      throw filterError(
        expression,
        at,
        `${quote(text)} is a name, and names are not looked up`,
        `give the address${isLink(qualifier) ? '' : `: host 192.0.2.1, net 2001:db8::/32`}`,
      );
    case 'proto': {
      const number = isLink(qualifier) ? etherTypeNumber(text) : ipProtocolNumber(text);
      if (number === undefined) {
        throw filterError(expression, at, `the protocol ${quote(text)} is not known`, 'give its number');
      }
      return protocol(expression, at, qualifier, number);
    }
    case 'port': {
      const service = namedPort(expression, at, text);
      const wanted = transportOf(expression, at, text, qualifier, service.protocol);
      return port(expression, at, qualifier, service.port, service.port, wanted);
    }
    case 'portrange': {
      const range = /^(\d+)-(\d+)$/.exec(text);
      if (range !== null) {
        const transport = portProtocol(expression, qualifier);
        return port(expression, at, qualifier, Number(range[1]), Number(range[2]), transport);
      }
      const dash = text.indexOf('-');
      if (dash < 0) throw filterError(expression, at, 'expected a range like 8000-8080 here');
      const low = namedPort(expression, at, text.slice(0, dash));
      const high = namedPort(expression, at, text.slice(dash + 1));
      const common = low.protocol === high.protocol ? low.protocol : undefined;
      const wanted = transportOf(expression, at, text, qualifier, common);
      return port(expression, at, qualifier, low.port, high.port, wanted);
    }
  }
}

function namedPort(expression: string, at: number, text: string): { port: number; protocol: number | undefined } {
  if (/^\d+$/.test(text)) return { port: Number(text), protocol: undefined };
  const service = serviceByName(text);
  if (service === undefined) {
    throw filterError(expression, at, `the service ${quote(text)} is not known`, 'give the number of its port');
  }
  return service;
}

/** The transport that the qualifier asks for, if a name is registered for it. */
function transportOf(
  expression: string,
  at: number,
  text: string,
  qualifier: Qualifier,
  registered: number | undefined,
): number | undefined {
  const wanted = portProtocol(expression, qualifier);
  if (wanted !== undefined && registered !== undefined && wanted !== registered) {
    const only = registered === 6 ? 'tcp' : 'udp';
    throw filterError(
      expression,
      at,
      `${quote(text)} is a service of ${only}`,
      `write ${only} or the number of the port`,
    );
  }
  return wanted ?? registered;
}

function portProtocol(expression: string, qualifier: Qualifier): number | undefined {
  const word = qualifier.protocol;
  if (word === undefined) return undefined;
  if (!PORT_PROTOCOLS.includes(word)) {
    throw filterError(
      expression,
      qualifier.at,
      `"${word}" cannot qualify ${qualifier.type}, only tcp, udp and sctp can`,
      `write ${word} and ${qualifier.type} …`,
    );
  }
  return IP_PROTOCOLS.get(word)?.number;
}

function port(
  expression: string,
  at: number,
  qualifier: Qualifier,
  first: number,
  second: number,
  transport: number | undefined,
): Node {
  const low = Math.min(first, second);
  const high = Math.max(first, second);
  if (high > 65535) throw filterError(expression, at, 'a port is at most 65535');
  return { kind: 'port', at, protocol: transport, direction: qualifier.direction, low, high };
}

function protocol(expression: string, at: number, qualifier: Qualifier, number: number): Node {
  const word = qualifier.protocol;
  if (isLink(qualifier)) return { kind: 'etherType', at, number };
  if (word === undefined || word === 'ip' || word === 'ip6') {
    return { kind: 'protocol', at, version: word ?? 'any', number };
  }
  throw filterError(
    expression,
    qualifier.at,
    `"${word}" cannot qualify proto`,
    'write ip proto, ip6 proto or ether proto',
  );
}
