import { check, errno, type Libc, libc, loadKoffi, SystemError } from './libc.js';
import { Region } from './memory.js';
import { AF_INET, AF_INET6, socketAddress } from './socket-address.js';

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
/** Never fragment: what is too long for the path is refused with EMSGSIZE (ip(7), ipv6(7)). */
const DO_NOT_FRAGMENT = {
  4: { level: 0, option: 10 },
  6: { level: 41, option: 23 },
} as const;
const PMTUDISC_DO = Buffer.from(Int32Array.of(2).buffer);
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const PAGE = 4096;
/** struct iovec and struct mmsghdr where pointers have 64 bits. */
const IOVEC = 16;
const MESSAGE = 64;
const MESSAGE_IOVEC = 16;
const MESSAGE_IOVECS = 24;
const POINTER_BYTES = 8;

export interface UdpSocketOptions {
  /** Address to send from. */
  readonly source?: string;
  /** Interface to send on, whatever the routes say (socket(7), SO_BINDTODEVICE). */
  readonly device?: string;
}

/** True where `DatagramBatch` can work: system calls can be made, and pointers are as it takes them to be. */
export function canSendBatches(): boolean {
  try {
    return loadKoffi().sizeof('void *') === POINTER_BYTES;
  } catch {
    return false;
  }
}

/**
 * A UDP socket that does not block and whose datagrams are not fragmented, for `dgram`'s `bind({ fd })`, which closes it.
 * @returns its file descriptor
 * @throws SystemError where the address or the interface is missing, or the right to bind to it
 */
export function openUdpSocket(family: 4 | 6, { source, device }: UdpSocketOptions): number {
  const c = libc();
  const fd = check('socket', c.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    const { level, option } = DO_NOT_FRAGMENT[family];
    check('IP_MTU_DISCOVER', c.setsockopt(fd, level, option, PMTUDISC_DO, PMTUDISC_DO.length));
    if (device !== undefined) {
      const name = Buffer.from(`${device}\0`);
      const bound = c.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
      check(`binding a socket to the interface ${device}`, bound);
    }
    if (source !== undefined) {
      const address = socketAddress(source, 0);
      check(`binding a socket to ${source}`, c.bind(fd, address, address.length));
    }
  } catch (error) {
    c.close(fd);
    throw error;
  }
  return fd;
}

/**
 * Datagrams that go to the kernel together, sendmmsg(2): memory for `capacity` of them, filled from the first on, sent in
 * order. The socket must be connected.
 */
export class DatagramBatch {
  readonly capacity: number;
  /** Datagrams in it, and how many of them were sent or dropped. */
  count = 0;
  done = 0;
  private readonly libc: Libc = libc();
  private readonly region: Region;
  private readonly bytes: Uint8Array;
  private readonly lengths: Uint32Array;
  private readonly slotBytes: number;
  private readonly messages: number;

  /** @param mostBytes length of the longest datagram */
  constructor(capacity: number, mostBytes: number) {
    this.capacity = capacity;
    this.slotBytes = (mostBytes + 63) & ~63;
    const iovecs = capacity * this.slotBytes;
    const messages = iovecs + capacity * IOVEC;
    this.region = new Region((messages + capacity * MESSAGE + PAGE - 1) & -PAGE);
    const { address, buffer } = this.region;
    this.bytes = new Uint8Array(buffer, 0, iovecs);
    this.lengths = new Uint32Array(buffer, iovecs);
    this.messages = address + messages;
    const words = new BigUint64Array(buffer);
    for (let k = 0; k < capacity; k++) {
      words[(iovecs + k * IOVEC) / 8] = BigInt(address + k * this.slotBytes);
      const message = messages + k * MESSAGE;
      words[(message + MESSAGE_IOVEC) / 8] = BigInt(address + iovecs + k * IOVEC);
      words[(message + MESSAGE_IOVECS) / 8] = 1n;
    }
  }

  /**
   * Copies one more; `count` must be below `capacity`.
   * @throws RangeError for one that has no place
   */
  add(datagram: Uint8Array): void {
    const { count, slotBytes } = this;
    if (count >= this.capacity || datagram.length > slotBytes) throw new RangeError('no room for the datagram');
    this.bytes.set(datagram, count * slotBytes);
    // The lower half of iov_len; which half comes first is the machine's own matter.
    this.lengths[count * (IOVEC / 4) + LENGTH_WORD] = datagram.length;
    this.count = count + 1;
  }

  /** Length in bytes of the next one to go. */
  private get nextBytes(): number {
    return this.lengths[this.done * (IOVEC / 4) + LENGTH_WORD];
  }

  /** A copy of the next one to go. */
  next(): Buffer {
    const from = this.done * this.slotBytes;
    return Buffer.from(this.bytes.subarray(from, from + this.nextBytes));
  }

  /**
   * Sends the next ones, `most` at the most; `done` moves on.
   * @returns how many the kernel took, at least one, or why it took not even the next
   */
  send(fd: number, most: number): number | SystemError {
    for (;;) {
      const sent = this.libc.sendmmsg(fd, this.messages + this.done * MESSAGE, most, MSG_DONTWAIT);
      if (sent > 0) {
        this.done += sent;
        return sent;
      }
      const number = errno();
      if (number !== EINTR) return new SystemError('sendmmsg', number);
    }
  }

  /** Empty again. */
  clear(): void {
    this.count = 0;
    this.done = 0;
  }
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** Word of struct iovec with the lower half of its length. */
const LENGTH_WORD = littleEndian ? 2 : 3;
