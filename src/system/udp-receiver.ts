import { isIP } from 'node:net';
import { check, type Libc, libc, SystemError } from './libc.js';
import { AF_INET, AF_INET6, addressBytes } from './socket-address.js';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const MSG_DONTWAIT = 0x40;
const IPPROTO_UDP = 17;
const ENOENT = 2;
const EPROTO = 71;
const INET_DIAG_SKMEMINFO = 7;
/** Words of the attribute: bytes that wait to be received, and how many may. */
const SK_MEMINFO_RMEM_ALLOC = 0;
const SK_MEMINFO_RCVBUF = 1;
/** Lengths of struct nlmsghdr, inet_diag_req_v2, inet_diag_msg. */
const HEADER = 16;
const REQUEST = 56;
const MESSAGE = 72;
const ANSWER_BYTES = 1024;
/** Where the socket's identity begins in the request: ports, addresses, interface, cookie. */
const ID = HEADER + 8;

/**
 * What the kernel counts against a receive buffer for a datagram of so many bytes, at the most: room for headers and
 * administration, and sizes rounded up to a power of two.
 */
function bufferBytes(payload: number): number {
  return 2 * payload + 1024;
}

/**
 * The receive buffer of the UDP socket on this machine that gets what one of ours sends: the kernel is asked for it
 * (sock_diag(7), a few µs), as nothing else pushes back on UDP.
 */
export class UdpReceiver {
  private readonly libc: Libc = libc();
  private readonly fd: number;
  private readonly request = Buffer.alloc(HEADER + REQUEST);
  private readonly answer = new ArrayBuffer(ANSWER_BYTES);
  private readonly words = new Uint32Array(this.answer);
  private readonly halves = new Uint16Array(this.answer);

  /**
   * Addresses and ports of the datagrams; both addresses are of the same family, without zones.
   * @throws SystemError where the kernel has no such thing
   */
  constructor(source: string, sourcePort: number, destination: string, destinationPort: number) {
    const { request } = this;
    const head = new Uint32Array(request.buffer, request.byteOffset, request.length / 4);
    const halves = new Uint16Array(request.buffer, request.byteOffset, request.length / 2);
    head[0] = request.length;
    halves[2] = SOCK_DIAG_BY_FAMILY;
    halves[3] = NLM_F_REQUEST;
    request[HEADER] = isIP(destination) === 6 ? AF_INET6 : AF_INET;
    request[HEADER + 1] = IPPROTO_UDP;
    request[HEADER + 2] = 1 << (INET_DIAG_SKMEMINFO - 1);
    head[(HEADER + 4) / 4] = 0xffffffff;
    request.writeUInt16BE(sourcePort, ID);
    request.writeUInt16BE(destinationPort, ID + 2);
    request.set(addressBytes(source), ID + 4);
    request.set(addressBytes(destination), ID + 20);
    // No cookie: whichever socket it is.
    head.fill(0xffffffff, (ID + 40) / 4);
    this.fd = check('socket', this.libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    try {
      this.room(0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * How many datagrams of up to `payload` bytes the socket can take now; at least 1 while its queue is empty, as one always
   * fits. Infinity where nobody listens: sending tells that.
   * @throws SystemError
   */
  room(payload: number): number {
    const { words, halves } = this;
    check('send', this.libc.send(this.fd, this.request, this.request.length, 0));
    const length = check('recv', this.libc.recv(this.fd, this.answer, ANSWER_BYTES, MSG_DONTWAIT));
    const type = halves[2];
    if (type === NLMSG_ERROR && length >= HEADER + 4) {
      const error = -(words[HEADER / 4] | 0);
      if (error === ENOENT) return Number.POSITIVE_INFINITY;
      throw new SystemError('sock_diag', error);
    }
    if (type === SOCK_DIAG_BY_FAMILY) {
      // Attributes: length and type, 16 bits each; each begins at a multiple of 4.
      for (let at = HEADER + MESSAGE; at + 12 <= length; ) {
        const size = halves[at / 2];
        if (size < 4) break;
        if (halves[at / 2 + 1] === INET_DIAG_SKMEMINFO && size >= 12) {
          const waiting = words[at / 4 + 1 + SK_MEMINFO_RMEM_ALLOC];
          const free = words[at / 4 + 1 + SK_MEMINFO_RCVBUF] - waiting;
          return Math.max(waiting === 0 ? 1 : 0, Math.floor(free / bufferBytes(payload)));
        }
        at += (size + 3) & ~3;
      }
    }
    throw new SystemError('sock_diag', EPROTO);
  }

  close(): void {
    this.libc.close(this.fd);
  }
}
