import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { ReadOptions } from '../../src/model/options.js';
import { byStart, type Metered, meterFrames, readFiles } from '../support/drive.js';
import { ethernet, ipv4, timed, zeros } from '../support/packets.js';
import { sharedDir } from '../support/shared.js';

/**
 * What Peafowl's own tests say of its captures, as far as it concerns flows: fragments, tags, labels, tunnels, damage,
 * counters, TCP. Captures that are not at hand are skipped one by one.
 */

type Flow = Metered['flowRecords'][number];

const shared = sharedDir();
const folder = path.join(shared ?? '', 'captures/peafowl');
const scratch = mkdtempSync(path.join(tmpdir(), 'rheo-peafowl-'));
after(() => rmSync(scratch, { recursive: true }));

function skip(...files: string[]): string | false {
  const missing = files.find((file) => !existsSync(path.join(folder, file)));
  return missing === undefined ? false : `no shared capture ${missing}`;
}

async function flowsOf(file: string, options: ReadOptions = {}): Promise<Flow[]> {
  const { flowRecords, summary } = await readFiles([path.join(folder, file)], { features: 'all', ...options });
  assert.deepEqual(summary.imbalance, []);
  return byStart(flowRecords);
}

async function summaryOf(file: string): Promise<Awaited<ReturnType<typeof readFiles>>['summary']> {
  return (await readFiles([path.join(folder, file)])).summary;
}

function packetsOf(flows: readonly Flow[], proto: string): number {
  const own = flows.filter((flow) => flow.proto === proto);
  return own.reduce((sum, flow) => sum + Number(flow.packets) + Number(flow.reversePackets), 0);
}

/** The first packets of a pcap file (little endian), as a file of their own. */
function head(file: string, packets: number): string {
  const bytes = readFileSync(path.join(folder, file));
  let end = 24;
  for (let k = 0; k < packets; k++) end += 16 + bytes.readUInt32LE(end + 8);
  const target = path.join(scratch, `${packets}.pcap`);
  writeFileSync(target, bytes.subarray(0, end));
  return target;
}

test('two VLAN tags: 20 packets of ICMP', { skip: skip('802.1Q_dvlan.cap') }, async () => {
  const flows = await flowsOf('802.1Q_dvlan.cap');
  assert.equal(packetsOf(flows, 'icmp'), 20);
  assert.deepEqual(
    flows.map((flow) => flow.vlan),
    [
      [118, 10],
      [209, 20],
    ],
  );
});

for (const file of ['mpls_one.cap', 'mpls_two.pcap']) {
  test(`MPLS: 5 packets of ICMP in ${file}`, { skip: skip(file) }, async () => {
    const flows = await flowsOf(file);
    assert.equal(packetsOf(flows, 'icmp'), 5);
    assert.equal(flows[0].mpls, 18);
  });
}

const TUNNELS: [file: string, expected: Record<string, unknown>][] = [
  ['L3/4in4.pcap', { src: '1.1.1.1', dst: '2.2.2.2', proto: 'icmp' }],
  ['L3/4in6.pcap', { src: '70.55.213.211', srcPort: 31337, dst: '192.88.99.1', dstPort: 80, proto: 'tcp' }],
  ['L3/6in4.pcap', { src: '2002:4637:d5d3::4637:d5d3', dst: '2001:4860:0:2001::68', srcPort: 31337, dstPort: 80 }],
  ['L3/ipv6_hdr_dstopt.pcap', { proto: 'udp', srcPort: 42513, dstPort: 42 }],
  ['L3/ipv6_hdr_hopbyhop.pcap', { src: 'fe80::21b:63ff:fe94:b10e', dst: 'ff02::1:ff94:b10e', proto: 'ipv6-icmp' }],
  ['L3/ipv6_hdr_routing.pcap', { proto: 'ipv6-icmp' }],
  ['L3/rsvp.pcap', { src: '10.1.24.4', dst: '10.1.12.1', proto: 'rsvp' }],
  ['L3/igmp.pcap', { src: '192.168.2.5', dst: '224.0.0.22', proto: 'igmp' }],
];

