import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FlowRecord, readFlows } from '../../src/index.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { Batch } from '../../src/packet/batch.js';
import { projectRoot } from '../support/shared.js';
import { add, collecting, sorted } from './meters.js';
import { captureOf, Flag, type Packet, Proto } from './packets.js';

const house = path.join(projectRoot, 'samples/house.pcapng');

test('packet by packet gives the records of the sample that reading it gives', async () => {
  const { meter, records } = collecting({ features: 'all' });
  const source = await openCapture(house);
  const batch = new Batch();
  do {
    for (let count = source.fill(batch); count > 0; count = source.fill(batch)) {
      for (let i = 0; i < count; i++) {
        const bytes = batch.bytes.subarray(batch.offset[i], batch.offset[i] + batch.captured[i]);
        const flow = meter.frame(
          bytes,
          batch.link[i],
          { seconds: batch.seconds[i], nanos: batch.nanos[i] },
          batch.wire[i],
        );
        assert.equal(flow === undefined, meter.lastRefusal !== undefined);
      }
    }
  } while (await source.more());
  await source.close();
  meter.finish();
  const flows = readFlows(house, { features: 'all' });
  const expected: FlowRecord[] = [];
  for await (const flow of flows) expected.push(flow);
  // A packet from nowhere has no interface with a name.
  for (const flow of expected) {
    delete flow.interfaceName;
    delete flow.reverseInterfaceName;
  }
  assert.deepEqual(sorted(records), sorted(expected));
  const { refused, octets } = await flows.summary;
  assert.deepEqual([meter.counters.refused, meter.counters.octets], [refused, octets]);
});

const somePacket: fc.Arbitrary<Packet> = fc.record(
  {
    at: fc.integer({ min: 0, max: 40_000 }),
    src: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
    dst: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
    protocol: fc.constantFrom(Proto.tcp, Proto.tcp, Proto.udp, Proto.icmp),
    srcPort: fc.integer({ min: 1, max: 3 }),
    dstPort: fc.integer({ min: 1, max: 3 }),
    flags: fc.constantFrom(Flag.syn, Flag.syn | Flag.ack, Flag.ack, Flag.fin | Flag.ack, Flag.rst),
    sequence: fc.integer({ min: 0, max: 3 }),
    acknowledged: fc.integer({ min: 0, max: 3 }),
    payload: fc.integer({ min: 0, max: 40 }),
    fragment: fc.record({
      id: fc.integer({ min: 1, max: 2 }),
      offset: fc.constantFrom(0, 0, 24, 48),
      more: fc.boolean(),
    }),
  },
  { requiredKeys: ['at', 'src', 'dst', 'protocol', 'srcPort', 'dstPort'] },
);

test('random packets one by one and in batches give the same records, also when the table is small', async () => {
  const options = fc.record({
    maxFlows: fc.constantFrom(1, 2, 1000),
    whenFull: fc.constantFrom('evict' as const, 'refuse' as const, 'early' as const),
    active: fc.constantFrom(2000, Number.POSITIVE_INFINITY),
    inOrder: fc.boolean(),
  });
  const run = fc.asyncProperty(
    fc.array(somePacket, { maxLength: 60 }),
    options,
    async (packets, { maxFlows, whenFull, active, inOrder }) => {
      if (inOrder) packets.sort((a, b) => Number(a.at) - Number(b.at));
      const common = { maxFlows, whenFull, timeouts: { active }, features: ['splt', 'interArrival', 'fragments'] };
      const { meter, records } = collecting(common);
      for (const packet of packets) add(meter, packet);
      const counters = meter.finish();
      assert.deepEqual(counters.imbalance, []);
      const flows = readFlows(captureOf(packets), common);
      const expected: FlowRecord[] = [];
      for await (const flow of flows) expected.push(flow);
      const summary = await flows.summary;
      assert.deepEqual(summary.imbalance, []);
      assert.deepEqual(counters.refused, summary.refused);
      assert.deepEqual(counters.noticed, summary.noticed);
      // The order of flows that end together is that of their rows, which may be used again sooner.
      assert.deepEqual(sorted(records), sorted(expected));
    },
  );
  await fc.assert(run, { numRuns: 150 });
});
