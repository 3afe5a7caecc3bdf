// A daemon (rheo run) is asked while it runs: how it is, who sends most, and what ends while we look. It serves whoever asks
// without making a packet wait; what we are too slow for is dropped for us alone, and told.
//
//     node dist/examples/ask-daemon.js [SOCKET [RECORDS]]
import { connect } from 'rheo/client';

const [socket, records = '5'] = process.argv.slice(2);
const daemon = await connect({ socket });

const { status, reasons } = await daemon.call('health');
console.log(`${daemon.address}: ${status}${reasons.map((reason) => `, ${reason}`).join('')}`);

const { packets, flows, verdict } = await daemon.call('loss');
console.log(`${packets} packets, ${flows.live} flows live, ${flows.opened} in all. ${verdict}`);

for (const { key, bytes } of await daemon.call('top', { key: 'address', limit: 3 })) {
  console.log(`${bytes} B to and from ${key}`);
}

// Records come as flows end; leaving the loop ends the subscription.
let left = Number(records);
const ended = await daemon.subscribe('records');
for await (const event of ended) {
  if (event.type !== 'records') continue;
  for (const { proto, src, dst, endReason } of event.flows.slice(0, left)) {
    console.log(`over (${endReason}): ${proto} ${src} -> ${dst}`);
    left--;
  }
  if (left === 0) break;
}
console.log(`${ended.dropped} events dropped for us`);
daemon.close();