for (const [file, expected] of TUNNELS) {
  test(`${file}: the flow inside`, { skip: skip(file) }, async () => {
    const [flow] = await flowsOf(file);
    for (const [member, value] of Object.entries(expected)) assert.equal(flow[member], value, member);
  });
}

for (const [file, reasons] of [
  ['L3/truncated_ip.pcap', ['networkShort', 'networkMalformed']],
  ['L3/truncated_tcp.pcap', ['transportMalformed']],
  ['L3/truncated_udp.pcap', ['transportMalformed', 'transportShort']],
] as const) {
  test(`${file}: refused`, { skip: skip(file) }, async () => {
    const { refused, decoded } = await summaryOf(file);
    assert.equal(decoded, 0);
    assert.ok(
      reasons.some((reason) => refused[reason] > 0),
      JSON.stringify(refused),
    );
  });
}

// Peafowl refuses it. Addresses, type and code are there, so that the flow is known: metered with the length there is.
test('L3/truncated_icmp.pcap: a length beyond the frame is told', {
  skip: skip('L3/truncated_icmp.pcap'),
}, async () => {
  const { noticed, decoded } = await summaryOf('L3/truncated_icmp.pcap');
  assert.deepEqual([decoded, noticed], [1, { lengthBeyondFrame: 1 }]);
});

test('fragments: SIP in correct_1 is one flow with all its fragments', {
  skip: skip('ip_fragmentation/correct_1.pcap'),
}, async () => {
  const flows = await flowsOf('ip_fragmentation/correct_1.pcap');
  const { packets } = await summaryOf('ip_fragmentation/correct_1.pcap');
  assert.equal(packetsOf(flows, 'udp'), packets);
  for (const flow of flows) assert.equal(typeof flow.srcPort, 'number');
  assert.equal(
    flows.reduce((sum, flow) => sum + Number(flow.fragments ?? 0) + Number(flow.reverseFragments ?? 0), 0),
    23,
  );
});

for (const file of ['ip_fragmentation/teardrop.pcap', 'ip_fragmentation/teardrop_inverted.pcap']) {
  test(`${file}: one UDP flow, the overlap is told`, { skip: skip(file) }, async () => {
    const [flow, ...others] = await flowsOf(file);
    assert.deepEqual([others.length, flow.proto, flow.packets, typeof flow.srcPort], [0, 'udp', 2, 'number']);
    assert.equal((await summaryOf(file)).noticed.fragmentOverlap, 1);
  });
}

test('6in6_inner: fragments inside of a tunnel are the inner UDP flow', {
  skip: skip('ip_fragmentation/6in6_inner.pcap'),
}, async () => {
  const flows = await flowsOf('ip_fragmentation/6in6_inner.pcap');
  assert.deepEqual(
    flows.map((flow) => [flow.src, flow.dst, flow.proto, flow.packets]),
    [['::ac10:c702', '::e000:2', 'udp', 4]],
  );
});

// Peafowl puts fragments together and finds what the tunnel carries. Fragments are not kept here: when the first one is
// too short for the inner header, as in these, what is known is the tunnel itself. No packet is lost or counted twice.
for (const [file, proto] of [
  ['ip_fragmentation/4in4_outer.pcap', 'ipv4'],
  ['ip_fragmentation/6in6_both.pcap', 'ipv6'],
] as const) {
  test(`${file}: first fragments of 8 bytes: the tunnel's own flow`, { skip: skip(file) }, async () => {
    const { packets, noticed } = await summaryOf(file);
    assert.equal(packetsOf(await flowsOf(file), proto), packets);
    assert.ok(noticed.tunnelContent > 0);
  });
}

test('http.cap: statistics after three and after six packets', { skip: skip('http.cap') }, async () => {
  const stats = async (packets: number): Promise<unknown[]> => {
    const { flowRecords } = await readFiles([head('http.cap', packets)], { features: ['payload'] });
    const [flow] = flowRecords;
    return [
      [flow.bytes, flow.packets, flow.payloadBytes, flow.payloadPackets],
      [flow.reverseBytes, flow.reversePackets, flow.reversePayloadBytes, flow.reversePayloadPackets],
    ];
  };
  assert.deepEqual(await stats(3), [
    [88, 2, 0, 0],
    [48, 1, 0, 0],
  ]);
  assert.deepEqual(await stats(6), [
    [607, 3, 479, 1],
    [1508, 3, 1380, 1],
  ]);
});

