import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type CounterSampleRead,
  type FlowSampleRead,
  type SflowMessage,
  SflowReader,
} from '../../src/codec/sflow-read.js';
import { SflowWriter } from '../../src/codec/sflow-write.js';

const FRAME = Uint8Array.from({ length: 1600 }, (_, k) => (k * 7) & 0xff);

function read(bytes: Uint8Array): SflowMessage {
  const reader = new SflowReader();
  const message = reader.read(bytes);
  assert.deepEqual(reader.damage, {});
  assert.ok(message);
  return message;
}

describe('sFlow v5', () => {
  it('is exact to the byte', () => {
    const writer = new SflowWriter({ agent: '192.0.2.1', subAgent: 3 });
    assert.ok(writer.flowSample(2, 2, 0, 100, 12_345, 6, FRAME, 1, 5, 60));
    assert.equal(
      Buffer.from(writer.finish(7_000)).toString('hex'),
      // Version, agent, sub agent, sequence 1, uptime, 1 sample.
      '0000000500000001c0000201000000030000000100001b5800000001' +
        // Flow sample of 64 bytes: sequence, source, rate, pool, drops, input, output, 1 record.
        '0000000100000040000000010000000200000064000030390000000600000002' +
        '0000000000000001' +
        // Raw header of 24 bytes: Ethernet, 64 bytes with FCS, 4 taken off, 5 bytes and padding.
        '0000000100000018000000010000004000000004000000050' +
        '70e151c23000000',
    );
  });

  for (const expanded of [false, true]) {
    it(`reads back what was written, ${expanded ? 'expanded' : 'compact'}`, () => {
      const most = expanded ? 0xffffffff : 0xffffff;
      const sample = fc.record({
        source: fc.integer({ min: 1, max: most }),
        input: fc.integer({ min: 0, max: most }),
        rate: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        pool: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        drops: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        offset: fc.integer({ min: 0, max: 100 }),
        captured: fc.integer({ min: 0, max: 400 }),
        vlan: fc.option(fc.integer({ min: 1, max: 4094 })),
      });
      fc.assert(
        fc.property(
          fc.array(sample, { minLength: 1, maxLength: 30 }),
          fc.integer({ min: 600, max: 1500 }),
          (samples, size) => {
            const writer = new SflowWriter({ agent: '2001:db8::1', expanded, maxMessageBytes: size });
            const messages: SflowMessage[] = [];
            const flush = (): void => {
              const bytes = writer.finish(1000);
              assert.ok(bytes.length <= size);
              messages.push(read(bytes));
            };
            for (const { source, input, rate, pool, drops, offset, captured, vlan } of samples) {
              const switched =
                vlan === null
                  ? undefined
                  : { sourceVlan: vlan, sourcePriority: 0, destinationVlan: 0xffffffff, destinationPriority: 0 };
              const add = (): boolean =>
                writer.flowSample(source, input, 0, rate, pool, drops, FRAME, offset, captured, 1500, 1, switched);
              while (!add()) flush();
            }
            flush();
            const flows = messages.flatMap((message) => message.samples) as FlowSampleRead[];
            assert.deepEqual(
              messages.map((message) => message.sequence),
              messages.map((_, k) => k + 1),
            );
            assert.equal(flows.length, samples.length);
            const count = new Map<number, number>();
            flows.forEach((flow, k) => {
              const { source, input, rate, pool, drops, offset, captured, vlan } = samples[k];
              count.set(source, (count.get(source) ?? 0) + 1);
              assert.equal(flow.sequence, count.get(source));
              assert.deepEqual(
                [flow.source, flow.input, flow.output, flow.rate, flow.pool, flow.drops],
                [source, input, 0, rate, pool, drops],
              );
              assert.deepEqual(flow.header?.bytes, FRAME.slice(offset, offset + captured));
              assert.equal(flow.header?.frameLength, 1504);
              assert.equal(flow.switched?.sourceVlan, vlan ?? undefined);
            });
          },
        ),
        { numRuns: 50 },
      );
    });
  }

  it('tells counters of interfaces; what is not known is told as unknown', () => {
    const writer = new SflowWriter();
    const counters = { ifIndex: 4, ifType: 6, ifSpeed: 10_000_000_000, ifDirection: 1, ifStatus: 3 };
    assert.ok(writer.counterSample({ ...counters, ifInOctets: 2n ** 63n + 1n, ifInUcastPkts: 2 ** 32 - 2 }));
    assert.ok(writer.counterSample({ ...counters, ifOutErrors: 9 }, { dot3StatsFCSErrors: 5 }));
    const { samples, agent } = read(writer.finish(2 ** 32 + 5));
    assert.equal(agent.length, 0);
    const [first, second] = samples as CounterSampleRead[];
    assert.deepEqual(first.counters, {
      ...counters,
      ifInOctets: 2n ** 63n + 1n,
      ifInUcastPkts: 2 ** 32 - 2,
      ifPromiscuousMode: 0,
    });
    assert.deepEqual(second.counters, { ...counters, ifOutErrors: 9, ifPromiscuousMode: 0 });
    assert.deepEqual(second.ethernet, { dot3StatsFCSErrors: 5 });
    assert.deepEqual([first.sequence, second.sequence], [1, 2]);
  });

  it('wraps the uptime', () => {
    const writer = new SflowWriter();
    writer.counterSample({ ifIndex: 1 });
    assert.equal(read(writer.finish(2 ** 32 + 5)).uptimeMs, 5);
  });

  it('cuts a header that fits into no datagram', () => {
    const writer = new SflowWriter({ maxMessageBytes: 256 });
    assert.ok(writer.flowSample(1, 1, 2, 1, 1, 0, FRAME, 0, 1500, 1500));
    const bytes = writer.finish(0);
    assert.ok(bytes.length <= 256);
    assert.ok((read(bytes).samples[0] as FlowSampleRead).header!.bytes.length > 100);
  });

  it('sends nothing where there is nothing', () => {
    assert.equal(new SflowWriter().finish(1).length, 0);
  });
});
