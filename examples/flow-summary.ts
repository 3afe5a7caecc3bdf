// A line for each flow that ended: who, how much each way, how the connection went.
//
//     node dist/examples/flow-summary.js CAPTURE…
//
// `-` is standard input: tcpdump -w - | node dist/examples/flow-summary.js -
import { type FlowRecord, readFlows } from 'rheo';

const paths = process.argv.slice(2);
const flows = readFlows(paths, { features: ['roundTrip', 'retransmissions', 'zeroWindows'] });

for await (const flow of flows) {
  const sent = `${flow.packets} packets, ${flow.bytes} B`;
  const received = `${flow.reversePackets} packets, ${flow.reverseBytes} B`;
  const line = `${flow.proto} ${end(flow.src, flow.srcPort)} -> ${end(flow.dst, flow.dstPort)}: out ${sent}; in ${received}`;
  console.log(`${line}; ${flow.duration} s; ${flow.endReason}${connection(flow)}`);
}

const { packets, records, refused } = await flows.summary;
const leftOut = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`);
console.log(`${packets} packets, ${records} flows${leftOut.length > 0 ? `, left out: ${leftOut.join(', ')}` : ''}`);

/** Address and port as one text. */
function end(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What the features say about a TCP connection; they are members of the record by the names of docs/features.md. */
function connection(flow: FlowRecord): string {
  let text = '';
  if (flow.serverRoundTrip !== undefined) text += `; SYN answered after ${flow.serverRoundTrip} µs`;
  const sentAgain = Number(flow.retransmissions ?? 0) + Number(flow.reverseRetransmissions ?? 0);
  if (sentAgain > 0) text += `; ${sentAgain} segments sent again`;
  const zeroWindows = Number(flow.zeroWindows ?? 0) + Number(flow.reverseZeroWindows ?? 0);
  if (zeroWindows > 0) text += `; window closed ${zeroWindows} times`;
  return text;
}
