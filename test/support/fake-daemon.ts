import { RpcCounters } from '../../src/rpc/counters.js';
import { listenHttp } from '../../src/rpc/http-server.js';
import { listenUnix } from '../../src/rpc/unix-server.js';
import { FakeService, fakeFlow } from './fake-service.js';

/**
 * A process with a fake service behind the real transports, for tests of the command:
 *   node fake-daemon.js SOCKET [FLOWS] [HTTP-ADDRESS TOKEN-FILE]
 * Prints `ready ADDRESS…` when it listens, and ends with code 0 when it is told to shut down.
 */
const [socket, flows, listen, tokenFile] = process.argv.slice(2);
const service = new FakeService({ flows: flows === undefined ? undefined : Number(flows), onStop: () => void stop() });
const context = { service, counters: new RpcCounters(), log: () => {} };
const listeners = [await listenUnix(context, { path: socket })];
if (listen !== undefined) listeners.push(await listenHttp(context, { listen, tokenFile }));

let told = 0;
const telling = setInterval(() => {
  service.tell({ type: 'records', flows: [fakeFlow(told++)] });
}, 20);

async function stop(): Promise<void> {
  clearInterval(telling);
  await Promise.all(listeners.map((listener) => listener.close()));
}

process.stdout.write(`ready ${listeners.map(({ address }) => address).join(' ')}\n`);
