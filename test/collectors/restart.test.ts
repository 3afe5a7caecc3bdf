/** A collector that is begun anew in the middle of a session knows no templates, and nobody tells the exporter. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { openTarget } from '../../src/export/target.js';
import type { Target } from '../../src/model/target.js';
import { Page } from '../support/documents.js';
import { exportContext, manyRecords, until } from '../support/export-context.js';
import { hasProgram } from '../support/programs.js';
import { Relay } from '../support/relay.js';
import { nfdumpSums, pmacctSums, pmacctWrote } from '../support/site.js';
import { udpQueueEmpty } from '../support/udp-queue.js';

interface Program {
  readonly args: readonly string[];
  /** Waits until it has written so many packets, or will not before its end. */
  readonly wrote: (packets: number) => Promise<void>;
  /** Packets and bytes that it has stored. */
  readonly sums: () => { packets: number; bytes: number };
}

interface Collector extends Program {
  readonly child: ChildProcess;
  readonly port: number;
}

/** Programs that collect: how they are begun with an own folder, and asked. */
const PROGRAMS: Record<string, (port: number, folder: string) => Program> = {
  nfcapd: (port, folder) => ({
    args: new Page('nfdump').command('nfcapd', { '/var/cache/nfdump': folder, 9995: String(port) }),
    wrote: async () => undefined,
    sums: () => nfdumpSums(folder),
  }),
  nfacctd: (port, folder) => {
    const hasty = { 'print_refresh_time: 60': 'print_refresh_time: 1' };
    const replace = { '/var/lib/pmacct': folder, 2100: String(port), ...hasty };
    const file = path.join(folder, 'nfacctd.conf');
    writeFileSync(file, new Page('pmacct').file('pmacct', '! nfacctd.conf', replace));
    const output = path.join(folder, 'flows.json');
    return { args: ['-f', file], wrote: (packets) => pmacctWrote(output, packets), sums: () => pmacctSums(output) };
  },
};

function listens(port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return ['udp', 'udp6'].some((kind) => readFileSync(`/proc/net/${kind}`, 'utf8').includes(local));
}

async function begin(t: TestContext, program: string, port: number, folder: string): Promise<Collector> {
  mkdirSync(folder);
  const one = PROGRAMS[program](port, folder);
  const child = spawn(program, one.args, { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await until(`${program} listens`, () => listens(port));
  return { ...one, child, port };
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

/** Stops a collector when it has read all: what it has stored then. nfcapd stores it when it ends. */
async function end(
  program: string,
  { child, port, sums, wrote }: Collector,
  packets: number,
): Promise<{ packets: number; bytes: number }> {
  await udpQueueEmpty(port);
  await wrote(packets);
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  await ended;
  // pmacct's other processes have the socket, too, and take datagrams from the next one's as long as they live.
  await until(`${program} is gone`, () => !listens(port));
  const { packets: count, bytes } = sums();
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
      const write = async (count: number, from: number): Promise<void> => {
        await target.write(manyRecords(count, from));
      };
      const flushed = async (): Promise<void> => {
        await until('all is sent', () => {
          target.tick(Date.now());
          return target.counters.waiting === 0 && relay.forwarded === target.counters.messages;
        });
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
