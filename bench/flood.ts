/**
 * Sends frames out of an interface as fast as one thread can: `node flood.js DEVICE BYTES FLOWS SECONDS [PER_SECOND]`, in
 * the network namespace in which it is started. UDP over IPv4 to a MAC address that nobody has, so that the stack on the
 * other side drops them early. Prints the number of frames that the kernel took.
 */
import { fileURLToPath } from 'node:url';
import { check, libc, loadKoffi } from '../src/system/libc.js';
import { LinkMonitor } from '../src/system/links.js';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;
/** Frames that are handed over in one call. */
const BURST = 512;
/** struct iovec, struct mmsghdr. */
const IOVEC = 16;
const MESSAGE = 64;
const HEADERS = 42;

export interface Flood {
  device: string;
  /** Length of a frame, 60 … 1514. */
  bytes: number;
  /** Different flows, one packet of each in turn. */
  flows: number;
  seconds: number;
  /** Frames a second; 0: as many as possible. */
  perSecond: number;
}

/** @returns frames sent */
export function flood({ device, bytes, flows, seconds, perSecond }: Flood): number {
  const calls = libc();
  const koffi = loadKoffi();
  const sendmmsg = koffi.load(null).func('int sendmmsg(int, uintptr_t, unsigned int, int)');
  const monitor = new LinkMonitor();
  const link = monitor.list().find(({ name }) => name === device);
  monitor.close();
  if (link === undefined) throw new Error(`no interface ${device}`);
  const fd = check('socket', calls.socket(AF_PACKET, SOCK_RAW, 0));
  const address = new Uint8Array(20);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_PACKET;
  new Int32Array(address.buffer, 4, 1)[0] = link.index;
  check('bind', calls.bind(fd, address, address.length));
  check('setsockopt', calls.setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, Int32Array.of(1), 4));

  // Frames, then iovecs, then messages, in memory that does not move.
  const stride = (bytes + 63) & ~63;
  const iovecs = BURST * stride;
  const messages = iovecs + BURST * IOVEC;
  const length = (messages + BURST * MESSAGE + 4095) & ~4095;
  const base = check('mmap', Number(calls.mmap(0, length, 3, 0x22, -1, 0)));
  const view = new DataView(koffi.view(BigInt(base), length));
  for (let i = 0; i < BURST; i++) {
    writeFrame(view, i * stride, bytes);
    view.setBigUint64(iovecs + i * IOVEC, BigInt(base + i * stride), true);
    view.setBigUint64(iovecs + i * IOVEC + 8, BigInt(bytes), true);
    view.setBigUint64(messages + i * MESSAGE + 16, BigInt(base + iovecs + i * IOVEC), true);
    view.setBigUint64(messages + i * MESSAGE + 24, 1n, true);
  }

  let sent = 0;
  let flow = 0;
  const start = performance.now();
  for (let now = start; now < start + seconds * 1000; now = performance.now()) {
    if (perSecond > 0 && sent > ((now - start) / 1000) * perSecond) {
      Atomics.wait(PAUSE, 0, 0, 1);
      continue;
    }
    for (let i = 0; i < BURST; i++) {
      // 4,096 ports an address: flows differ in both.
      view.setUint32(i * stride + 26, 0x0a000000 + (flow >>> 12));
      view.setUint16(i * stride + 34, 1024 + (flow & 4095));
      flow = flow + 1 === flows ? 0 : flow + 1;
    }
    for (let done = 0; done < BURST; ) {
      const count = sendmmsg(fd, base + messages + done * MESSAGE, BURST - done, 0);
      if (count > 0) {
        done += count;
        sent += count;
      } else if (performance.now() > start + seconds * 1000) break;
    }
  }
  calls.close(fd);
  return sent;
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

function writeFrame(view: DataView, at: number, bytes: number): void {
  const head = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0];
  for (const [k, byte] of head.entries()) view.setUint8(at + k, byte);
  view.setUint8(at + 14, 0x45);
  view.setUint16(at + 16, bytes - 14);
  view.setUint8(at + 22, 64);
  view.setUint8(at + 23, 17);
  view.setUint32(at + 30, 0xc0000202);
  view.setUint16(at + 36, 53);
  view.setUint16(at + 38, bytes - HEADERS + 8);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [device, bytes, flows, seconds, perSecond] = process.argv.slice(2);
  const sent = flood({
    device,
    bytes: Number(bytes),
    flows: Number(flows),
    seconds: Number(seconds),
    perSecond: Number(perSecond ?? 0),
  });
  process.stdout.write(`${sent}\n`);
}
