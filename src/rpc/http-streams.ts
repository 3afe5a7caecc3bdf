import type { ServerResponse } from 'node:http';
import { Feed } from './feed.js';
import type { RpcLimits } from './limits.js';
import type { DumpFormat, SubscriptionName } from './method-types.js';
import type { TransportContext } from './unix-server.js';

/** Proxies and clients take a silent connection for a dead one. */
const HEARTBEAT_MS = 10_000;

/** Server-sent events (HTML standard, 9.2) until the reader goes. */
export function sendEvents(
  response: ServerResponse,
  names: readonly SubscriptionName[],
  { service, counters }: TransportContext,
  limits: Readonly<RpcLimits>,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  });
  response.write(': rheo\n\n');
  const feeds = names.map(
    (name) =>
      new Feed(
        service,
        name,
        {
          hasRoom: () => response.writable && response.writableLength <= limits.queueBytes,
          send(event, dropped) {
            const told = dropped === 0 ? '' : `event: dropped\ndata: {"dropped":${dropped}}\n\n`;
            response.write(`${told}event: ${name}\ndata: ${event}\n\n`);
          },
        },
        counters,
      ),
  );
  const heartbeat = setInterval(() => {
    // What waits already shows whether the reader lives.
    if (response.writable && response.writableLength === 0) response.write(': \n\n');
  }, HEARTBEAT_MS);
  heartbeat.unref();
  response.on('error', () => {});
  response.on('close', () => {
    clearInterval(heartbeat);
    for (const feed of feeds) feed.end();
  });
}

const TYPES: Readonly<Record<DumpFormat, string>> = {
  ndjson: 'application/x-ndjson',
  binary: 'application/octet-stream',
};

/** A dump as the body; what is broken off ends without its last chunk, so that the reader sees it. */
export async function sendDump(
  response: ServerResponse,
  pieces: AsyncIterator<Uint8Array>,
  format: DumpFormat,
  onError: (error: unknown) => void,
): Promise<void> {
  response.on('error', () => {});
  response.writeHead(200, {
    'content-type': TYPES[format],
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (done === true) break;
      if (value.length === 0) continue;
      if (!(await written(response, value))) {
        await pieces.return?.();
        return;
      }
    }
    response.end();
  } catch (error) {
    onError(error);
    response.destroy();
  }
}

/** Resolves when the system has the bytes; false if the reader is gone. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    if (!response.writable || response.destroyed) {
      gone();
      return;
    }
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      resolve(error === null || error === undefined);
    });
  });
}
