import { check, errno, type Libc, libc, SystemError } from './libc.js';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const RTMGRP_LINK = 1;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;

const EINTR = 4;
const EBUSY = 16;
const ENOBUFS = 105;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_STATS64 = 23;
const IFLA_EXT_MASK = 29;
const IFLA_PROMISCUITY = 30;
const RTEXT_FILTER_SKIP_STATS = 8;

const IFF_UP = 1;
const IFF_RUNNING = 0x40;

/** Words of 64 bits of struct rtnl_link_stats64 that every kernel since 2.6.35 has. */
const STATISTICS_WORDS = 23;

/** Lengths of struct nlmsghdr and struct ifinfomsg. */
const HEADER = 16;
const LINK_HEADER = 16;
/** Longer than any message of a dump. */
const RECEIVE_BYTES = 1 << 18;
/** A dump that the kernel says was disturbed by a change is asked for again, so often at the most. */
const MAX_TRIES = 5;

/** An interface of this machine, as the kernel describes it. */
export interface Link {
  /** Interface index (RFC 2863); a new one each time that an interface is made. */
  readonly index: number;
  readonly name: string;
  /** ARP hardware type: 1 is Ethernet. */
  readonly hardware: number;
  /** Administratively up, and with a carrier. */
  readonly up: boolean;
  /** Bytes; 0 if unknown. */
  readonly mtu: number;
}

/** What the kernel has counted at an interface. */
export interface LinkStatistics extends Link {
  readonly administrativelyUp: boolean;
  readonly promiscuous: boolean;
  /** The first words of struct rtnl_link_stats64 (linux/if_link.h), in its order. */
  readonly values: readonly bigint[];
}

/**
 * The interfaces of a network namespace, that in which it was opened: a list when asked for, and a descriptor that becomes
 * readable when something changed. rtnetlink(7).
 */
export class LinkMonitor {
  /** Becomes readable when an interface came, went or changed. */
  readonly changes: number;
  private readonly libc: Libc = libc();
  private readonly requests: number;
  private readonly bytes = Buffer.alloc(RECEIVE_BYTES);
  private sequence = 0;

  /** @throws SystemError */
  constructor() {
    this.requests = this.open(0);
    try {
      this.changes = this.open(RTMGRP_LINK);
    } catch (error) {
      this.libc.close(this.requests);
      throw error;
    }
  }

  /** Takes the notices of changes away. True if there were any, or if some were lost: it is time to read the list. */
  changed(): boolean {
    let some = false;
    for (;;) {
      const length = this.libc.recv(this.changes, this.bytes, this.bytes.length, MSG_DONTWAIT);
      if (length === -1 && errno() === ENOBUFS) some = true;
      else if (length <= 0) return some;
      else some = true;
    }
  }

  /** All interfaces now. @throws SystemError */
  list(): Link[] {
    for (let tries = 1; ; tries++) {
      const links: Link[] = [];
      const take = (message: Buffer): void => {
        const link = readLink(message);
        if (link !== undefined) links.push(link);
      };
      if (this.dump(RTEXT_FILTER_SKIP_STATS, take) || tries === MAX_TRIES) return links;
    }
  }

  /** All interfaces with their counters; those without any are left out. @throws SystemError */
  statistics(): LinkStatistics[] {
    for (let tries = 1; ; tries++) {
      const links: LinkStatistics[] = [];
      const take = (message: Buffer): void => {
        const link = readStatistics(message);
        if (link !== undefined) links.push(link);
      };
      if (this.dump(0, take) || tries === MAX_TRIES) return links;
    }
  }

  close(): void {
    this.libc.close(this.requests);
    this.libc.close(this.changes);
  }

