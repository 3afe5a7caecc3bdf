// Who sends most: bytes by address, from batches of records, which is the fast way through many flows.
//
//     node dist/examples/top-talkers.js CAPTURE…
import { addressText, approximateCounter, Row, readFlows } from 'rheo';

const SHOWN = 10;
const sent = new Map<string, number>();
const flows = readFlows(process.argv.slice(2), { features: 'none' });

for await (const batch of flows.batches()) {
  const { words, unsigned, layout } = batch;
  for (let at = 0; at < batch.count * layout.stride; at += layout.stride) {
    // A record holds both endpoints, A and B, and what each of them sent. The words are described at `Row`.
    const version = (words[at + Row.meta] >>> 8) & 0xff;
    add(addressText(words, at + Row.a, version), approximateCounter(unsigned, at + Row.octetsA));
    add(addressText(words, at + Row.b, version), approximateCounter(unsigned, at + Row.octetsB));
  }
}

const { names } = flows;
const ranking = [...sent].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
for (const [address, bytes] of ranking)
  console.log(`${bytes} B ${address}${names.has(address) ? ` ${names.get(address)}` : ''}`);

function add(address: string, bytes: number): void {
  sent.set(address, (sent.get(address) ?? 0) + bytes);
}
