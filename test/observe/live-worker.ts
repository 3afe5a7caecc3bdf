import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { LiveInterface } from '../../src/model/live-source.js';
import { type LiveOptions, openLive } from '../../src/observe/live/index.js';
import { Batch } from '../../src/packet/batch.js';

/** What a worker has seen: number of packets by their IP addresses (lower one first), in hexadecimal. */
export interface WorkerReport {
  pairs: Map<string, number>;
  statistics: readonly LiveInterface[];
}

/** The pair of addresses of an Ethernet frame, behind VLAN tags and PPPoE; '' if it is not IP. */
export function pairOf(frame: Buffer): string {
  let at = 12;
  while ([0x8100, 0x88a8].includes(frame.readUInt16BE(at))) at += 4;
  if (frame.readUInt16BE(at) === 0x8864) at += 8;
  const type = frame.readUInt16BE(at);
  const [start, length] =
    type === 0x0800 || type === 0x0021 ? [at + 14, 4] : type === 0x86dd || type === 0x0057 ? [at + 10, 16] : [at, 0];
  const ends = [0, 1].map((k) => frame.toString('hex', start + k * length, start + (k + 1) * length));
  return ends.sort().join(' ').trim();
}

const port = parentPort;
if (port !== null && workerData?.live !== undefined) {
  const source = await openLive(workerData.live as LiveOptions);
  port.on('message', (message: string) => {
    if (message === 'release') source.release();
    else source.stop();
  });
  port.postMessage('open');
  const batch = new Batch();
  const pairs = new Map<string, number>();
  for (;;) {
    const count = source.fill(batch);
    for (let i = 0; i < count; i++) {
      const frame = Buffer.from(batch.bytes.buffer, batch.offset[i], batch.captured[i]);
      const pair = pairOf(frame);
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    if (count > 0) continue;
    await nextTurn();
    if (!(await source.more())) break;
  }
  const report: WorkerReport = { pairs, statistics: source.statistics() };
  await source.close();
  port.postMessage(report);
  port.close();
}
