import { check, type Libc, libc, loadKoffi, SystemError } from './libc.js';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
/** ETH_P_ALL in network order, as a 16-bit number of this machine. */
const ALL_PROTOCOLS = Uint8Array.of(0, 3);

const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const PACKET_VNET_HDR = 15;
const PACKET_TIMESTAMP = 17;
const PACKET_FANOUT = 18;
const PACKET_FANOUT_DATA = 22;
const PACKET_MR_PROMISC = 1;
const PACKET_FANOUT_CBPF = 6;
const TPACKET_V3 = 2;
const SOF_TIMESTAMPING_RAW_HARDWARE = 1 << 6;
/** Frames have no fixed size in version 3; the kernel wants one that divides the block all the same. */
const FRAME_BYTES = 2048;

/** An instruction of classic BPF: struct sock_filter. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export interface RingSize {
  readonly blockBytes: number;
  readonly blocks: number;
  /** A block that has packets is handed over after this time, though it be not full. */
  readonly retireMilliseconds: number;
  /** Bytes left free before each frame. */
  readonly headroom: number;
}

/**
 * A packet socket, packet(7), with the calls that a TPACKET_V3 ring needs. It receives nothing until `bind`.
 * All methods throw SystemError.
 */
export class PacketSocket {
  readonly fd: number;
  /** Packets that the kernel had for the socket, and those of them that it dropped; as of the last `readStatistics`. */
  packets = 0;
  dropped = 0;
  private readonly libc: Libc = libc();
  private readonly statistics = new Uint32Array(3);
  private readonly statisticsLength = new Uint32Array(1);

  constructor() {
    this.fd = check('socket', this.libc.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  }

  close(): void {
    this.libc.close(this.fd);
  }

  /** Puts a filter in the place of the one before, without a gap. */
  attachFilter(program: readonly BpfInstruction[]): void {
    check('SO_ATTACH_FILTER', setProgram(this.fd, SOL_SOCKET, SO_ATTACH_FILTER, program));
  }

  /** The kernel stamps with the clock of the network card where its driver does that. */
  preferHardwareTime(): void {
    this.set(PACKET_TIMESTAMP, SOF_TIMESTAMPING_RAW_HARDWARE, 'PACKET_TIMESTAMP');
  }

  /** Puts a struct virtio_net_hdr (10 bytes) before each frame, which tells frames of segmentation offload. */
  describeOffload(): void {
    this.set(PACKET_VNET_HDR, 1, 'PACKET_VNET_HDR');
  }

  /** Makes the ring; `Region.map` then maps it. */
  makeRing(ring: RingSize): void {
    this.set(PACKET_VERSION, TPACKET_V3, 'PACKET_VERSION');
    this.set(PACKET_RESERVE, ring.headroom, 'PACKET_RESERVE');
    const frames = (ring.blockBytes / FRAME_BYTES) * ring.blocks;
    // struct tpacket_req3
    const request = Uint32Array.of(ring.blockBytes, ring.blocks, FRAME_BYTES, frames, ring.retireMilliseconds, 0, 0);
    check('PACKET_RX_RING', this.libc.setsockopt(this.fd, SOL_PACKET, PACKET_RX_RING, request, request.byteLength));
  }

  /** @param index of the interface; 0: all of them */
  bind(index: number): void {
    const address = new Uint8Array(20);
    new Uint16Array(address.buffer, 0, 1)[0] = AF_PACKET;
    address.set(ALL_PROTOCOLS, 2);
    new Int32Array(address.buffer, 4, 1)[0] = index;
    check('bind', this.libc.bind(this.fd, address, address.length));
  }

  /** Also receives what is for other machines; ends when the socket is closed. */
  promiscuous(index: number): void {
    const request = new Int32Array(4);
    request[0] = index;
    new Uint16Array(request.buffer, 4, 1)[0] = PACKET_MR_PROMISC;
    check(
      'PACKET_ADD_MEMBERSHIP',
      this.libc.setsockopt(this.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, request.byteLength),
    );
  }

  /**
   * Joins sockets that share the packets of one interface; `program` says which of them gets a packet: what it returns,
   * modulo the number of sockets. To be called after `bind`.
   * @param group number of the group in this namespace, 16 bits
   */
  joinFanout(group: number, program: readonly BpfInstruction[]): void {
    this.set(PACKET_FANOUT, group | (PACKET_FANOUT_CBPF << 16), 'PACKET_FANOUT');
    check('PACKET_FANOUT_DATA', setProgram(this.fd, SOL_PACKET, PACKET_FANOUT_DATA, program));
  }

  /** Adds what the kernel has counted since the last time; it starts anew whenever it is asked. */
  readStatistics(): void {
    const { statistics, statisticsLength } = this;
    statisticsLength[0] = statistics.byteLength;
    check(
      'PACKET_STATISTICS',
      this.libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, statistics, statisticsLength),
    );
    this.packets += statistics[0];
    this.dropped += statistics[1];
  }

  /** Takes the error of the socket away and gives it back: undefined if there is none. ENETDOWN: the interface went down. */
  takeError(): SystemError | undefined {
    const error = new Int32Array(1);
    check('SO_ERROR', this.libc.getsockopt(this.fd, SOL_SOCKET, SO_ERROR, error, Uint32Array.of(4)));
    return error[0] === 0 ? undefined : new SystemError('packet socket', error[0]);
  }

  private set(name: number, value: number, call: string): void {
    check(call, this.libc.setsockopt(this.fd, SOL_PACKET, name, Int32Array.of(value), 4));
  }
}

type SetProgram = (fd: number, level: number, name: number, program: object, length: number) => number;
let callSetProgram: SetProgram | undefined;
let programLength = 0;

/** setsockopt with a struct sock_fprog: number of instructions and pointer to them. */
function setProgram(fd: number, level: number, name: number, program: readonly BpfInstruction[]): number {
  if (callSetProgram === undefined) {
    const koffi = loadKoffi();
    const type = koffi.struct({ len: 'uint16', filter: 'void *' });
    programLength = type.size;
    callSetProgram = koffi
      .load(null)
      .func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(type), 'uint32']) as unknown as SetProgram;
  }
  const instructions = new Uint32Array(program.length * 2);
  const halves = new Uint16Array(instructions.buffer);
  const octets = new Uint8Array(instructions.buffer);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    halves[i * 4] = code;
    octets[i * 8 + 2] = jt;
    octets[i * 8 + 3] = jf;
    instructions[i * 2 + 1] = k;
  }
  return callSetProgram(fd, level, name, { len: program.length, filter: instructions }, programLength);
}
