// Packets that a program has itself: metered one by one, with the flow at hand for each of them, and data of our own kept
// with it. Here they are made up: a client asks three times, a server answers; then nothing comes any more.
//
//     node dist/examples/own-packets.js
import { Meter } from 'rheo';

/** What this program keeps with each flow, as long as it lives. */
interface Dialog {
  questions: number;
  lastQuestion: number;
  slowest: number;
}

const UDP = 17;
const client = { src: '2001:db8::20', dst: '2001:db8::53', protocol: UDP };
const server = { src: client.dst, dst: client.src, protocol: UDP };

const meter = new Meter<Dialog>({
  timeouts: { idle: { udp: 5_000 } },
  onEnd(flow) {
    const dialog = flow.userData;
    if (dialog === undefined) return;
    const volume = `${flow.bytes} B asked, ${flow.reverseBytes} B answered`;
    console.log(`over (${flow.endReason}): ${dialog.questions} questions, slowest ${dialog.slowest} ms, ${volume}`);
  },
});

const begin = Date.parse('2024-01-01T00:00:00Z');
for (const [number, delay] of [12, 40, 7].entries()) {
  const asked = begin + number * 1000;
  meterPacket(datagram(40000, 53, 30), client, asked);
  meterPacket(datagram(53, 40000, 200), server, asked + delay);
}

// No packet comes any more: without the clock's help the flow would wait for one.
meter.advance(begin + 60_000);
const { packets, flows, imbalance } = meter.finish();
console.log(`${packets} packets, ${flows.opened} flow, accounts ${imbalance.length === 0 ? 'balance' : imbalance}`);

function meterPacket(bytes: Uint8Array, ends: typeof client, time: number): void {
  const flow = meter.l4(bytes, ends, time);
  if (flow === undefined) {
    console.log(`not metered: ${meter.lastRefusal}`);
    return;
  }
  flow.userData ??= { questions: 0, lastQuestion: 0, slowest: 0 };
  const dialog = flow.userData;
  if (flow.direction === 'forward') {
    dialog.questions++;
    dialog.lastQuestion = time;
  } else dialog.slowest = Math.max(dialog.slowest, time - dialog.lastQuestion);
  console.log(`${flow.direction}: ${flow.packets} packets out, ${flow.reversePackets} in${flow.isNew ? ', new' : ''}`);
}

/** A UDP header (RFC 768) and so many bytes of payload; the checksum is left out. */
function datagram(sourcePort: number, destinationPort: number, payload: number): Uint8Array {
  const bytes = new Uint8Array(8 + payload);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, bytes.length);
  return bytes;
}
