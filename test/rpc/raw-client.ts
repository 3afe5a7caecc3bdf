import { createConnection, type Socket } from 'node:net';
import { inTime } from './until.js';

/** A client that sends any bytes and keeps what comes back. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  /** Set when the other side is gone. */
  ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    const gone = (): void => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', gone);
    socket.on('close', gone);
  }

  static async connect(path: string): Promise<RawClient> {
    for (;;) {
      const client = await RawClient.#once(path);
      if (client !== undefined) return client;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Undefined if the queue of the listener is full. */
  static #once(path: string): Promise<RawClient | undefined> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ path, allowHalfOpen: true });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EAGAIN') resolve(undefined);
        else reject(error);
      });
      socket.once('connect', () => resolve(new RawClient(socket)));
    });
  }

  /** Waits until what came back is as wanted, or nothing more will come. */
  async until(wanted: (text: string) => boolean): Promise<string> {
    while (!wanted(this.text) && !this.ended) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await inTime(woken, () => `still waiting, with ${JSON.stringify(this.text.slice(-200))}`);
    }
    return this.text;
  }

  /** Sends a line and gives the answer that comes for it. */
  async ask(message: unknown): Promise<Record<string, unknown>> {
    this.text = '';
    this.socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
    const text = await this.until((come) => come.includes('\n'));
    return JSON.parse(text.split('\n', 1)[0]) as Record<string, unknown>;
  }

  async gone(): Promise<string> {
    return this.until(() => false);
  }

  close(): void {
    this.socket.destroy();
  }
}

export function request(method: string, params?: unknown, id: unknown = 1): Record<string, unknown> {
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) };
}
