import { check, libc } from '../../src/system/libc.js';
import { LinkMonitor } from '../../src/system/links.js';
import { inNetns } from '../../src/system/netns.js';

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 0o2000003;
const EAGAIN_PAUSE_MS = 1;

/** Sends frames as they are out of an interface in a namespace. */
export class RawSender {
  readonly fd: number;
  private readonly address = new Uint8Array(20);

  constructor(netns: string, device: string) {
    this.fd = inNetns(netns, () => {
      const monitor = new LinkMonitor();
      const link = monitor.list().find(({ name }) => name === device);
      monitor.close();
      if (link === undefined) throw new Error(`no interface ${device} in ${netns}`);
      new Uint16Array(this.address.buffer, 0, 1)[0] = AF_PACKET;
      new Int32Array(this.address.buffer, 4, 1)[0] = link.index;
      // Protocol 0: this socket receives nothing.
      return check('socket', libc().socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0));
    });
    check('bind', libc().bind(this.fd, this.address, this.address.length));
  }

  /** Sends a frame. @returns false if the queue is full */
  send(frame: Uint8Array): boolean {
    return libc().send(this.fd, frame, frame.length, 0) === frame.length;
  }

  /** Sends frames, all of them, in order. */
  async sendAll(frames: Iterable<Uint8Array>): Promise<void> {
    for (const frame of frames) {
      while (!this.send(frame)) await new Promise((resolve) => setTimeout(resolve, EAGAIN_PAUSE_MS));
    }
  }

  close(): void {
    libc().close(this.fd);
  }
}
