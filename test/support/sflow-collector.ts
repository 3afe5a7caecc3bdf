import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import type { TestContext } from 'node:test';
import {
  type CounterSampleRead,
  type FlowSampleRead,
  type SflowMessage,
  SflowReader,
} from '../../src/codec/sflow-read.js';

/** An sFlow collector that keeps what it reads; nothing may be wrong with it. */
export class SflowCollector {
  readonly messages: SflowMessage[] = [];
  readonly datagrams: Uint8Array[] = [];
  readonly port: number;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (bytes) => {
      const reader = new SflowReader();
      const message = reader.read(bytes);
      assert.deepEqual(reader.damage, {});
      assert.ok(message);
      this.messages.push(message);
      this.datagrams.push(bytes);
    });
  }

  static async open(context: TestContext): Promise<SflowCollector> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4_000_000 });
    await new Promise<void>((resolve) => {
      socket.bind(0, '127.0.0.1', resolve);
    });
    context.after(() => {
      try {
        socket.close();
      } catch {
        // The test has done it.
      }
    });
    return new SflowCollector(socket);
  }

  get flows(): FlowSampleRead[] {
    return this.messages.flatMap(({ samples }) => samples).filter((one) => one.kind === 'flow');
  }

  get counters(): CounterSampleRead[] {
    return this.messages.flatMap(({ samples }) => samples).filter((one) => one.kind === 'counters');
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(() => resolve());
    });
  }
}
