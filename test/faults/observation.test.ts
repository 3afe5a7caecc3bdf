import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { RheoError } from '../../src/core/errors.js';
import { type LiveCapture, type LiveOptions, openLive } from '../../src/observe/live/index.js';
import { Batch } from '../../src/packet/batch.js';
import { SystemError } from '../../src/system/libc.js';
import { LinkMonitor } from '../../src/system/links.js';
import { inNetns } from '../../src/system/netns.js';
import { Lab, netnsMissing, netnsPath } from '../support/netns.js';
import { RawSender } from '../support/raw-sender.js';
import { everyFault, Faults } from './faults.js';
import { failCalls } from './system-calls.js';

const skip = netnsMissing();
const home = skip === false ? readlinkSync('/proc/thread-self/ns/net') : '';
const FRAME = Buffer.concat([Buffer.from('02000000000202000000000188b5', 'hex'), Buffer.alloc(50, 7)]);
let lab: Lab;
let netns: string;

before(() => {
  if (skip !== false) return;
  lab = new Lab();
  netns = lab.netns('faults');
  makeCable();
});
after(() => lab?.close());

/** What is sent at one end comes out of the other. */
function makeCable(): void {
  lab.cable({ netns, device: 'd0' }, { netns, device: 'e0' });
}

function options(more: Partial<LiveOptions> = {}): LiveOptions {
  return { interfaces: ['d*'], netns: netnsPath(netns), ring: { blockBytes: 1 << 16, blocks: 16 }, ...more };
}

/** Nothing of the fault injection is left, and we are where we were. */
function calm(): void {
  failCalls(undefined);
  assert.equal(readlinkSync('/proc/thread-self/ns/net'), home, 'the thread came back from the namespace');
}

/** An error as people may see it, or one that the shard makes such a one. */
function assertTold(error: unknown): void {
  assert.ok(error instanceof RheoError || error instanceof SystemError, `${(error as Error).stack}`);
}

/** Takes what is there, for so many frames or until the source has had some looks. */
async function take(source: LiveCapture, batch: Batch, frames: number): Promise<number> {
  let seen = 0;
  for (let look = 0; seen < frames && look < 20; look++) {
    batch.count = 0;
    const n = source.fill(batch);
    for (let i = 0; i < n; i++) if (batch.wire[i] === FRAME.length) seen++;
    if (n === 0 && !(await source.more())) break;
  }
  return seen;
}

/** The accounts of each interface balance, whatever happened. */
function assertBalanced(source: LiveCapture, drained = false): void {
  for (const { name, kernel, packets, duplicates, dropped, waiting } of source.statistics()) {
    assert.equal(kernel, packets + duplicates + dropped + waiting, name);
    assert.ok(waiting >= 0, `${name}: ${waiting} wait`);
    if (drained) assert.equal(waiting, 0, `${name}: none may wait in the end`);
  }
}

test('each call of opening fails: an error for people or a source that works, and nothing is left open', {
  skip,
}, async () => {
  const batch = new Batch();
  const seen = await everyFault(
    async (faults) => {
      let source: LiveCapture | undefined;
      failCalls(faults);
      try {
        source = await openLive(options({ fanout: { id: 4711, size: 1, index: 0 } }));
      } catch (error) {
        failCalls(undefined);
        assert.ok(error instanceof RheoError, `${(error as Error).stack}`);
      }
      calm();
      if (source === undefined) return;
      const sender = new RawSender(netnsPath(netns), 'e0');
      source.release();
      sender.send(FRAME);
      assert.equal(await take(source, batch, 1), 1, 'a packet comes through');
      assertBalanced(source);
      sender.close();
      await source.close();
    },
    { least: 30 },
  );
  for (const call of ['socket', 'bind', 'setsockopt', 'mmap', 'setns', 'open', 'recv', 'send', 'epoll_ctl', 'poll']) {
    assert.ok(
      seen.some((one) => one.startsWith(`${call}:`)),
      `${call} is among them`,
    );
  }
});

test('each call of a run fails: accounts balance, what the fault did not take goes on, and nothing is left open', {
  skip,
}, async () => {
  const batch = new Batch();
  await everyFault(
    async (faults) => {
      const source = await openLive(options());
      const sender = new RawSender(netnsPath(netns), 'e0');
      try {
        failCalls(faults);
        const send = (by: RawSender): void => {
          failCalls(undefined);
          by.send(FRAME);
          failCalls(faults);
        };
        send(sender);
        await take(source, batch, 1);
        assertBalanced(source);
        source.pause();
        source.resume();
        source.stop();
        while (await source.more()) {
          batch.count = 0;
          source.fill(batch);
        }
        assertBalanced(source, true);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assertTold(error);
      } finally {
        await source.close();
        assertBalanced(source);
        calm();
        sender.close();
      }
    },
    { least: 10 },
  );
});

test('each call fails while an interface goes and comes back: with the next notice it is observed again', {
  skip,
}, async (t) => {
  const batch = new Batch();
  const monitor = inNetns(netnsPath(netns), () => new LinkMonitor());
  t.after(() => monitor.close());
  await everyFault(
    async (faults) => {
      const source = await openLive(options());
      let sender: RawSender | undefined;
      lab.ip(netns, 'link', 'del', 'd0');
      try {
        failCalls(faults);
        await source.more();
        failCalls(undefined);
        makeCable();
        failCalls(faults);
        await source.more();
        await source.more();
        failCalls(undefined);
        sender = new RawSender(netnsPath(netns), 'e0');
        // Also where a ring could not be opened, or a notice was lost.
        lab.ip(netns, 'link', 'set', 'd0', 'mtu', '1400');
        for (let look = 0; look < 8; look++) {
          sender.send(FRAME);
          if ((await take(source, batch, 1)) > 0) break;
        }
        assertBalanced(source);
        const d0 = source.statistics().find(({ name }) => name === 'd0');
        assert.equal(d0?.state, 'up');
        assert.ok((d0?.packets ?? 0) > 0, 'packets come again');
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assertTold(error);
      } finally {
        failCalls(undefined);
        await source.close();
        calm();
        sender?.close();
        // Where the source ended before it came back.
        if (!monitor.list().some(({ name }) => name === 'd0')) makeCable();
      }
    },
    { least: 15 },
  );
});

test('a list of interfaces is whole or an error, and the next one is right again', { skip }, async () => {
  const monitor = inNetns(netnsPath(netns), () => new LinkMonitor());
  const right = monitor.list();
  assert.ok(right.length >= 3);
  for (let n = 1; ; n++) {
    const faults = new Faults(n);
    failCalls(faults);
    try {
      assert.deepEqual(monitor.list(), right);
    } catch (error) {
      assertTold(error);
    }
    failCalls(undefined);
    for (let again = 0; again < 3; again++) assert.deepEqual(monitor.list(), right, `after ${faults.failed}`);
    if (faults.failed === undefined) break;
  }
  monitor.close();
});