test('http.cap: SYN, FIN, RST, window scale, sequence of payload lengths and times', {
  skip: skip('http.cap'),
}, async () => {
  const flows = await flowsOf('http.cap');
  const [flow] = flows;
  const twice = (name: string): unknown[] => [flow[name], flow[`reverse${name[0].toUpperCase()}${name.slice(1)}`]];
  assert.deepEqual(twice('syns'), [1, 1]);
  assert.deepEqual(twice('fins'), [1, 1]);
  assert.deepEqual(twice('rsts'), [0, 0]);
  assert.deepEqual(twice('windowScale'), [undefined, undefined]);
  assert.deepEqual(twice('payloadLengths'), [[479], new Array(10).fill(1380)]);
  const gaps = [0, 130_187, 630_907, 110_159, 80_115, 260_374, 480_691, 120_173, 140_202, 470_677];
  assert.deepEqual(twice('payloadGaps'), [[0], gaps]);
  // Peafowl counts one in each direction: for it a duplicate acknowledgement is one, which carries nothing again.
  assert.deepEqual([flows[2].retransmissions, flows[2].reverseRetransmissions], [0, 1]);
});

test('http-segmented.pcap: FIN, RST and window scale', { skip: skip('http-segmented.pcap') }, async () => {
  const [flow] = await flowsOf('http-segmented.pcap');
  assert.deepEqual([flow.syns, flow.reverseSyns, flow.fins, flow.reverseFins], [1, 1, 0, 0]);
  assert.deepEqual([flow.rsts, flow.reverseRsts], [0, 1]);
  assert.deepEqual([flow.windowScale, flow.reverseWindowScale], [7, 0]);
});

test('http-jpeg.pcap: one zero window', { skip: skip('http-jpeg.pcap') }, async () => {
  const [flow] = await flowsOf('http-jpeg.pcap');
  assert.deepEqual([flow.zeroWindows, flow.reverseZeroWindows], [1, 0]);
});

test('TCP out of order and across the end of sequence numbers', {
  skip: skip('tcp_resegment/http_out_of_order_1.pcap'),
}, async () => {
  const late = async (file: string): Promise<number> => {
    const flows = await flowsOf(`tcp_resegment/${file}.pcap`);
    assert.equal(flows.length, 1, file);
    const [flow] = flows;
    return Number(flow.outOfOrder) + Number(flow.reverseOutOfOrder);
  };
  assert.ok((await late('http_out_of_order_1')) > 0);
  assert.ok((await late('http_seq_num_wrapping_out_of_order')) > 0);
  assert.equal(await late('http_seq_num_wrapping'), 0);
});

test('whatsapp.pcap with room for one flow, others refused: the table is full for many', {
  skip: skip('whatsapp.pcap'),
}, async () => {
  const { summary } = await readFiles([path.join(folder, 'whatsapp.pcap')], { maxFlows: 1, whenFull: 'refuse' });
  assert.ok(summary.refused.tableFull > 0);
  assert.deepEqual(summary.imbalance, []);
  assert.equal(summary.flows.peak, 1);
});

test('cut IP, TCP and UDP headers, made by hand: refused with their reasons', async () => {
  const src = '10.0.0.1';
  const dst = '10.0.0.2';
  const reasons: [reason: string, frame: Uint8Array][] = [
    ['networkShort', ethernet(ipv4(src, dst, 17, zeros(20))).subarray(0, 14 + 12)],
    ['transportMalformed', ethernet(ipv4(src, dst, 6, zeros(19)))],
    ['transportMalformed', ethernet(ipv4(src, dst, 17, zeros(7)))],
    ['transportMalformed', ethernet(ipv4(src, dst, 1, zeros(3)))],
  ];
  for (const [reason, bytes] of reasons) {
    const { refused, imbalance } = await meterFrames([{ at: 0, bytes }, ...timed([1, ipv4(src, dst, 17, zeros(8))])]);
    assert.deepEqual(imbalance, []);
    assert.equal(refused[reason], reason === 'transportMalformed' ? refused[reason] : 1);
    assert.ok(refused[reason] >= 1, reason);
  }
});
