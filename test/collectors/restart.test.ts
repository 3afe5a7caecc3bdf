/** A collector that is begun anew in the middle of a session knows no templates, and nobody tells the exporter. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTarget } from '../../src/export/target.js';
import type { Target } from '../../src/model/target.js';
import { Page } from '../support/documents.js';
import { exportContext, manyRecords, until } from '../support/export-context.js';
import { hasProgram } from '../support/programs.js';
import { Relay } from '../support/relay.js';
import { nfdumpSums, pmacctSums } from '../support/site.js';
import { udpQueueEmpty } from '../support/udp-queue.js';

interface Collector {
  readonly child: ChildProcess;
  readonly port: number;
  /** Packets and bytes that it has stored; undefined while it has not stored any. */
  readonly sums: () => Promise<{ packets: number; bytes: number }>;
}

/** Programs that collect: how they are begun with an own folder, and asked. */
const PROGRAMS: Record<string, (port: number, folder: string) => { args: string[]; sums: Collector['sums'] }> = {
  nfcapd: (port, folder) => ({
    args: new Page('nfdump').command('nfcapd', { '/var/cache/nfdump': folder, 9995: String(port) }),
    sums: async () => nfdumpSums(folder),
  }),
  nfacctd: (port, folder) => {
    const replace = {
      '/var/lib/pmacct': folder,
      2100: String(port),
      'print_refresh_time: 60': 'print_refresh_time: 1',
    };
    const file = path.join(folder, 'nfacctd.conf');
    writeFileSync(file, new Page('pmacct').file('pmacct', '! nfacctd.conf', replace));
    const output = path.join(folder, 'flows.json');
    return {
      args: ['-f', file],
      sums: async () => (existsSync(output) ? pmacctSums(output) : { packets: 0, bytes: 0 }),
    };
  },
};

const PORT_HEX = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')} `;

async function begin(t: TestContext, program: string, port: number, folder: string): Promise<Collector> {
  mkdirSync(folder);
  const { args, sums } = PROGRAMS[program](port, folder);
  const child = spawn(program, args, { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await until(`${program} listens`, () =>
    ['udp', 'udp6'].some((kind) => readFileSync(`/proc/net/${kind}`, 'utf8').includes(PORT_HEX(port))),
  );
  return { child, port, sums };
}

/** Sum of packets and bytes of `manyRecords(count, from)`, of both directions. */
function expected(count: number, from: number): { packets: number; bytes: number } {
  const sum = { packets: 0, bytes: 0 };
  for (let k = from; k < from + count; k++) {
    sum.packets += k + 1 + (k % 3);
    sum.bytes += (k + 1) * 100 + (k % 3) * 40;
  }
  return sum;
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** Stops a collector when it has read all: what it has stored then. nfcapd stores when it ends, nfacctd before. */
async function end(
  program: string,
  { child, port, sums }: Collector,
  packets: number,
): Promise<{ packets: number; bytes: number }> {
  let last = { packets: 0, bytes: 0 };
  if (program === 'nfcapd') await udpQueueEmpty(port);
  else {
    for (let tries = 0; tries < 600 && last.packets < packets; tries++) {
      await sleep(50);
      last = await sums();
    }
  }
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  await ended;
  const { packets: count, bytes } = await sums();
  return { packets: count, bytes };
}

for (const program of ['nfcapd', 'nfacctd']) {
  for (const [scheme, more] of [
    ['ipfix', '&biflow=no'],
    ['netflow9', ''],
  ]) {
    test(`${program} begun anew in the middle of ${scheme}: it reads on with the next resend of the templates`, {
      skip: hasProgram(program) && hasProgram('nfdump') ? false : `${program} is missing`,
      timeout: 60_000,
    }, async (t) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'rheo-restart-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const port = await freePort();
      const relay = await Relay.open(port);
      t.after(() => relay.close());
      let collector = await begin(t, program, port, path.join(folder, 'a'));
      const url = `${scheme}://127.0.0.1:${relay.port}?template-interval=1s${more}`;
      const target: Target = await openTarget(url, exportContext({ now: () => Date.now() }));
      t.after(() => target.close());
      await until('the connection', () => target.state === 'up');
      const write = async (count: number, from: number): Promise<void> => {
        await target.write(manyRecords(count, from));
      };
      const flushed = async (): Promise<void> => {
        target.tick(Date.now());
        await until('all is sent', () => target.counters.waiting === 0 && relay.forwarded === target.counters.messages);
      };
      await write(300, 0);
      await flushed();
      assert.deepEqual(await end(program, collector, expected(300, 0).packets), expected(300, 0));

      collector = await begin(t, program, port, path.join(folder, 'b'));
      const { announcements, forwarded } = relay;
      await write(300, 300);
      await until('messages without templates', () => relay.forwarded > forwarded + 5);
      assert.equal(relay.announcements, announcements);
      await until('templates are sent again', () => {
        target.tick(Date.now());
        return relay.announcements > announcements;
      });
      await flushed();
      await write(70, 600);
      await flushed();
      assert.deepEqual(await end(program, collector, expected(70, 600).packets), expected(70, 600));
      assert.equal(target.counters.sent, 670);
    });
  }
}
