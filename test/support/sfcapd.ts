import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

/** nfdump's sFlow collector, on loopback. */
export class Sfcapd {
  readonly port: number;
  private readonly child: ChildProcess;
  private readonly folder: string;
  private told = '';

  private constructor(context: TestContext, port: number) {
    this.port = port;
    this.folder = mkdtempSync(path.join(tmpdir(), 'rheo-sfcapd-'));
    const args = ['-p', String(port), '-b', '127.0.0.1', '-w', this.folder, '-t', '3600', '-B', '4000000'];
    this.child = spawn('sfcapd', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.told += chunk.toString();
      });
    }
    context.after(() => {
      this.child.kill('SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  static async start(context: TestContext): Promise<Sfcapd> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    await once(socket, 'close');
    const one = new Sfcapd(context, port);
    for (let tries = 0; !one.told.includes('Startup') && tries < 500; tries++) await sleep(10);
    assert.match(one.told, /Startup/);
    return one;
  }

  /** Ends it. @returns what it said, its own sums, and its records as nfdump shows them */
  async end(): Promise<{ told: string; sums: Record<string, number>; records: Record<string, unknown>[] }> {
    // It reads on for a moment after the signal, but not for long.
    await sleep(300);
    this.child.kill('SIGTERM');
    await once(this.child, 'close');
    const { told, folder } = this;
    const match = /Flows: (\d+), Packets: (\d+), Bytes: (\d+), Sequence Errors: (\d+), Bad Packets: (\d+)/.exec(told);
    assert.ok(match, told);
    const [flows, packets, bytes, sequenceErrors, bad] = match.slice(1).map(Number);
    const file = readdirSync(folder).find((name) => name.startsWith('nfcapd.'));
    assert.ok(file, told);
    const json = execFileSync('nfdump', ['-r', path.join(folder, file), '-o', 'json'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return { told, sums: { flows, packets, bytes, sequenceErrors, bad }, records: JSON.parse(json) };
  }
}