  private open(groups: number): number {
    const fd = check('socket', this.libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    const address = new Uint8Array(12);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_NETLINK, littleEndian);
    view.setUint32(8, groups, littleEndian);
    // Best effort: if notices are lost, the list is read anyway.
    this.libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Int32Array.of(1 << 20), 4);
    if (this.libc.bind(fd, address, address.length) !== -1) return fd;
    const error = new SystemError('bind', errno());
    this.libc.close(fd);
    throw error;
  }

  /** False if the list changed while it was read, or one that was broken off was still on its way. */
  private dump(mask: number, take: (message: Buffer) => void): boolean {
    const length = HEADER + LINK_HEADER + 8;
    const request = new DataView(new ArrayBuffer(length));
    request.setUint32(0, length, littleEndian);
    request.setUint16(4, RTM_GETLINK, littleEndian);
    request.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, littleEndian);
    request.setUint32(8, ++this.sequence, littleEndian);
    request.setUint16(HEADER + LINK_HEADER, 8, littleEndian);
    request.setUint16(HEADER + LINK_HEADER + 2, IFLA_EXT_MASK, littleEndian);
    request.setUint32(HEADER + LINK_HEADER + 4, mask, littleEndian);
    check('send', this.libc.send(this.requests, request, length, 0));
    for (let whole = true; ; ) {
      const received = this.libc.recv(this.requests, this.bytes, this.bytes.length, 0);
      if (received === -1 && errno() === EINTR) continue;
      if (received === 0) throw new SystemError('netlink', 0);
      check('recv', received);
      for (let at = 0; at + HEADER <= received; ) {
        const size = read32(this.bytes, at);
        const type = read16(this.bytes, at + 4);
        if (size < HEADER || at + size > received) throw new SystemError('netlink', 0);
        const next = at + ((size + 3) & ~3);
        if (read32(this.bytes, at + 8) !== this.sequence) {
          // The rest of a dump that failed in its middle.
          at = next;
          continue;
        }
        if ((read16(this.bytes, at + 6) & NLM_F_DUMP_INTR) !== 0) whole = false;
        if (type === NLMSG_DONE) return whole;
        if (type === NLMSG_ERROR) {
          const error = -(read32(this.bytes, at + HEADER) | 0);
          if (error === EBUSY) {
            this.drain();
            return false;
          }
          throw new SystemError('RTM_GETLINK', error);
        }
        if (type === RTM_NEWLINK) take(this.bytes.subarray(at + HEADER, at + size));
        at = next;
      }
    }
  }

  /** Takes away the rest of a dump that was broken off: the kernel makes it as it is read, and no other one before its end. */
  private drain(): void {
    while (this.libc.recv(this.requests, this.bytes, this.bytes.length, MSG_DONTWAIT) > 0);
  }
}

/** struct ifinfomsg and its attributes. Undefined if it has no name. */
function readLink(bytes: Buffer): Link | undefined {
  if (bytes.length < LINK_HEADER) return undefined;
  let name: string | undefined;
  let mtu = 0;
  for (let at = LINK_HEADER; at + 4 <= bytes.length; ) {
    const size = read16(bytes, at);
    if (size < 4 || at + size > bytes.length) break;
    const type = read16(bytes, at + 2) & 0x3fff;
    if (type === IFLA_IFNAME && size > 5) name = bytes.toString('utf8', at + 4, at + size - 1);
    else if (type === IFLA_MTU && size >= 8) mtu = read32(bytes, at + 4);
    at += (size + 3) & ~3;
  }
  if (name === undefined) return undefined;
  const flags = read32(bytes, 8);
  const up = (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0;
  return { index: read32(bytes, 4), name, hardware: read16(bytes, 2), up, mtu };
}

function readStatistics(bytes: Buffer): LinkStatistics | undefined {
  const link = readLink(bytes);
  if (link === undefined) return undefined;
  let values: bigint[] | undefined;
  let promiscuous = false;
  for (let at = LINK_HEADER; at + 4 <= bytes.length; ) {
    const size = read16(bytes, at);
    if (size < 4 || at + size > bytes.length) break;
    const type = read16(bytes, at + 2) & 0x3fff;
    if (type === IFLA_STATS64 && size >= 4 + STATISTICS_WORDS * 8) {
      values = Array.from({ length: STATISTICS_WORDS }, (_, k) => read64(bytes, at + 4 + k * 8));
    } else if (type === IFLA_PROMISCUITY && size >= 8) promiscuous = read32(bytes, at + 4) > 0;
    at += (size + 3) & ~3;
  }
  if (values === undefined) return undefined;
  return { ...link, administrativelyUp: (read32(bytes, 8) & IFF_UP) !== 0, promiscuous, values };
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function read16(bytes: Buffer, at: number): number {
  return littleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}

function read32(bytes: Buffer, at: number): number {
  return littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

function read64(bytes: Buffer, at: number): bigint {
  return littleEndian ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
}
