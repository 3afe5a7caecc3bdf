import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { RpcCounters } from './counters.js';

interface Connection {
  readonly socket: Socket;
  /** Requests that are not answered yet; those that have not come whole do not count. */
  readonly requests: Set<IncomingMessage>;
}

/** Both ends of a connection as a text: TLS has another object for its socket than the server below it. */
function keyOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

/**
 * Bounds the connections of an HTTP server. When all are taken, the one that is silent longest makes room for a new one; if
 * all are busy, the new one is closed. So nobody can keep others out by connections that say nothing.
 */
export function boundConnections(server: Server, limit: number, counters: RpcCounters): void {
  /** Those that are silent longest come first. */
  const open = new Map<string, Connection>();
  server.on('connection', (socket: Socket) => {
    counters.connections++;
    if (open.size >= limit) {
      counters.refusedConnections++;
      const silent = firstSilent(open);
      if (silent === undefined) {
        socket.destroy();
        return;
      }
      open.delete(silent[0]);
      silent[1].socket.destroy();
    }
    const key = keyOf(socket);
    const own: Connection = { socket, requests: new Set() };
    open.set(key, own);
    counters.open++;
    socket.on('close', () => {
      if (open.get(key) === own) open.delete(key);
      counters.open--;
    });
  });
  server.on('request', (request: IncomingMessage, response) => {
    const key = keyOf(request.socket);
    const own = open.get(key);
    if (own === undefined) return;
    own.requests.add(request);
    response.on('close', () => {
      own.requests.delete(request);
      // It was heard of just now.
      if (open.get(key) === own) {
        open.delete(key);
        open.set(key, own);
      }
    });
  });
}

function firstSilent(open: ReadonlyMap<string, Connection>): [string, Connection] | undefined {
  for (const entry of open) if (![...entry[1].requests].some(({ complete }) => complete)) return entry;
  return undefined;
}
