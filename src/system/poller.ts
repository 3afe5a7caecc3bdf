import { ErrorCode, RheoError } from '../core/errors.js';
import { check, type Libc, libc, loadKoffi } from './libc.js';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

type PollHandle = ReturnType<ReturnType<typeof loadKoffi>['node']['poll']>;

/**
 * Waits until one of many descriptors has something to read or an error, without holding a thread. They are gathered behind
 * one epoll descriptor: the event loop sees only that one, and an error on one of them does not end the waiting for others.
 */
export class Poller {
  private readonly libc: Libc = libc();
  private readonly epoll: number = check('epoll_create1', this.libc.epollCreate(EPOLL_CLOEXEC));
  private readonly handle: PollHandle;
  private wake: (() => void) | undefined;
  private readonly onReadable = (): void => {
    this.handle.stop();
    // From inside the callback promises would not go on: it does not come from Node.
    setImmediate(() => this.wake?.());
  };
  private closed = false;

  /** @throws SystemError; RheoError limit: the event loop takes no more descriptors */
  constructor() {
    try {
      this.handle = loadKoffi().node.poll(this.epoll, { readable: true }, this.onReadable);
    } catch (cause) {
      this.libc.close(this.epoll);
      throw new RheoError(ErrorCode.limit, `cannot wait for packets: ${(cause as Error).message}`, { cause });
    }
    this.handle.stop();
  }

  add(fd: number): void {
    // struct epoll_event is packed on some machines and has a gap on others: the events come first on all.
    const event = new Uint32Array(4);
    event[0] = EPOLLIN;
    check('epoll_ctl', this.libc.epollCtl(this.epoll, EPOLL_CTL_ADD, fd, event));
  }

  /** To be called before the descriptor is closed. */
  remove(fd: number): void {
    this.libc.epollCtl(this.epoll, EPOLL_CTL_DEL, fd, new Uint32Array(4));
  }

  /** Settles when a descriptor is ready, at the latest after `milliseconds`; at once when `close` or `interrupt` is called. One at a time. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) {
        resolve();
        return;
      }
      const timer = setTimeout(() => this.wake?.(), milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        if (!this.closed) this.handle.stop();
        resolve();
      };
      this.handle.start({ readable: true }, this.onReadable);
    });
  }

  /** Ends the waiting that is under way. */
  interrupt(): void {
    this.wake?.();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.handle.close();
    this.libc.close(this.epoll);
    this.wake?.();
  }
}
