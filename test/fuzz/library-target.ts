import assert from 'node:assert/strict';
import { type EndedFlow, ErrorCode, type LiveFlow, Meter, RheoError } from '../../src/index.js';
import { borders, decodePackets, encodePackets, type Packet, planOf } from './packets.js';
import type { Target } from './target.js';

const ENDS = ['10.0.0.1', '192.0.2.7', '2001:db8::1', 'fe80::1', '::', 'fe80::1%eth0', 'nobody', ''];

/** By frame, from the IP header on, from the transport header on: in turn. */
function put(meter: Meter<number>, packet: Packet, number: number): LiveFlow<number> | undefined {
  const { seconds, nanos, bytes, link, more } = packet;
  const time = { seconds, nanos };
  const wire = Math.min(0x3fffffff, bytes.length + more);
  switch (number % 3) {
    case 0:
      return meter.frame(bytes, link, time, wire);
    case 1:
      return meter.l3(bytes.subarray(14), time, Math.max(0, wire - 14));
    default: {
      const ends = { src: ENDS[number % 7], dst: ENDS[(number >> 1) % 8], protocol: bytes[23] ?? 6 };
      return meter.l4(bytes.subarray(34), ends, time, Math.max(0, wire - 34));
    }
  }
}

function run(input: Uint8Array): void {
  const packets = decodePackets(input);
  const { options, filter } = planOf(input, packets.length);
  let told = 0;
  let ended = 0;
  const onEnd = (flow: EndedFlow<number>): void => {
    told += Number(flow.packets) + Number(flow.reversePackets);
    ended++;
    const record = flow.record();
    assert.equal(record.endReason, flow.endReason);
    JSON.stringify(record);
  };
  const meter = new Meter<number>({ ...options, onEnd, ...(filter === undefined ? {} : { filter }) });
  for (const [number, packet] of packets.entries()) {
    try {
      const flow = put(meter, packet, number);
      assert.equal(flow === undefined, meter.lastRefusal !== undefined, 'a flow, or why there is none');
      if (flow === undefined) continue;
      assert.ok(Number(flow.packets) + Number(flow.reversePackets) >= 1);
      assert.ok(!flow.isNew || flow.userData === undefined, 'a new flow has no data of another');
      flow.userData = (flow.userData ?? 0) + 1;
      assert.ok(flow.start <= flow.end, `${flow.start} … ${flow.end}`);
      JSON.stringify(flow.record());
    } catch (error) {
      const codes: readonly string[] = [ErrorCode.linkType, ErrorCode.usage, ErrorCode.filter];
      if (!(error instanceof RheoError) || !codes.includes(error.code)) throw error;
      // A filter that makes no sense on a link layer ends the work.
      if (error.code === ErrorCode.filter) return;
    }
    assert.ok(meter.live <= (options.maxFlows ?? 0), `${meter.live} flows`);
  }
  const { imbalance, decoded, records } = meter.finish();
  assert.deepEqual(imbalance, [], 'the ledger balances');
  assert.equal(told, decoded, 'the flows that ended have all packets that were decoded');
  assert.equal(ended, records, 'each record was told');
  assert.equal(meter.live, 0);
}

export const LIBRARY_TARGETS: readonly Target[] = [
  {
    name: 'library',
    about: 'class Meter: frames, IP packets and segments of any time and kind, one by one',
    tries: 300,
    make: encodePackets,
    parts: borders,
    run,
  },
];
