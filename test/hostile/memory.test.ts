import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { bytesPerFlow, completeSettings } from '../../src/control/settings.js';
import { createFeatures } from '../../src/meter/features/index.js';
import { block, bytes, iface, option, section } from '../codec/blocks.js';
import { ended, type FloodOptions, Folder, flood, pcapHeader, start } from './program.js';

const MIB = 2 ** 20;
/** What the garbage collector may be behind with, buffers of output, records on their way. */
const SLACK = 48 * MIB;
const folder = new Folder();
after(() => folder.remove());

/** Tells the highest memory of the process (resident, in KiB) on descriptor 3 when it ends. */
const PROBE = `data:text/javascript,${encodeURIComponent(
  "import { isMainThread } from 'node:worker_threads'; import { writeSync } from 'node:fs';" +
    "if (isMainThread) process.on('exit', () => writeSync(3, String(process.resourceUsage().maxRSS)));",
)}`;

/** Runs the command with this on its standard input. Returns its highest memory in bytes, and the summary. */
async function measure(args: readonly string[], parts: Iterable<Uint8Array>): Promise<{ memory: number; err: string }> {
  const child = start(['read', '-v', ...args, '-'], {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--import=${PROBE}` },
  });
  const told: Buffer[] = [];
  (child.stdio[3] as NodeJS.ReadableStream).on('data', (part: Buffer) => told.push(part));
  const end = ended(child);
  // It may give up reading before the end.
  child.stdin?.on('error', () => {});
  if (child.stdin !== null) Readable.from(parts).pipe(child.stdin);
  const { code, err } = await end;
  assert.equal(code, 0, err);
  return { memory: Number(Buffer.concat(told).toString()) * 1024, err };
}

function* packets(count: number, options: Omit<FloodOptions, 'from' | 'count'>): Generator<Uint8Array> {
  yield pcapHeader();
  for (let from = 0; from < count; from += 10_000)
    yield flood({ ...options, from, count: Math.min(10_000, count - from) });
}

const ARGS = ['--csv', '--fields', 'src', '--features', 'all', '--max-flows', '100000'];

/** The table at its fullest, by what the settings promise, on top of what the program takes by itself. */
const PROMISED = ((): number => {
  const settings = completeSettings({ features: 'all', maxFlows: 100_000 });
  return 100_000 * bytesPerFlow(settings.key, createFeatures('all').hooks);
})();

describe('memory stays where it was promised', { skip: process.platform !== 'linux' && 'measured on Linux' }, () => {
  test('floods of SYNs, fragments, ICMP errors', async () => {
    const { memory: idle } = await measure(ARGS, packets(1000, { rate: 1000 }));
    const runs = [
      ['evict', 1_000_000, /^1,000,000 packets/],
      ['refuse', 300_000, /\b200,000 flow table full/],
      ['early', 300_000, /^300,000 packets/],
    ] as const;
    for (const [whenFull, count, told] of runs) {
      const { memory, err } = await measure([...ARGS, '--when-full', whenFull], packets(count, { rate: 1_000_000 }));
      assert.match(err, told);
      const most = idle + PROMISED + SLACK;
      assert.ok(memory <= most, `SYNs, ${whenFull}: ${memory} bytes, not more than ${most} (${idle} idle)`);
    }
    for (const kind of ['fragment', 'icmp-error'] as const) {
      const { memory } = await measure(ARGS, packets(300_000, { rate: 100_000, kind }));
      const most = idle + PROMISED + SLACK;
      assert.ok(memory <= most, `${kind}: ${memory} bytes, not more than ${most} (${idle} idle)`);
    }
  });

  test('names and interfaces without end', async () => {
    const { memory: idle } = await measure(['--json'], [bytes(section(), iface(1, 0))]);
    const name = 'n'.repeat(200);
    function* names(): Generator<Uint8Array> {
      yield bytes(section(), iface(1, 0));
      for (let n = 0; n < 150_000; n += 500) {
        const list = Array.from({ length: 500 }, (_, k) => {
          const address = [10, (n + k) >> 16, ((n + k) >> 8) & 255, (n + k) & 255];
          return option(1, bytes(address, `${name}${n + k}\0`));
        });
        yield block(4, bytes(...list, [0, 0, 0, 0]));
      }
    }
    const named = await measure(['--json'], names());
    // 65,536 names are kept.
    assert.ok(named.memory <= idle + 65_536 * 512 + SLACK, `names: ${named.memory} bytes (${idle} idle)`);

    function* interfaces(sections: number, each: number): Generator<Uint8Array> {
      for (let n = 0; n < sections; n++) {
        yield section();
        for (let k = 0; k < each; k++) yield iface(1, n, [option(2, `if${n}.${k}`)]);
      }
    }
    const many = await measure(['--json'], interfaces(1, 60_000));
    assert.ok(many.memory <= idle + 60_000 * 1024 + SLACK, `interfaces: ${many.memory} bytes (${idle} idle)`);
    const more = await measure(['--json'], interfaces(100, 1000));
    assert.match(more.err, /fewer interfaces than the limit/);
    assert.ok(more.memory <= idle + 65_536 * 1024 + SLACK, `sections: ${more.memory} bytes (${idle} idle)`);
  });

  test('a few bytes of gzip that become very many', async () => {
    const { memory: idle } = await measure(['--json'], [pcapHeader()]);
    const empty = gzipSync(Buffer.alloc(100 * MIB));
    const packed = [gzipSync(pcapHeader()), empty, empty, empty];
    const { memory, err } = await measure(['--json'], packed);
    assert.match(err, /\b19,660,800 cut link header/);
    // Node 24 lets more garbage of the unpacking stand than Node 20 does; what counts is that it is not the 300 MB.
    assert.ok(memory <= idle + 2 * SLACK, `${memory} bytes (${idle} idle)`);
  });
});
